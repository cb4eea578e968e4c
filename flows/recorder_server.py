"""The process from which the recorders of a pipeline run's stages are forked: MLflow is imported once for all of them.

`flows.pipeline` runs it: python -m flows.recorder_server FILENO, of a listening socket. It ends when its standard input
does and the recorders are done.
"""

import contextlib
import gc
import importlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from pathlib import Path

from flows.recorder import forked
from flows.stage import speak
from flows.stage_process import pass_on
from flows.stopping import STOP_SIGNALS
from stages.shared.errors import MachineError, ParamsError

ADDRESS = ".temper/recorder.socket"  # from the clone's root, as the path of a socket may not be long
LOADED = ("stages.shared.tracking", "mlflow.store.tracking.sqlalchemy_store", "mlflow.store.tracking.rest_store")


def _listening() -> socket.socket:
    """A socket at ADDRESS for this user alone. Raises MachineError when there can be none in the clone."""
    path, listening = Path(ADDRESS), socket.socket(socket.AF_UNIX)
    try:
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)  # of a flow that was killed
        listening.bind(ADDRESS)
        path.chmod(0o600)
    except OSError as error:
        listening.close()
        raise MachineError(f"{path}: no socket can be made: {error}. Put the clone on a local disk.") from None
    listening.listen()
    return listening


class RecorderServer:
    """The flow's end of it: until `close`, `Recorder(ADDRESS)` has a recorder.

    Args:
        say: is called with each line that the server or a recorder writes.

    Raises:
        MachineError: no socket can be made in the clone.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        with _listening() as listening:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(listening.fileno())],
                pass_fds=[listening.fileno()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
        self._reader = threading.Thread(target=pass_on, args=(self._process, say), daemon=True)
        self._reader.start()

    def close(self) -> None:
        """Wait until all is recorded that was asked for, and end it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._reader.join(5)
        Path(ADDRESS).unlink(missing_ok=True)


def _reap(options: int) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, options)[0]:
            pass


def main(words: list[str]) -> int:
    """Fork a recorder for each who connects; gives the exit code."""
    if len(words) != 1 or not words[0].isdigit():
        print(f"usage: {__doc__}", file=sys.stderr)
        return 0 if words[:1] in (["-h"], ["--help"]) else ParamsError.exit_code
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # they are the flow's, whose end this then follows
    gc.disable()
    speak()
    for name in LOADED:
        with contextlib.suppress(Exception):  # a recorder meets it again, and tells its stage
            importlib.import_module(name)
    gc.freeze()
    with socket.socket(fileno=int(words[0])) as listening:
        while (ready := wait([listening, sys.stdin.fileno()])) != [sys.stdin.fileno()]:
            if listening in ready:
                with listening.accept()[0] as accepted:
                    forked(Connection(os.dup(accepted.fileno())), [listening, accepted])
            _reap(os.WNOHANG)
    _reap(0)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
