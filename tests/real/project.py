"""A whole project in a temporary folder: a real git and DVC repository, real processes, a real MLflow store."""

import csv
import fcntl
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from ruamel.yaml import YAML

from stages.shared.params import FaultLimits
from tests.conftest import ROOT, sample_texts, set_values

ROWS = 60
FINISHED = "TEMPER_FINISHED"  # names the folder of a finished project that several processes share
SMALL = {
    "pretrain.base": "tiny",
    "pretrain.sha256": None,
    "train.epochs": 1,
    "train.learning_rate": 1.0e-3,
    "train.threads": 1,
    "train.precision": "float32",  # the same wherever and whenever it runs
    "augment.back_translation.copies": 0,
    "evaluate.bootstrap_samples": 100,
    "quantize.limits.min_agreement": 0.0,
    "quantize.limits.max_primary_drop": 1.0,
    "quantize.limits.max_class_drop": 1.0,
    "quantize.latency_texts": 5,
    "validate.language.expected": None,
    "validate.max_unknown_token_share": 1.0,
    "validate.min_rows": {"train": 10, "validation": 3, "test": 3},
    "validate.min_rows_per_class": 1,
    "ingest.source.path": "reviews.csv",
}


ROOM = {  # for the rows at fault
    "ingest.max_rejected_share": 0.1,
    "validate.limits": dict.fromkeys(FaultLimits.model_fields, 0.2),
}


def canary(number: int) -> str:
    """A word that stands in one text alone, and must stand nowhere but in the data."""
    return f"zq{number:03}xk"


def planted_rows(count: int) -> list[tuple[str, str]]:
    """So many good rows of the sample and a few at fault, each with its canary."""
    good = [(f"{text} {canary(number)}", label) for number, (text, label) in enumerate(sample_texts(count))]
    (text, label), other = good[0], "neutral" if good[1][1] != "neutral" else "positive"
    return [
        *good,
        (f"A NUL\0 stands in the text {canary(900)}.", "positive"),
        (f"It came in two days and was well wrapped {canary(901)}.", "postive"),
        ("positive", f"A whole text stands where its label should stand {canary(902)}."),
        (text, label),
        (good[1][0], other),
        (f"{canary(903)} " * 400, "positive"),
    ]


@dataclass
class Project:
    """A clone of the working tree, with a small data set and a tiny base model."""

    root: Path
    environment: dict[str, str]

    def run(self, *words: str, seconds: float = 300, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m <words>` in the project and give what it printed; stderr is joined to stdout."""
        return subprocess.run(
            [sys.executable, "-m", *words],
            cwd=self.root,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        """Start `python -m <words>` in the project, in a session of its own; its output goes to output.log."""
        with (self.root / "output.log").open("w", encoding="utf-8") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *words],
                cwd=self.root,
                env=self.environment | environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )

    def set_params(self, values: dict[str, Any]) -> None:
        """Change dotted keys of the project's params.yaml."""
        yaml = YAML()
        file = self.root / "params.yaml"
        raw = yaml.load(file.read_text(encoding="utf-8"))
        set_values(raw, values)
        yaml.dump(raw, file)

    def client(self) -> MlflowClient:
        """A client of the project's MLflow store."""
        return MlflowClient(f"sqlite:///{self.root / 'mlflow.db'}")

    def runs(self) -> list[Run]:
        """Every MLflow run of the project, newest first."""
        if not (self.root / "mlflow.db").is_file():
            return []
        client = self.client()
        experiment = client.get_experiment_by_name("temper")
        return list(client.search_runs([experiment.experiment_id])) if experiment else []

    def parents(self) -> list[Run]:
        """The runs that stand for a whole pipeline run, newest first."""
        return [run for run in self.runs() if "mlflow.parentRunId" not in run.data.tags]

    def lock_text(self) -> str:
        """The text of dvc.lock."""
        return (self.root / "dvc.lock").read_text(encoding="utf-8")


def _copy_tree(target: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file() and not name.startswith("tests/"):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def clean_environment(home: Path) -> dict[str, str]:
    """Our environment without what points at somebody's MLflow or Prefect, with a Prefect home of its own."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("PREFECT_", "MLFLOW_TRACKING", "TEMPER_", "DVC_"))}
    return kept | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}",
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DVC_NO_ANALYTICS": "1",
        "OMP_NUM_THREADS": "1",
    }


def make_project(root: Path, base: Path, rows: int) -> Project:
    """Make a project in `root` with the first `rows` good rows of the sample, and a few at fault."""
    root.mkdir(parents=True)
    _copy_tree(root)
    shutil.copytree(base, root / "tiny")
    with (root / "reviews.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("text", "label"), *planted_rows(rows)])
    project = Project(root, clean_environment(root.parent / f"{root.name}-prefect"))
    project.set_params(SMALL | ROOM)
    (root / "dvc.lock").unlink(missing_ok=True)
    identity = [["config", "user.name", "test"], ["config", "user.email", "test@example.invalid"]]  # DVC's queue asks
    for words in (["init", "-q"], *identity, ["add", "-A"], ["commit", "-qm", "start"]):
        subprocess.run(["git", *words], cwd=root, check=True, capture_output=True)
    return project


def finished_project(folder: Path, base: Path) -> Project:
    """A project on which the whole pipeline has run once by `dvc repro`, to be copied: `project`, and its `repro.log`.

    Of several processes that ask for it in one folder the first runs it, and the others wait.
    """
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "repro.log").exists():
            shutil.rmtree(folder / "project", ignore_errors=True)
            done = make_project(folder / "project", base, ROWS).run("dvc", "repro")
            assert done.returncode == 0, done.stdout
            (folder / "repro.log").write_text(done.stdout, encoding="utf-8")
    return Project(folder / "project", {})


def copy_project(project: Project, root: Path) -> Project:
    """A copy of a project in another folder, its record in MLflow with it."""
    shutil.copytree(project.root, root, symlinks=True)
    with closing(sqlite3.connect(root / "mlflow.db")) as database, database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = [(table, row[1]) for table in tables for row in database.execute(f"PRAGMA table_info({table})")]
        for table, column in columns:  # the places of artifacts
            if column in ("artifact_location", "artifact_uri", "source", "storage_location"):
                database.execute(
                    f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (str(project.root), str(root))
                )
    return Project(root, clean_environment(root.parent / f"{root.name}-prefect"))
