"""The pipeline as a Prefect flow: each stage of dvc.yaml, in its order, as a flow of the stage's name.

    python -m flows.finetune

DVC decides what is stale. A stage's final state is Completed, Cached (nothing had to run), Failed or Skipped
(a stage before it failed).
"""

import json
import sys
from typing import Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State, StateType
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from flows.prefect_record import api_url
from flows.preflight import check_before_anything_runs, is_up_to_date
from flows.stage_process import TimeLimit, child_environment, run_stage_process
from flows.summary import exit_code, pipeline_summary
from stages.shared.errors import TemperError
from stages.shared.pipeline import Stage, read_stages
from stages.shared.workspace import receipt_path


def _receipt(session: str, stage: str) -> dict[str, Any] | None:
    path = receipt_path(session, stage)
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _state_after(code: int, receipt: dict[str, Any] | None) -> State[Any]:
    """The final state of a stage's flow run: what its receipt says, not the wording of DVC."""
    if code == 0:
        if receipt is None:
            return Completed(name="Cached", message="nothing had to run")
        return Completed(message=receipt["message"])
    if receipt is None:
        return Failed(message=f"dvc ended with exit code {code} before the stage began; see the log")
    return Failed(message=receipt["message"])


def _run_stage(stage: Stage, session: str, seconds: float | None) -> State[Any]:
    logger = get_run_logger()
    receipt_path(session, stage.name).unlink(missing_ok=True)  # of an earlier try in the same flow run
    environment = child_environment(session, flow_run.get_id() or session)
    try:
        code = run_stage_process(stage.name, environment, logger.info, seconds)
    except TimeLimit as error:
        return Failed(message=str(error))
    return _state_after(code, _receipt(session, stage.name))


def stage_state(stage: Stage, session: str, seconds: float | None, failed: set[str]) -> State[Any]:
    """Run one stage as a flow of its name, or skip it when a stage before it failed."""

    def body() -> State[Any]:
        causes = sorted(stage.ancestors & failed)
        if causes:
            return State(type=StateType.CANCELLED, name="Skipped", message=f"{', '.join(causes)} failed")
        return _run_stage(stage, session, seconds)

    named = flow(name=stage.name, flow_run_name=stage.name, description=stage.description, persist_result=False)(body)
    return named(return_state=True)


def _run_all(session: str, seconds: float | None) -> dict[str, State[Any]]:
    states: dict[str, State[Any]] = {}
    failed: set[str] = set()
    for stage in read_stages():
        states[stage.name] = stage_state(stage, session, seconds, failed)
        if states[stage.name].is_failed():
            failed.add(stage.name)
    return states


@flow(name="finetune", persist_result=False)
def finetune(stage_seconds: float | None = None) -> State[Any]:
    """Bring the whole pipeline up to date.

    Args:
        stage_seconds: the longest that one stage may take; None for no limit.
    """
    from stages.shared import tracking

    try:
        check_before_anything_runs()
    except TemperError as error:
        return Failed(message=str(error))
    session = str(flow_run.get_id())
    status = "KILLED"
    try:
        states = _run_all(session, stage_seconds)
        bad = {name: state for name, state in states.items() if not state.is_completed()}
        status = "FAILED" if bad else "FINISHED"
    finally:
        tracking.close_parent(session, read_stages(), status)
    create_markdown_artifact(f"```\n{pipeline_summary(session)}\n```", key="summary")
    if bad:
        return Failed(message="; ".join(f"{n}: {s.message}" for n, s in bad.items() if s.is_failed()))
    return Completed(name="Cached" if all(s.name == "Cached" for s in states.values()) else "Completed")


def main() -> int:
    """The command line; gives the exit code."""
    try:
        check_before_anything_runs()
    except TemperError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    if api_url() is None and is_up_to_date():  # no need of a server, then, to say so
        print(pipeline_summary("none"))
        return 0
    state = finetune(return_state=True)
    session = str(state.state_details.flow_run_id)
    print(f"\n{pipeline_summary(session)}", flush=True)
    return 0 if state.is_completed() else exit_code(session, read_stages()) or 1


if __name__ == "__main__":
    sys.exit(main())
