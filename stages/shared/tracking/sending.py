"""Records on their way from the disk to MLflow: in order, each call as often as needed, its effect once."""

import logging
from collections.abc import Iterator

from filelock import FileLock
from mlflow.entities import Metric

from stages.shared.lineage import Origin
from stages.shared.outcome import Outcome
from stages.shared.tracking.journal import Call, Journal, left_behind
from stages.shared.tracking.registry import register_bundle
from stages.shared.tracking.runs import (
    LARGEST_BATCH,
    StageRun,
    allowed_name,
    end_parent,
    open_stage_run,
    show_on_parent,
)
from stages.shared.tracking.store import StoreAway, away_told, require_store
from stages.shared.workspace import state_folder

log = logging.getLogger(__name__)


def _metrics(call: Call) -> list[Metric]:
    return [Metric(allowed_name(name), value, call["at"], call["step"]) for name, value in call["values"].items()]


class Sending:
    """What of a record MLflow has taken, and the way of the rest.

    Attributes:
        outcome: of the stage, once that is recorded; its summary says what became of the bundle.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.outcome: Outcome | None = None
        self._run: StageRun | None = None
        self._sent = 0
        first, _ = next(journal.calls())
        self.uri: str = first["uri"]
        self.has_ended = False

    def send(self) -> None:
        """Make the calls that are not made yet.

        Raises:
            StoreAway: the store cannot be reached; the rest is sent the next time. Other errors are of a call that
                can never be made, and is passed over then.
        """
        require_store(self.uri)
        for calls, place in self._batches():
            try:
                with away_told(self.uri):
                    self._make(calls)
            except StoreAway:
                raise
            except Exception:
                self._sent = place
                raise
            self._sent = place

    def close(self) -> None:
        """Send all of a record whose process is gone, and forget it."""
        self.send()
        if self._run is not None and not self.has_ended:
            with away_told(self.uri):
                self._run.abandon()
        self.journal.remove()

    def _batches(self) -> Iterator[tuple[list[Call], int]]:
        """The calls that wait, with the place after them: live figures by many, the others one by one."""
        live: list[Call] = []
        place = self._sent
        for call, after in self.journal.calls(self._sent):
            if live and (call["call"] != "live" or sum(len(c["values"]) for c in live) >= LARGEST_BATCH // 2):
                yield live, place
                live = []
            if call["call"] == "live":
                live.append(call)
            else:
                yield [call], after
            place = after
        if live:
            yield live, place

    def _make(self, calls: list[Call]) -> None:
        call = calls[0]
        if call["call"] == "live":
            self._opened.live([metric for each in calls for metric in _metrics(each)])
        elif call["call"] == "open":
            self._run = open_stage_run(Origin(**call["origin"]), self.journal.name, self.uri)
        elif call["call"] == "finish":
            outcome, out = Outcome(**call["outcome"]), self.journal.folder / call["files"]
            self._opened.finish(outcome, out, call["at"])
            self.outcome = register_bundle(self._opened, out, outcome)
        elif call["call"] == "fail":
            self._opened.fail(call["message"], self.journal.folder / call["files"])
        elif call["call"] == "end":
            self._opened.end(call["stage"], call["status"], call["at"])
            show_on_parent(call["session"], call["shown"], call["at"], self.uri)
            self.has_ended = True
        elif call["call"] == "close":
            show_on_parent(call["session"], call["shown"], call["at"], self.uri)
            end_parent(call["session"], call["status"], call["at"], self.uri)

    @property
    def _opened(self) -> StageRun:
        assert self._run is not None
        return self._run


def send_what_waits() -> set[str]:
    """Send what earlier runs could not; give the addresses of the stores that are still away."""
    away: set[str] = set()
    with FileLock(state_folder("locks") / "spool.lock"):
        for journal in left_behind():
            sending = Sending(journal)
            if sending.uri in away:
                continue
            try:
                sending.close()
            except StoreAway:
                away.add(sending.uri)
            except Exception as error:
                log.warning(
                    "MLflow at %s refuses a record, which is kept as %s: %s", sending.uri, journal.refuse(), error
                )
    return away
