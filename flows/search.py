"""Search for better values: each trial is a DVC experiment up to `train`, judged by its figure on validation.

    python -m flows.search

The section `search` of params.yaml says what is tried. What was finished is kept, however the search ends; started
again it goes on. At the end the best is a DVC experiment: `dvc exp apply NAME && dvc repro`.
"""

import signal
import sys
from typing import Any

from stages.shared.errors import MachineError, ParamsError, TemperError


def main() -> int:
    """The command line; gives the exit code."""
    if sys.argv[1:]:
        print(__doc__, file=sys.stderr)
        return 0 if sys.argv[1] in ("-h", "--help") else ParamsError.exit_code
    from prefect.task_runners import ThreadPoolTaskRunner  # seconds, which --help need not wait

    from flows.searcher import check_search, search
    from flows.stopping import Stopped

    try:
        params = check_search()
    except TemperError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    assert params.search is not None
    runner: Any = ThreadPoolTaskRunner(max_workers=params.search.at_once)
    try:
        state = search.with_options(task_runner=runner)(return_state=True)
    except Stopped as stop:
        print(f"{stop}: what was finished is kept; the same command goes on", file=sys.stderr)
        return stop.exit_code
    except KeyboardInterrupt:
        print("stopped by SIGINT: what was finished is kept; the same command goes on", file=sys.stderr)
        return 128 + signal.SIGINT
    if not state.is_completed():
        print(state.message, file=sys.stderr)
        return MachineError.exit_code
    print(f"\nthe best is {state.message}: dvc exp apply {state.message} && dvc repro")
    return 0


if __name__ == "__main__":
    sys.exit(main())
