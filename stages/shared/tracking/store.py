"""Where runs are recorded: the MLflow store, opened by one process of this clone at a time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import mlflow
from filelock import FileLock
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from stages.shared.errors import MachineError
from stages.shared.workspace import clone_root, state_folder

EXPERIMENT = "temper"


def store_uri() -> str:
    """Where runs are recorded: MLFLOW_TRACKING_URI, else mlflow.db at the root of the clone."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{clone_root() / 'mlflow.db'}"


@contextmanager
def open_store() -> Iterator[tuple[MlflowClient, str]]:
    """The client and the id of the experiment, while no other process of this clone opens the store."""
    with FileLock(state_folder("locks") / "mlflow.lock"):
        uri = store_uri()
        mlflow.set_tracking_uri(uri)
        try:
            client = MlflowClient(uri)
            experiment = client.get_experiment_by_name(EXPERIMENT)
            local = str(clone_root() / "mlartifacts") if uri.startswith("sqlite") else None
            name = experiment.experiment_id if experiment else client.create_experiment(EXPERIMENT, local)
        except MlflowException as error:
            raise MachineError(
                f"MLflow at {uri} cannot be used: {error}. Start it, or change or unset MLFLOW_TRACKING_URI."
            ) from None
        yield client, name
