"""The Prefect server killed in mid-flow: what stages gave is kept, no process is left, and another run completes."""

import httpx
import pytest

from tests.faults.killing import pids_of, what_is_left
from tests.faults.recording import locked_by_another_process
from tests.real.conftest import wait_until
from tests.real.project import Project
from tests.real.servers import PrefectServer

pytestmark = pytest.mark.real


@pytest.mark.fault(41)
def test_a_server_killed_in_mid_flow_costs_no_output(up_to_date: Project, prefect_process: PrefectServer) -> None:
    project = up_to_date
    environment = {"PREFECT_API_URL": prefect_process.url, "PREFECT_CLIENT_MAX_RETRIES": "2"}  # which is 6 s each time
    project.set_params({"package.intended_use": "Something else."})
    process = project.start("flows.finetune", **environment)
    partial, output = project.root / "data/.package.partial", project.root / "output.log"
    wait_until(lambda: partial.is_dir() or process.poll() is not None, 240, every=0.01)
    assert process.poll() is None, output.read_text(encoding="utf-8")
    prefect_process.kill()
    assert process.wait(240) == 4
    log = output.read_text(encoding="utf-8")
    assert "the Prefect server" in log and "is gone. What the stages gave is kept" in log
    assert "Traceback" not in log
    assert not pids_of(project)
    assert not what_is_left(project)

    prefect_process.start()
    written = (project.root / "data/package/MANIFEST.json").stat().st_mtime
    mended = project.run("flows.doctor", "--fix", **environment)
    assert mended.returncode == 0, mended.stdout
    assert "mended: Prefect flow run package " in mended.stdout
    states = {"state": {"type": {"any_": ["RUNNING", "PENDING"]}}}
    reply = httpx.post(f"{prefect_process.url}/flow_runs/filter", json={"flow_runs": states}, timeout=30)
    assert reply.json() == []

    done = project.run("dvc", "repro", **environment)
    assert "up to date" in done.stdout
    assert (project.root / "data/package/MANIFEST.json").stat().st_mtime == written
    project.set_params({"package.intended_use": "Sentiment of short English reviews."})


@pytest.mark.fault(41)
@pytest.mark.slow
def test_a_server_whose_database_is_locked_is_one_line(up_to_date: Project, prefect_process: PrefectServer) -> None:
    up_to_date.set_params({"package.intended_use": "Something locked."})
    with locked_by_another_process(prefect_process.database):
        hasty = {"PREFECT_CLIENT_MAX_RETRIES": "0", "PREFECT_API_REQUEST_TIMEOUT": "10"}
        done = up_to_date.run("flows.finetune", PREFECT_API_URL=prefect_process.url, **hasty)
    assert done.returncode == 4, done.stdout
    assert f"the Prefect server at {prefect_process.url} fails: " in done.stdout
    assert "Traceback" not in done.stdout
    assert up_to_date.run("flows.finetune", PREFECT_API_URL=prefect_process.url).returncode == 0
