"""The record of a stage: its run, and the parent run that shows the whole pipeline."""

import hashlib
import json
import re
import socket
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.tracking import MlflowClient

from stages.shared.lineage import Origin
from stages.shared.outcome import Metrics, Outcome
from stages.shared.pipeline import Stage
from stages.shared.session import is_alive
from stages.shared.tracking.store import open_store, store_uri
from stages.shared.workspace import state_folder

LONGEST_NAME = 250  # characters; MLflow refuses a longer one
LONGEST_PARAM = 6000  # characters; MLflow refuses a longer value
LONGEST_TAG = 5000  # characters; MLflow refuses a longer value
LARGEST_BATCH = 1000  # metrics in one call; MLflow refuses more
PARENT_TAG = "mlflow.parentRunId"
RECORD_TAG = "temper.record"  # no two runs have the same


def allowed_name(name: str) -> str:
    """The name as MLflow takes it, for a metric, a parameter or a tag: a label or a path may hold any character."""
    return re.sub(r"[^\w.\- :/]", "_", name).replace("..", "_")[:LONGEST_NAME]


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested parameters as dotted names and text: {"train": {"epochs": 3}} gives {"train.epochs": "3"}."""
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, dict) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = json.dumps(value, ensure_ascii=False) if isinstance(value, list) else str(value)
    return flat


def orphans_of(client: MlflowClient, experiment: str, host: str) -> list[Run]:
    """The runs of a host that say RUNNING though their process is gone."""
    found = client.search_runs([experiment], f"attributes.status = 'RUNNING' and tags.`temper.host` = '{host}'")
    return [run for run in found if not is_alive(run.data.tags.get("temper.process", ""))]


def close_orphans(client: MlflowClient, experiment: str, host: str) -> None:
    """End them as KILLED."""
    for run in orphans_of(client, experiment, host):
        client.set_terminated(run.info.run_id, "KILLED")


def find_parent(client: MlflowClient, experiment: str, session: str) -> Run | None:
    """The parent run of a pipeline run, if a stage of it has run."""
    found = client.search_runs([experiment], f"tags.`temper.session` = '{session}'", max_results=1)
    return found[0] if found else None


def _parent_of(client: MlflowClient, experiment: str, origin: Origin) -> Run:
    """The parent run of a pipeline run, made when missing, with all of its parameters."""
    run = find_parent(client, experiment, origin.session)
    if run is None:
        study = {PARENT_TAG: origin.study} if origin.study else {}
        tags = {**origin.tags, **study, "temper.session": origin.session}
        run = client.create_run(experiment, run_name=origin.name or None, tags=tags)
    flat = {allowed_name(name): value[:LONGEST_PARAM] for name, value in flatten(origin.params).items()}
    missing = [Param(name, value) for name, value in flat.items() if name not in run.data.params]
    if missing:
        client.log_dict(run.info.run_id, origin.params, "params.yaml")
    for start in range(0, len(missing), 100):
        client.log_batch(run.info.run_id, params=missing[start : start + 100])
    return run


def _made_once(client: MlflowClient, experiment: str, record: str, name: str, tags: dict[str, str]) -> Run:
    """The run of this record, made when missing: that it was made may not have been heard."""
    found = client.search_runs([experiment], f"tags.`{RECORD_TAG}` = '{record}'", max_results=1)
    return found[0] if found else client.create_run(experiment, run_name=name, tags={**tags, RECORD_TAG: record})


@dataclass
class StageRun:
    """The MLflow run of a stage and its parent. Each call may be repeated: what is recorded already stays single.

    Moments are in milliseconds since 1970, as MLflow has them.
    """

    client: MlflowClient
    uri: str
    parent_id: str
    run_id: str
    process: str

    def live(self, metrics: list[Metric]) -> None:
        """Record figures of the stage while it runs."""
        for start in range(0, len(metrics), LARGEST_BATCH):
            self.client.log_batch(self.run_id, metrics=metrics[start : start + LARGEST_BATCH])

    def finish(self, outcome: Outcome, out: Path, at: int) -> None:
        """Record what the stage gave and the files of `out` that a person looks at."""
        log_metrics(self.client, self.run_id, {**outcome.metrics, **outcome.timings}, at)
        tags = {**outcome.tags, "temper.summary": outcome.summary[:LONGEST_TAG]}
        self.client.log_batch(self.run_id, tags=[RunTag(k, v) for k, v in tags.items()])
        self.client.log_batch(self.parent_id, tags=[RunTag(k, v) for k, v in outcome.tags.items()])
        self.log_files(out)
        for name, content in outcome.pages.items():
            self._log_page(name, content)
        for name, figures in outcome.children.items():
            self._log_child(name, figures, at)

    def _log_page(self, name: str, content: bytes) -> None:
        with tempfile.TemporaryDirectory(dir=state_folder("scratch")) as scratch:
            file = Path(scratch) / name
            file.write_bytes(content)
            self.client.log_artifact(self.run_id, str(file))

    def _log_child(self, name: str, figures: Metrics, at: int) -> None:
        """A run of its own below the parent, with these figures."""
        stage = self.client.get_run(self.run_id)
        tags = {PARENT_TAG: self.parent_id, "temper.stage": stage.data.tags["temper.stage"], "temper.child": name}
        own = hashlib.sha256(f"{self.run_id} {name}".encode()).hexdigest()[:32]
        run = _made_once(self.client, stage.info.experiment_id, own, name, tags)
        log_metrics(self.client, run.info.run_id, figures, at)
        self.client.set_terminated(run.info.run_id, "FINISHED", at)

    def fail(self, message: str, refused: Path) -> None:
        """Record what went wrong, and the report of the gate that refused, if one did."""
        self.client.set_tag(self.run_id, "temper.error", message[:LONGEST_TAG])
        if refused.is_dir():
            self.log_files(refused)

    def log_files(self, folder: Path) -> None:
        """Record reports and pictures of a stage's folder as artifacts."""
        for path in files_to_look_at(folder):
            parent = path.parent.relative_to(folder).as_posix()
            self.client.log_artifact(self.run_id, str(path), None if parent == "." else parent)

    def end(self, stage: str, status: str, at: int) -> None:
        """Close the stage's run and its parent with a status of MLflow: FINISHED, FAILED or KILLED."""
        state = "ran" if status == "FINISHED" else "failed"
        self.client.set_tag(self.parent_id, f"temper.stage.{stage}", state)
        self.client.set_terminated(self.run_id, status, at)
        self.client.set_terminated(self.parent_id, status, at)

    def abandon(self) -> None:
        """Close as KILLED what still says RUNNING of a process that is gone."""
        for run_id in (self.run_id, self.parent_id):
            run = self.client.get_run(run_id)
            if run.info.status == "RUNNING" and run.data.tags.get("temper.process") == self.process:
                self.client.set_terminated(run_id, "KILLED")


def files_to_look_at(folder: Path) -> list[Path]:
    """Reports and pictures below a folder."""
    return sorted(path for path in folder.rglob("*") if path.suffix in {".html", ".md", ".png"})


def log_metrics(client: MlflowClient, run_id: str, metrics: Metrics, at: int | None = None) -> None:
    """Record figures of a run, all of one moment, of now when none is given."""
    moment = int(time.time() * 1000) if at is None else at
    entries = [Metric(allowed_name(name), float(value), moment, 0) for name, value in sorted(metrics.items())]
    for start in range(0, len(entries), LARGEST_BATCH):
        client.log_batch(run_id, metrics=entries[start : start + LARGEST_BATCH])


def open_stage_run(origin: Origin, record: str = "", uri: str | None = None) -> StageRun:
    """Begin the record of a stage: its run below the parent of this pipeline run, with where it came from.

    Args:
        origin: what the stage comes from.
        record: what tells this record from all others, so that to begin it twice makes one run.
        uri: of the store; the usual one when not given.

    Raises:
        StoreAway: the store cannot be reached now. MachineError: it cannot be used.
    """
    tags, uri = origin.tags, uri or store_uri()
    with open_store(uri) as (client, experiment):
        close_orphans(client, experiment, tags["temper.host"])
        parent_id = _parent_of(client, experiment, origin).info.run_id
        client.update_run(parent_id, status="RUNNING")
        client.set_tag(parent_id, "temper.process", tags["temper.process"])
        own = {**tags, PARENT_TAG: parent_id, "temper.stage": origin.stage}
        run_id = _made_once(client, experiment, record or uuid4().hex, origin.stage, own).info.run_id
        _log_dependencies(client, parent_id, run_id, origin.hashes)
    return StageRun(client, uri, parent_id, run_id, tags["temper.process"])


def _log_dependencies(client: MlflowClient, parent_id: str, run_id: str, hashes: dict[str, str]) -> None:
    """The md5 of each dependency as a tag, and the data among them as inputs of the run."""
    tags = {f"temper.md5.{path}": RunTag(allowed_name(f"temper.md5.{path}"), md5) for path, md5 in hashes.items()}
    client.log_batch(run_id, tags=list(tags.values()))
    data = {path: md5 for path, md5 in hashes.items() if not path.endswith(".py")}
    client.log_batch(parent_id, tags=[tags[f"temper.md5.{path}"] for path in data])
    entries = [
        DatasetInput(
            Dataset(path, md5[:36], "local", json.dumps({"uri": path})), [InputTag("mlflow.data.context", "input")]
        )
        for path, md5 in data.items()
    ]
    if entries:
        client.log_inputs(run_id, datasets=entries)


def figures_of(stages: list[Stage]) -> dict[str, Metrics]:
    """The figures of those of the stages that have an output."""
    files = {stage.name: stage.out / "metrics.json" for stage in stages}
    return {name: json.loads(file.read_text(encoding="utf-8")) for name, file in files.items() if file.is_file()}


def show_on_parent(session: str, shown: dict[str, Metrics], at: int, uri: str | None = None) -> None:
    """Log the figures of stages onto the parent of a pipeline run, those that were cached too.

    Does nothing when no stage of the run really ran: there is no parent then.
    """
    with open_store(uri) as (client, experiment):
        parent = find_parent(client, experiment, session)
        if parent is None:
            return
        for stage in shown:
            if f"temper.stage.{stage}" not in parent.data.tags:
                client.set_tag(parent.info.run_id, f"temper.stage.{stage}", "cached")
        figures = {f"{stage}.{name}": value for stage, values in shown.items() for name, value in values.items()}
        known = parent.data.metrics
        news = {name: value for name, value in figures.items() if known.get(allowed_name(name)) != value}
        log_metrics(client, parent.info.run_id, news, at)


def end_parent(session: str, status: str, at: int, uri: str | None = None) -> None:
    """Give the parent of a pipeline run its last status."""
    with open_store(uri) as (client, experiment):
        close_orphans(client, experiment, socket.gethostname())
        parent = find_parent(client, experiment, session)
        if parent is not None:
            client.set_terminated(parent.info.run_id, status, at)
