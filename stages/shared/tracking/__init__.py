"""MLflow: the only place that imports it. One parent run per pipeline run, one child per stage that ran."""

from stages.shared.tracking.record import Record, close_parent
from stages.shared.tracking.store import EXPERIMENT, store_uri

__all__ = ["EXPERIMENT", "Record", "close_parent", "store_uri"]
