"""The record of one stage from its beginning to its end, as the recording process keeps it."""

from pathlib import Path

from stages.shared.lineage import Origin
from stages.shared.outcome import Metrics, Outcome
from stages.shared.pipeline import Stage
from stages.shared.tracking.registry import register_bundle
from stages.shared.tracking.runs import StageRun, open_stage_run, show_on_parent


class Record:
    """What may be asked about a stage's run. What is asked before it is open does nothing."""

    def __init__(self) -> None:
        self.run: StageRun | None = None

    def open(self, origin: Origin) -> None:
        """Begin it. Raises MachineError when the store cannot be used."""
        self.run = open_stage_run(origin)

    def live(self, step: int, values: Metrics) -> None:
        """Figures of a step."""
        if self.run is not None:
            self.run.live(step, values)

    def finish(self, outcome: Outcome, out: Path) -> Outcome:
        """What the stage gave; its bundle, if it made one, is registered, which the outcome's summary then says."""
        if self.run is None:
            return outcome
        self.run.finish(outcome, out)
        return register_bundle(self.run, out, outcome)

    def fail(self, message: str, refused: Path) -> None:
        """What went wrong."""
        if self.run is not None:
            self.run.fail(message, refused)

    def end(self, session: str, stages: list[Stage], status: str) -> None:
        """Close the run of the last of the stages with a status of MLflow, and show all of them on its parent."""
        if self.run is not None:
            self.run.end(stages[-1].name, status)
            show_on_parent(session, stages)
