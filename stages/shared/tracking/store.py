"""Where runs are recorded: the MLflow store, opened by one process at a time."""

import os
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

_PATIENCE = {  # MLflow's own, of minutes, is for a service that is asked by nobody who waits
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
for _name, _value in _PATIENCE.items():
    os.environ.setdefault(_name, _value)

import mlflow  # noqa: E402
from filelock import FileLock  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402
from mlflow.tracking import MlflowClient  # noqa: E402
from sqlalchemy.exc import OperationalError  # noqa: E402

from stages.shared.errors import MachineError  # noqa: E402
from stages.shared.workspace import clone_root, state_folder  # noqa: E402

EXPERIMENT = "temper"
SQLITE = "sqlite:///"
EXISTS = "RESOURCE_ALREADY_EXISTS"
SECONDS_TO_ANSWER = 5.0  # of a server that is asked whether it is there
SECONDS_TO_UNLOCK = 1.0  # of a database that another process writes


class StoreAway(MachineError):
    """The store cannot be reached now. Nothing is wrong with what was to be recorded."""


def store_uri() -> str:
    """Where runs are recorded: MLFLOW_TRACKING_URI, else mlflow.db at the root of the clone."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}{clone_root() / 'mlflow.db'}"


def _lock_file(uri: str) -> Path:
    """Beside a database file, for other clones may use it too; else of this clone."""
    file = Path(uri.removeprefix(SQLITE))
    return file.with_name(f"{file.name}.lock") if uri.startswith(SQLITE) else state_folder("locks") / "mlflow.lock"


def _is_away(error: Exception) -> bool:
    if isinstance(error, MlflowException):
        return error.error_code == "TEMPORARILY_UNAVAILABLE" or "API request to" in str(error)
    return isinstance(error, OSError | OperationalError)


@contextmanager
def away_told(uri: str) -> Iterator[None]:
    """Raise StoreAway for what the block raises because the store cannot be reached."""
    try:
        yield
    except Exception as error:
        if _is_away(error):
            raise StoreAway(f"MLflow at {uri} does not answer: {str(error).splitlines()[0][:300]}") from None
        raise


def _is_writable(file: Path) -> bool:
    """Whether nobody holds the database: MLflow itself would wait for 20 seconds."""
    with closing(sqlite3.connect(file, timeout=SECONDS_TO_UNLOCK, isolation_level=None)) as database:
        try:
            database.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        database.execute("ROLLBACK")
        return True


def _answers(uri: str) -> bool:
    try:
        with urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=SECONDS_TO_ANSWER):
            return True
    except urllib.error.HTTPError:  # somebody is there
        return True
    except OSError:
        return False


def require_store(uri: str) -> None:
    """Raise StoreAway, within seconds, when there is no use in asking the store for anything."""
    file = Path(uri.removeprefix(SQLITE))
    if uri.startswith(SQLITE) and file.is_file() and not _is_writable(file):
        raise StoreAway(f"MLflow's database {file} is locked by another process")
    if uri.startswith(("http://", "https://")) and not _answers(uri):
        raise StoreAway(f"MLflow at {uri} does not answer")


def _experiment(client: MlflowClient, uri: str) -> str:
    """The id of the experiment, made when missing."""
    if (found := client.get_experiment_by_name(EXPERIMENT)) is not None:
        return str(found.experiment_id)
    local = str(clone_root() / "mlartifacts") if uri.startswith("sqlite") else None
    try:
        return str(client.create_experiment(EXPERIMENT, local))
    except MlflowException as error:
        if error.error_code != EXISTS:  # else another clone was faster
            raise
        return _experiment(client, uri)


@contextmanager
def open_store(uri: str | None = None) -> Iterator[tuple[MlflowClient, str]]:
    """The client and the id of the experiment, while no other process that shares the store's lock opens it.

    Raises:
        StoreAway: it cannot be reached now. MachineError: it can never be used.
    """
    uri = uri or store_uri()
    with away_told(uri), FileLock(_lock_file(uri)):
        require_store(uri)
        mlflow.set_tracking_uri(uri)
        try:
            client = MlflowClient(uri)
            experiment = _experiment(client, uri)
        except MlflowException as error:
            if _is_away(error):
                raise
            raise MachineError(
                f"MLflow at {uri} cannot be used: {error}. Start it, or change or unset MLFLOW_TRACKING_URI."
            ) from None
        yield client, experiment
