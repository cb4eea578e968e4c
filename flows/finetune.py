"""The pipeline from the command line: each stage of dvc.yaml, in its order, as a flow of the stage's name.

python -m flows.finetune
"""

import argparse
import signal
import sys

from flows.prefect_record import api_answers, api_url, fault_of_server, lost_connections_in_one_line
from stages.shared.errors import MachineError, TemperError


def main() -> int:
    """The command line; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m flows.finetune", description="Bring the pipeline up to date.")
    parser.add_argument("--stage-seconds", type=float, help="the longest that one stage may take")
    parser.add_argument("--stage-retries", type=int, default=0, help="tries more for a stage that the machine failed")
    limits = vars(parser.parse_args())
    from flows.doctoring.locks import mend_locks
    from flows.exclusive import PIPELINE, require_free
    from flows.preflight import check_before_anything_runs, stale_stages  # a second or two, which --help need not wait
    from flows.summary import exit_code, pipeline_summary
    from stages.shared.pipeline import read_stages

    try:
        check_before_anything_runs()
        require_free(PIPELINE)
        mend_locks(print)
    except TemperError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    url = api_url()
    if url is None and stale_stages() == set():  # no need of a server, then, to say so
        print(pipeline_summary("none"))
        return 0
    if url is not None and not api_answers(url):
        print(f"PREFECT_API_URL: no Prefect server answers at {url}. Start it, or unset it.", file=sys.stderr)
        return MachineError.exit_code
    from flows.pipeline import finetune

    lost_connections_in_one_line()
    try:
        state = finetune(**limits, return_state=True)
    except KeyboardInterrupt:  # by itself it ends in 1 where torch's compiler has been imported, as transformers does
        print("stopped by SIGINT", file=sys.stderr)
        return 128 + signal.SIGINT
    except Exception as error:
        fault = fault_of_server(url, error)
        if fault is None:
            raise
        print(f"{fault}. What the stages gave is kept: run again.", file=sys.stderr)
        return MachineError.exit_code
    session = str(state.state_details.flow_run_id)
    print(f"\n{pipeline_summary(session)}", flush=True)
    return 0 if state.is_completed() else exit_code(session, read_stages()) or 1


if __name__ == "__main__":
    sys.exit(main())
