"""A stage run as dvc.yaml asks for it: its record in MLflow, its flow run in Prefect, its receipt, its exit code."""

import contextlib
import gc
import traceback
from collections.abc import Callable
from pathlib import Path

from flows.exclusive import alone
from flows.perform import perform, stage_function
from flows.prefect_record import as_flow_run
from flows.recorder import Recorder, RecorderGone
from flows.stopping import Stopped
from stages.shared.checkpoints import keeping
from stages.shared.disk import is_full
from stages.shared.errors import MachineError, ParamsError, TemperError
from stages.shared.lineage import origin_of
from stages.shared.outcome import Outcome
from stages.shared.params import PARAMS_FILE, Params, load_params
from stages.shared.pipeline import Stage, read_stages
from stages.shared.progress import reporting_to
from stages.shared.publish import refused_folder
from stages.shared.session import session_id
from stages.shared.workspace import write_receipt

SECONDS_TO_STOP = 20.0  # of a stage whose `dvc` was killed


def _stages_up_to(name: str) -> list[Stage]:
    stages = read_stages()
    names = [stage.name for stage in stages]
    if name not in names:
        raise ParamsError(f"'{name}' is not a stage of dvc.yaml {names}")
    return stages[: names.index(name) + 1]


def _load_libraries(name: str) -> None:
    with contextlib.suppress(Exception):  # `perform` meets it again, within the record
        stage_function(name)
    gc.freeze()
    gc.enable()


def recorded(recorder: Recorder, session: str, name: str, folders: list[Path], params: Params) -> Outcome:
    """Perform a stage with its record in MLflow: FINISHED, FAILED after an exception, KILLED after a signal."""
    out = folders[-1]
    stages = _stages_up_to(name)
    origin = origin_of(session, stages[-1], params)
    status = "FAILED"
    try:
        recorder.ask("open", origin, meanwhile=lambda: _load_libraries(name))
        with reporting_to(recorder.live), keeping(stages[-1], folders[:-1], params):
            outcome = perform(name, folders, params)
        finished: Outcome = recorder.ask("finish", outcome, out)
        status = "FINISHED"
        return finished
    except TemperError as error:
        with contextlib.suppress(RecorderGone):
            recorder.ask("fail", str(error), refused_folder(out))
        raise
    except Stopped:
        status = "KILLED"
        raise
    finally:
        with contextlib.suppress(RecorderGone):
            recorder.ask("end", session, stages, status)


def exit_code_of(action: Callable[[], Outcome]) -> tuple[int, str]:
    """Run an action that performs a stage; give its exit code, and its summary or what went wrong."""
    try:
        return 0, action().summary
    except TemperError as error:
        return error.exit_code, str(error)
    except Stopped as stop:
        return stop.exit_code, str(stop)
    except MemoryError:
        return 4, "out of memory. Lower the batch size of the stage in params.yaml, or give the machine more."
    except Exception as error:  # a fault of ours: the only case in which a user sees a traceback
        if is_full(error):
            return MachineError.exit_code, f"no room on a disk: {error}. Free some; what was there before is as it was."
        return 1, traceback.format_exc()


def run_stage(recorder: Recorder, name: str, folders: list[Path]) -> tuple[int, str]:
    """Run a stage as dvc.yaml asks for it; give its exit code and its last word."""
    session = session_id()

    def action() -> Outcome:
        with alone(f"the stage {name}", SECONDS_TO_STOP):
            return recorded(recorder, session, name, folders, load_params(PARAMS_FILE))

    try:
        write_receipt(session, name, {"state": "running"})  # what is left when the stage is killed
        code, message = as_flow_run(name, lambda: exit_code_of(action))
        state = {0: "ran"}.get(code, "failed")
        write_receipt(session, name, {"state": state, "exit_code": code, "message": message})
    except MachineError as error:
        return error.exit_code, str(error)
    return code, message
