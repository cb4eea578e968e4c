"""MLflow: the only place that imports it. One parent run per pipeline run, one child per stage that ran."""

from stages.shared.tracking.record import Record
from stages.shared.tracking.registry import register_bundle
from stages.shared.tracking.runs import StageRun, close_parent, open_stage_run, show_on_parent
from stages.shared.tracking.store import EXPERIMENT, store_uri

__all__ = [
    "EXPERIMENT",
    "Record",
    "StageRun",
    "close_parent",
    "open_stage_run",
    "register_bundle",
    "show_on_parent",
    "store_uri",
]
