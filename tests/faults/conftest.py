"""One real MLflow server for the session."""

from collections.abc import Iterator

import pytest

from tests.faults.stores import MlflowServer
from tests.faults.stores import mlflow_server as running_server


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """It may be killed, and must run again afterwards."""
    with running_server(tmp_path_factory.mktemp("mlflow")) as server:
        yield server
