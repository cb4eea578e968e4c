"""How a stage stops: on a signal, and by itself when what runs it is gone."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from stages.shared.session import is_alive, processes_above

SECONDS_BETWEEN_LOOKS = 0.5
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_held: list[list[int]] = []  # of each `unbroken` block that runs, the signals that came


class Stopped(BaseException):
    """A signal asks to stop; `exit_code` is 128 + its number, as a shell gives it."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.exit_code = 128 + number


def _stop(number: int, _frame: FrameType | None) -> None:
    if _held:
        _held[-1].append(number)
        return
    for other in STOP_SIGNALS:
        signal.signal(other, signal.SIG_IGN)  # a second one must not break off the tidying up
    raise Stopped(number)


@contextmanager
def unbroken() -> Iterator[None]:
    """A short piece of work that a signal must not tear: Stopped is raised at its end."""
    _held.append([])
    try:
        yield
    finally:
        came = _held.pop()
    if came:
        _stop(came[0], None)


def stop_on_signals() -> None:
    """From now on SIGTERM, SIGINT and SIGHUP raise Stopped in the main thread, once."""
    for number in STOP_SIGNALS:
        signal.signal(number, _stop)


def _watch(keys: list[str]) -> None:
    while all(is_alive(key) for key in keys):
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os.kill(os.getpid(), signal.SIGTERM)


def stop_when_orphaned() -> None:
    """Send this process SIGTERM once the `dvc` or the flow that runs it is gone, however it went."""
    keys = processes_above()
    if keys:
        threading.Thread(target=_watch, args=(keys,), daemon=True).start()
