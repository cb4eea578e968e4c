"""The record of one stage from its beginning to its end, as the recording process keeps it."""

import contextlib
import dataclasses
import sys
import time
from pathlib import Path

from stages.shared.errors import MachineError
from stages.shared.lineage import Origin
from stages.shared.outcome import Metrics, Outcome
from stages.shared.pipeline import Stage
from stages.shared.tracking.journal import SPOOL, Journal
from stages.shared.tracking.runs import figures_of
from stages.shared.tracking.sending import Sending, send_what_waits
from stages.shared.tracking.store import StoreAway, store_uri

SECONDS_BETWEEN_WRITES = 5.0
LONGEST_WAIT = 60.0  # seconds between two looks at a store that is away


def _say(message: str) -> None:
    sys.stderr.write(f"{message}\n")


class Record:
    """What may be asked about a stage's run. What is asked before it is open does nothing.

    All of it is written down first and sent then, so that a store that is away stops no stage.
    """

    def __init__(self) -> None:
        self._sending: Sending | None = None
        self._next, self._wait = 0.0, SECONDS_BETWEEN_WRITES
        self._is_away = False

    def open(self, origin: Origin) -> None:
        """Begin it. Raises MachineError when the store can never be used."""
        self._sending = Sending(Journal.begin(store_uri()))
        self._sending.journal.add("open", origin=dataclasses.asdict(origin))
        try:
            self._send()
        except MachineError:
            self._sending.journal.remove()
            self._sending = None
            raise

    def live(self, step: int, values: Metrics) -> None:
        """Figures of a step."""
        if self._sending is not None:
            self._sending.journal.add("live", step=step, values={name: float(v) for name, v in values.items()})
            if time.monotonic() >= self._next:
                self._send()

    def finish(self, outcome: Outcome, out: Path) -> Outcome:
        """What the stage gave; its bundle, if it made one, is registered, which the outcome's summary then says."""
        if self._sending is None:
            return outcome
        journal = self._sending.journal
        files = journal.keep(out, outcome.pages)
        journal.add("finish", outcome=dataclasses.asdict(dataclasses.replace(outcome, pages={})), files=files)
        self._send()
        waits = f"{outcome.summary}; MLflow is away: its record waits in .temper/{SPOOL}"
        return self._sending.outcome or dataclasses.replace(outcome, summary=waits)

    def fail(self, message: str, refused: Path) -> None:
        """What went wrong."""
        if self._sending is not None:
            journal = self._sending.journal
            journal.add("fail", message=message, files=journal.keep(refused, {}))
            self._send()

    def end(self, session: str, stages: list[Stage], status: str) -> None:
        """Close the run of the last of the stages with a status of MLflow, and show all of them on its parent."""
        if self._sending is not None:
            shown = figures_of(stages)
            self._sending.journal.add("end", session=session, stage=stages[-1].name, status=status, shown=shown)
            if self._send():
                self._sending.journal.remove()
            self._sending = None

    def abandon(self) -> None:
        """Close it as KILLED: the stage is gone, and did not end it."""
        if self._sending is not None:
            with contextlib.suppress(StoreAway):
                self._sending.close()

    @staticmethod
    def close_parent(session: str, stages: list[Stage], status: str) -> None:
        """Complete the parent of a pipeline run at its end: every stage shown, and the status of the whole."""
        journal = Journal.begin(store_uri())
        journal.add("close", session=session, shown=figures_of(stages), status=status)
        sending = Sending(journal)
        try:
            if sending.uri in send_what_waits():
                raise StoreAway(f"MLflow at {sending.uri} does not answer")
            sending.close()
        except StoreAway as error:
            _say(f"{error}. The end of the run waits in .temper/{SPOOL} to be recorded.")

    def _send(self) -> bool:
        """Send what waits, that of earlier runs first; whether it has all arrived."""
        assert self._sending is not None
        try:
            if self._sending.uri in send_what_waits():
                raise StoreAway(f"MLflow at {self._sending.uri} does not answer")
            self._sending.send()
        except StoreAway as error:
            if not self._is_away:
                _say(f"{error}. The stage goes on; what is to be recorded waits in .temper/{SPOOL} and is sent later.")
            self._is_away, self._next = True, time.monotonic() + self._wait
            self._wait = min(2 * self._wait, LONGEST_WAIT)
            return False
        if self._is_away:
            _say(f"MLflow at {self._sending.uri} is back: what waited has been sent.")
        self._is_away, self._wait = False, SECONDS_BETWEEN_WRITES
        self._next = time.monotonic() + SECONDS_BETWEEN_WRITES
        return True
