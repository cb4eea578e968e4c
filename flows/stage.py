"""One stage from the command line: `python -m flows.stage <name> <input>... <output>`, as every `cmd` in dvc.yaml.

The stage is recorded in MLflow, and as a Prefect flow run when a Prefect API is configured and no pipeline flow
has a run for it already. It leaves a receipt, stops on signals, and stops by itself when its `dvc` is gone.
"""

import gc
import logging
import os
import sys
from pathlib import Path

from flows.recorder import Recorder
from flows.stopping import stop_on_signals, stop_when_orphaned
from stages.shared.errors import ParamsError
from stages.shared.session import RECORDER


def speak() -> None:
    """Let the stages' own log lines through, as plain lines."""
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("stages").setLevel(logging.INFO)


def main(words: list[str]) -> int:
    """The command line; gives the exit code."""
    asks_for_help = words[:1] in (["-h"], ["--help"])
    if asks_for_help or len(words) < 2:
        print(f"usage: {__doc__.splitlines()[0]}", file=sys.stdout if asks_for_help else sys.stderr)
        return 0 if asks_for_help else ParamsError.exit_code
    speak()
    gc.disable()  # while libraries load there is no garbage, and looking for it takes a tenth of the time
    stop_on_signals()
    recorder = Recorder(os.environ.get(RECORDER))
    stop_when_orphaned()
    name, *folders = words
    try:
        from flows.recorded import run_stage  # after the recorder has begun: it has more to load

        code, message = run_stage(recorder, name, [Path(folder) for folder in folders])
    finally:
        recorder.close()
    print(f"{name}: {message}", file=sys.stderr if code else sys.stdout, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
