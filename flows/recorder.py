"""The MLflow record of a stage, kept by a process beside it.

MLflow takes seconds to import. A process of its own does so while the stage loads the libraries that it works with,
and it writes live figures while the stage goes on. In a pipeline run one process has done so for all stages.
"""

import contextlib
import gc
import os
import signal
import socket
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from flows.stopping import STOP_SIGNALS, unbroken
from stages.shared.errors import MachineError, TemperError

Reply = tuple[int, Any, BaseException | None]


class RecorderGone(MachineError):
    """The recording process ended before the stage did."""


def _attempt(action: Callable[[], Any]) -> tuple[Any, Exception | None]:
    """What the action gives, or what it raised, in a form that can be sent."""
    try:
        return action(), None
    except TemperError as error:
        return None, error
    except Exception:  # a fault of ours or of MLflow's: the stage shows it as it would show its own
        return None, RuntimeError(traceback.format_exc())


def _new_record() -> Any:
    from stages.shared.tracking import Record

    return Record()


def _serve(connection: Connection) -> None:
    """Answer what is asked, in its order, until the stage is gone; what went wrong untold is told with the next."""
    record, fault = _attempt(_new_record)
    gc.enable()
    while True:
        try:
            number, is_asked, name, given = connection.recv()
        except (EOFError, OSError):
            _attempt(lambda: record and record.abandon())
            return
        answer = None
        if fault is None:
            answer, fault = _attempt(partial(getattr(record, name), *given))
        if is_asked:
            reply: Reply = (number, answer, fault)
            with contextlib.suppress(OSError):
                connection.send(reply)
            fault = None if record is not None else fault


def forked(connection: Connection, others: Sequence[Connection | socket.socket]) -> int:
    """Fork a process that keeps a record as it is asked on a connection; give its number.

    Args:
        connection: its own end, closed here.
        others: what it must not hold open.
    """
    with unbroken():
        process = os.fork()
        if process == 0:
            for number in STOP_SIGNALS:
                signal.signal(number, signal.SIG_IGN)  # they are the stage's, which then asks to write KILLED
            try:
                for other in others:
                    other.close()
                _serve(connection)
            finally:
                os._exit(0)
    connection.close()
    return process


def _connected(address: str) -> Connection:
    with socket.socket(socket.AF_UNIX) as own:
        own.connect(address)
        return Connection(own.detach())


class Recorder:
    """The stage's end of it.

    Args:
        server: the address of a `RecorderServer`; where there is none or nobody answers, a process is forked, so that
            it must be made before the stage starts threads.
    """

    def __init__(self, server: str | None = None) -> None:
        self._number = 0
        self._process: int | None = None
        if server is not None:
            with contextlib.suppress(OSError):
                self._connection = _connected(server)
                return
        self._connection, theirs = Pipe()
        self._process = forked(theirs, [self._connection])

    def tell(self, name: str, *given: Any, is_asked: bool = False) -> int:
        """Have `stages.shared.tracking.Record.<name>(*given)` called; give the number under which it is answered."""
        self._number += 1
        try:
            with unbroken():
                self._connection.send((self._number, is_asked, name, given))
        except OSError:
            raise self._gone() from None
        return self._number

    def ask(self, name: str, *given: Any, meanwhile: Callable[[], object] = lambda: None) -> Any:
        """The same, and give what it gives or raise what it raises, here and now or from an earlier `tell`.

        Args:
            name, given: as of `tell`.
            meanwhile: is called while the answer is awaited.

        Raises:
            RecorderGone: there is nobody to answer.
        """
        number = self.tell(name, *given, is_asked=True)
        meanwhile()
        while True:
            try:
                self._connection.poll(None)  # a signal may break this off, and nothing of the answer is lost
                with unbroken():
                    replied, answer, fault = self._connection.recv()
            except (EOFError, OSError):
                raise self._gone() from None
            if replied == number:  # else it is the answer to what a signal broke off
                if fault is not None:
                    raise fault
                return answer

    def live(self, step: int, values: dict[str, float]) -> None:
        """Record figures of a stage that goes on meanwhile."""
        self.tell("live", step, values)

    def close(self) -> None:
        """Let the recording process end when it has done what it was asked, or at once where it was asked nothing."""
        self._connection.close()
        if self._process is None:  # its server waits for it
            return
        if not self._number:
            os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)

    def _gone(self) -> RecorderGone:
        return RecorderGone("MLflow: the process that records the stage has ended. Is there too little memory?")
