"""A stage that is recorded, step by step as the test says, by a process of its own; and a database held locked."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from tests.faults.stores import make_store, plain_environment

STAGE = """
import sys
from pathlib import Path
from flows.recorder import Recorder
from flows.stopping import stop_on_signals
from stages.shared.lineage import Origin
from stages.shared.outcome import Outcome
from stages.shared.pipeline import Stage
from stages.shared.session import process_key
import psutil
stop_on_signals()
recorder = Recorder()
session, out = sys.argv[1], Path(sys.argv[2])
stage = Stage("package", "", (), out, frozenset())
tags = {"temper.host": "here", "temper.process": process_key(psutil.Process())}
origin = Origin(session, "package", {"train": {"epochs": 3}}, tags, {"data/augment": "0" * 32}, "a run")
for line in sys.stdin:
    word, *given = line.split()
    answer = "done"
    if word == "open":
        recorder.ask("open", origin)
    elif word == "live":
        for step in range(int(given[0]), int(given[1])):
            recorder.live(step, {"loss": 1.0 / (step + 1), "rate": 0.5})
    elif word == "finish":
        children, pages = {"ladder: one": {"accuracy": 0.5}}, {"ladder.md": b"# Ladder"}
        outcome = Outcome("made", {"macro_f1": 0.8}, {"seconds": 1.0}, {"seen": "yes"}, children, pages)
        answer = recorder.ask("finish", outcome, out).summary
    elif word == "end":
        recorder.ask("end", session, [stage], "FINISHED")
    print(answer, flush=True)
recorder.close()
"""


class RecordedStage:
    """The process of a stage, in a clone."""

    def __init__(self, clone: Path, session: str, out: Path, uri: str | None = None) -> None:
        make_store(clone / "mlflow.db")
        environment = plain_environment(**({"MLFLOW_TRACKING_URI": uri} if uri else {}))
        self.log = clone / f"{session}.log"
        with self.log.open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", STAGE, session, str(out)],
                cwd=clone,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )

    def __enter__(self) -> "RecordedStage":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()

    def does(self, command: str) -> str:
        """Have it do something, and wait until it has; give what it answers."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        assert answer, self.log.read_text(encoding="utf-8")
        return answer

    def ends(self) -> int:
        """Let it end; give its exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(120)


def record_one(clone: Path, session: str, out: Path, uri: str | None = None) -> None:
    """A whole stage, recorded from its beginning to its end."""
    with RecordedStage(clone, session, out, uri) as stage:
        for command in ("open", "live 0 5", "finish", "end"):
            stage.does(command)
        assert stage.ends() == 0


@contextmanager
def locked_by_another_process(database: Path) -> Iterator[None]:
    """Hold a database locked, as another process does."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


def runs_of(client: MlflowClient, session: str) -> tuple[Run, list[Run]]:
    """The one parent run of a session, and the runs below it; fails when there are two parents."""
    experiment = client.get_experiment_by_name("temper")
    assert experiment is not None
    (parent,) = client.search_runs([experiment.experiment_id], f"tags.`temper.session` = '{session}'")
    where = f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"
    return parent, list(client.search_runs([experiment.experiment_id], where))


def recorded_facts(client: MlflowClient, session: str) -> dict[str, Any]:
    """What a store has of a session, to compare with what it must have."""
    parent, below = runs_of(client, session)
    (stage,) = [run for run in below if run.info.run_name == "package"]
    steps = [point.step for point in client.get_metric_history(stage.info.run_id, "loss")]
    return {
        "status": (parent.info.status, stage.info.status),
        "steps": sorted(steps),
        "params": dict(parent.data.params),
        "children": sorted(str(run.info.run_name) for run in below),
        "files": sorted(file.path for file in client.list_artifacts(stage.info.run_id)),
        "inputs": len(stage.inputs.dataset_inputs),
        "tags": (stage.data.tags["temper.summary"], stage.data.tags["seen"], parent.data.tags["temper.stage.package"]),
        "shown": parent.data.metrics,
    }


def expected_facts(steps: int) -> dict[str, Any]:
    """What it must have of a whole stage of so many steps."""
    return {
        "status": ("FINISHED", "FINISHED"),
        "steps": list(range(steps)),
        "params": {"train.epochs": "3"},
        "children": ["ladder: one", "package"],
        "files": ["bundle", "ladder.md", "report.md"],
        "inputs": 1,
        "tags": ("made", "yes", "ran"),
        "shown": {"package.macro_f1": 0.8},
    }
