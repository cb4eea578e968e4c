"""The pipeline as a Prefect flow: each stage of dvc.yaml, in its order, as a flow of the stage's name.

`python -m flows.finetune` and the deployments of prefect.yaml run it.

DVC decides what is stale. A stage's final state is Completed, Cached (nothing had to run), Failed or Skipped
(a stage before it failed).
"""

import contextlib
from dataclasses import dataclass
from typing import Any

import httpx
from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State, StateType
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.states import Cancelled, Completed, Failed

from flows.doctoring.locks import mend_locks
from flows.doctoring.records import look_at_prefect
from flows.exclusive import PIPELINE, Taken, alone
from flows.prefect_record import note_process
from flows.preflight import check_before_anything_runs, stale_stages
from flows.recorder import Recorder
from flows.recorder_server import ADDRESS, RecorderServer
from flows.stage_process import TimeLimit, child_environment, run_stage_process
from flows.summary import pipeline_summary
from stages.shared.errors import MachineError, TemperError
from stages.shared.pipeline import Stage, read_stages
from stages.shared.session import RECORDER
from stages.shared.workspace import read_state, receipt_path, write_receipt

KILLED = 137  # as a shell says it of SIGKILL
KILLED_MESSAGE = "the stage was killed; too little memory is the usual reason. Nothing good was lost"
MAY_PASS = (MachineError.exit_code, KILLED)  # exit codes after which another try may help
# a stage's end would wait for its own; the pipeline's tell that both live
NO_HEARTBEATS = {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}


@dataclass(frozen=True)
class Limits:
    """How long a stage may take, in seconds, and how often it is tried again."""

    stage_seconds: float | None
    stage_retries: int


def _receipt(session: str, stage: str) -> dict[str, Any] | None:
    return read_state(receipt_path(session, stage)) or None


def settled(code: int, receipt: dict[str, Any] | None, last_words: str) -> dict[str, Any] | None:
    """The receipt of a stage after its process is gone; None when nothing had to run.

    Args:
        code: what `dvc` ended with.
        receipt: what the stage left, None when it never began, its state "running" when it could not finish.
        last_words: the last line that was printed, in which `dvc` says why it did not begin.
    """
    if receipt is not None and receipt["state"] == "running":
        return {"state": "failed", "exit_code": KILLED, "message": KILLED_MESSAGE}
    if receipt is None and code:
        return {"state": "failed", "exit_code": MachineError.exit_code, "message": f"did not begin: {last_words}"}
    return receipt


def _state_after(receipt: dict[str, Any] | None) -> State[Any]:
    """The final state of a stage's flow run: what its receipt says, not the wording of DVC."""
    if receipt is None:
        return Completed(name="Cached", message="nothing had to run")
    return Completed(message=receipt["message"]) if receipt["state"] == "ran" else Failed(message=receipt["message"])


def _try_stage(stage: Stage, session: str, seconds: float | None) -> dict[str, Any] | None:
    """Run a stage once; give its receipt, None when nothing had to run."""
    said, logger = [""], get_run_logger()

    def say(line: str) -> None:  # from a thread, which knows no flow run
        said[0] = line
        logger.info(line)

    receipt_path(session, stage.name).unlink(missing_ok=True)  # of an earlier try in the same flow run
    environment = child_environment(session, flow_run.get_id() or session) | {RECORDER: ADDRESS}
    try:
        code = run_stage_process(stage.name, environment, say, seconds)
        receipt = settled(code, _receipt(session, stage.name), said[0])
    except TimeLimit as error:
        receipt = {"state": "failed", "exit_code": 1, "message": str(error)}
    if receipt is not None:
        write_receipt(session, stage.name, receipt)
    return receipt


def _run_stage(stage: Stage, session: str, limits: Limits) -> State[Any]:
    for tries_left in reversed(range(limits.stage_retries + 1)):
        receipt = _try_stage(stage, session, limits.stage_seconds)
        if receipt is None or receipt["exit_code"] not in MAY_PASS or not tries_left:
            break
        get_run_logger().warning("%s: %s; trying again, %d left", stage.name, receipt["message"], tries_left)
    return _state_after(receipt)


def stage_state(stage: Stage, session: str, limits: Limits, failed: set[str], is_fresh: bool) -> State[Any]:
    """Run one stage as a flow of its name where it is not fresh, or skip it when a stage before it failed."""

    def body() -> State[Any]:
        causes = sorted(stage.ancestors & failed)
        if causes:
            return State(type=StateType.CANCELLED, name="Skipped", message=f"{', '.join(causes)} failed")
        return _state_after(None) if is_fresh else _run_stage(stage, session, limits)

    named = flow(name=stage.name, flow_run_name=stage.name, description=stage.description, persist_result=False)(body)
    return named(return_state=True)


def _run_all(session: str, limits: Limits) -> dict[str, State[Any]]:
    states: dict[str, State[Any]] = {}
    failed: set[str] = set()
    stale = stale_stages()
    with temporary_settings(NO_HEARTBEATS):
        for stage in read_stages():
            is_fresh = stale is not None and not stale & {stage.name, *stage.ancestors}
            states[stage.name] = stage_state(stage, session, limits, failed, is_fresh)
            if not states[stage.name].is_completed() and states[stage.name].name != "Skipped":
                failed.add(stage.name)
    return states


def _close_what_a_kill_left() -> None:
    """Flow runs of this clone that Prefect believes to go on, as their processes or its server were killed."""
    with contextlib.suppress(httpx.HTTPError):  # the next run does it then
        for finding in look_at_prefect():
            if finding.mend is not None:
                finding.mend()
                get_run_logger().warning("%s: closed", finding.what)


def _run_and_close(session: str, limits: Limits) -> tuple[dict[str, State[Any]], bool]:
    """Run all stages and complete their record; give the states that are not good, and whether nothing had to run."""
    note_process(session)
    status = "KILLED"
    with contextlib.closing(RecorderServer(get_run_logger().warning)):
        try:
            states = _run_all(session, limits)
            bad = {name: state for name, state in states.items() if not state.is_completed()}
            status = "FAILED" if bad else "FINISHED"
        finally:
            with contextlib.closing(Recorder(ADDRESS)) as recorder:
                recorder.ask("close_parent", session, read_stages(), status)
    create_markdown_artifact(f"```\n{pipeline_summary(session)}\n```", key="summary")
    return bad, all(state.name == "Cached" for state in states.values())


@flow(name="finetune", persist_result=False)
def finetune(stage_seconds: float | None = None, stage_retries: int = 0) -> State[Any]:
    """Bring the whole pipeline up to date.

    Args:
        stage_seconds: the longest that one stage may take; None for no limit.
        stage_retries: how often a stage is tried again that the machine failed, or that was killed; never one that
            failed for its data, its parameters or a gate, which would only fail again.
    """
    try:
        check_before_anything_runs()
    except TemperError as error:
        return Failed(message=str(error))
    try:
        with alone(PIPELINE, seconds=0):
            mend_locks(get_run_logger().warning)
            _close_what_a_kill_left()
            bad, is_cached = _run_and_close(str(flow_run.get_id()), Limits(stage_seconds, stage_retries))
    except Taken as error:  # by the last night's run, or by somebody at a shell
        return Cancelled(message=str(error))
    except MachineError as error:
        return Failed(message=str(error))
    if bad:
        return Failed(message="; ".join(f"{n}: {s.message}" for n, s in bad.items() if s.name != "Skipped"))
    return Completed(name="Cached" if is_cached else "Completed")
