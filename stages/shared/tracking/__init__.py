"""MLflow: the only place that imports it. One parent run per pipeline run, one child per stage that ran."""

from stages.shared.tracking.record import Record
from stages.shared.tracking.store import EXPERIMENT, store_uri

__all__ = ["EXPERIMENT", "Record", "store_uri"]
