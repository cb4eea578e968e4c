"""Runs that MLflow or Prefect believe to go on though their processes are gone, and records on their way."""

import json
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from flows.doctoring import Finding
from flows.prefect_record import PROCESS, api_answers, api_url
from stages.shared.session import is_alive
from stages.shared.workspace import state_folder


def look_at_mlflow() -> Iterator[Finding]:
    """Records that wait or were refused, and RUNNING runs of this host without a process."""
    from stages.shared.tracking import left

    for journal in left.waiting():
        what = f"{journal.folder}: a record that MLflow has not got yet"
        yield Finding(what, "Start MLflow; the next run sends it.", partial(left.send, journal))
    for folder in left.refused():
        yield Finding(f"{folder}: a record that MLflow refused", f"Look into it, and remove {folder}.")
    for run_id, name in left.orphans():
        what = f"MLflow run {name} {run_id}: RUNNING, though its process is gone"
        yield Finding(what, "Run any stage: it closes it.", partial(left.close, run_id))


def look_at_prefect() -> Iterator[Finding]:
    """Flow runs of this clone that Prefect says are running though their process is gone."""
    url = api_url()
    if url is None or not api_answers(url):
        return
    for run in _running(url, _gone_sessions()):
        what = f"Prefect flow run {run['name']} {run['id']}: {run['state']['name']}, though its process is gone"
        remedy = f"Run `prefect flow-run cancel {run['id']}`."
        yield Finding(what, remedy, partial(_crash, url, run["id"]))


def _gone_sessions() -> list[str]:
    """The flow runs that processes of this host began that are gone now."""
    found = []
    for file in state_folder("receipts").glob(f"*/{PROCESS}"):
        told = json.loads(file.read_text(encoding="utf-8"))
        if told["host"] == socket.gethostname() and not is_alive(told["process"]):
            found.append(Path(file).parent.name)
    return found


def _ask(url: str, path: str, question: dict[str, Any]) -> Any:
    import httpx

    return httpx.post(f"{url.rstrip('/')}/{path}", json=question, timeout=30).raise_for_status().json()


def _running(url: str, sessions: list[str]) -> Iterator[dict[str, Any]]:
    """Those of the flow runs, and of the stages below them, that are not over."""
    states = {"state": {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING"]}}}
    for kind in ("id", "parent_flow_run_id"):
        if sessions:
            yield from _ask(url, "flow_runs/filter", {"flow_runs": {**states, kind: {"any_": sessions}}})


def _crash(url: str, run_id: str) -> None:
    state = {"type": "CRASHED", "name": "Crashed", "message": "its process is gone"}
    _ask(url, f"flow_runs/{run_id}/set_state", {"state": state, "force": True})
