"""The record of a stage: its run, and the parent run that shows the whole pipeline."""

import json
import os
import re
import socket
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.tracking import MlflowClient

from stages.shared.lineage import Origin
from stages.shared.outcome import Metrics, Outcome
from stages.shared.pipeline import Stage
from stages.shared.session import is_alive
from stages.shared.tracking.store import open_store

LONGEST_NAME = 250  # characters; MLflow refuses a longer one
LONGEST_PARAM = 6000  # characters; MLflow refuses a longer value
LONGEST_TAG = 5000  # characters; MLflow refuses a longer value
LARGEST_BATCH = 1000  # metrics in one call; MLflow refuses more
SECONDS_BETWEEN_WRITES = 5.0
PARENT_TAG = "mlflow.parentRunId"
STUDY_RUN = "TEMPER_STUDY_RUN"  # in the environment of a trial: the MLflow run of its study, above its parent run


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


def close_orphans(client: MlflowClient, experiment: str, host: str) -> None:
    """End as KILLED the runs of this host that say RUNNING though their process is gone."""
    found = client.search_runs([experiment], f"attributes.status = 'RUNNING' and tags.`temper.host` = '{host}'")
    for run in found:
        if not is_alive(run.data.tags.get("temper.process", "")):
            client.set_terminated(run.info.run_id, "KILLED")


def find_parent(client: MlflowClient, experiment: str, session: str) -> Run | None:
    """The parent run of a pipeline run, if a stage of it has run."""
    found = client.search_runs([experiment], f"tags.`temper.session` = '{session}'", max_results=1)
    return found[0] if found else None


def _create_parent(client: MlflowClient, experiment: str, origin: Origin) -> Run:
    name = os.environ.get("DVC_EXP_NAME") or time.strftime("run %Y-%m-%d %H:%M:%S")
    study = {PARENT_TAG: os.environ[STUDY_RUN]} if STUDY_RUN in os.environ else {}
    run = client.create_run(experiment, run_name=name, tags={**origin.tags, **study, "temper.session": origin.session})
    flat = [Param(allowed_name(name), value[:LONGEST_PARAM]) for name, value in flatten(origin.params).items()]
    for start in range(0, len(flat), 100):
        client.log_batch(run.info.run_id, params=flat[start : start + 100])
    client.log_dict(run.info.run_id, origin.params, "params.yaml")
    return run


class LiveMetrics:
    """Figures of a stage while it runs, written to its MLflow run in batches."""

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self._client, self._run_id = client, run_id
        self._waiting: list[Metric] = []
        self._written = time.monotonic()

    def __call__(self, step: int, values: Metrics) -> None:
        now = int(time.time() * 1000)
        self._waiting += [Metric(allowed_name(name), value, now, step) for name, value in values.items()]
        late = time.monotonic() - self._written > SECONDS_BETWEEN_WRITES
        if late or len(self._waiting) >= LARGEST_BATCH // 2:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        for start in range(0, len(self._waiting), LARGEST_BATCH):
            self._client.log_batch(self._run_id, metrics=self._waiting[start : start + LARGEST_BATCH])
        self._waiting.clear()
        self._written = time.monotonic()


@dataclass
class StageRun:
    """The open MLflow run of a stage and its parent."""

    client: MlflowClient
    parent_id: str
    run_id: str
    live: LiveMetrics

    def finish(self, outcome: Outcome, out: Path) -> None:
        """Record what the stage gave and the files of `out` that a person looks at."""
        self.live.flush()
        log_metrics(self.client, self.run_id, {**outcome.metrics, **outcome.timings})
        tags = {**outcome.tags, "temper.summary": outcome.summary[:LONGEST_TAG]}
        self.client.log_batch(self.run_id, tags=[RunTag(k, v) for k, v in tags.items()])
        self.client.log_batch(self.parent_id, tags=[RunTag(k, v) for k, v in outcome.tags.items()])
        self.log_files(out)
        for name, content in outcome.pages.items():
            self._log_page(name, content)
        for name, figures in outcome.children.items():
            self._log_child(name, figures)

    def _log_page(self, name: str, content: bytes) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / name
            file.write_bytes(content)
            self.client.log_artifact(self.run_id, str(file))

    def _log_child(self, name: str, figures: Metrics) -> None:
        """A run of its own below the parent, with these figures."""
        stage = self.client.get_run(self.run_id)
        tags = {PARENT_TAG: self.parent_id, "temper.stage": stage.data.tags["temper.stage"], "temper.child": name}
        run = self.client.create_run(stage.info.experiment_id, run_name=name, tags=tags)
        log_metrics(self.client, run.info.run_id, figures)
        self.client.set_terminated(run.info.run_id, "FINISHED")

    def fail(self, message: str, refused: Path) -> None:
        """Record what went wrong, and the report of the gate that refused, if one did."""
        self.client.set_tag(self.run_id, "temper.error", message[:LONGEST_TAG])
        if refused.is_dir():
            self.log_files(refused)

    def log_files(self, folder: Path) -> None:
        """Record reports and pictures of a stage's folder as artifacts."""
        for path in sorted(folder.rglob("*")):
            if path.suffix in {".html", ".md", ".png"}:
                parent = path.parent.relative_to(folder).as_posix()
                self.client.log_artifact(self.run_id, str(path), None if parent == "." else parent)

    def end(self, stage: str, status: str) -> None:
        """Close the stage's run and its parent with a status of MLflow: FINISHED, FAILED or KILLED."""
        state = "ran" if status == "FINISHED" else "failed"
        self.live.flush()
        self.client.set_tag(self.parent_id, f"temper.stage.{stage}", state)
        self.client.set_terminated(self.run_id, status)
        self.client.set_terminated(self.parent_id, status)


def log_metrics(client: MlflowClient, run_id: str, metrics: Metrics) -> None:
    """Record figures of a run, all of one moment."""
    now = int(time.time() * 1000)
    entries = [Metric(allowed_name(name), float(value), now, 0) for name, value in sorted(metrics.items())]
    for start in range(0, len(entries), LARGEST_BATCH):
        client.log_batch(run_id, metrics=entries[start : start + LARGEST_BATCH])


def open_stage_run(origin: Origin) -> StageRun:
    """Begin the record of a stage: its run below the parent of this pipeline run, with where it came from.

    Raises:
        MachineError: the store cannot be used.
    """
    tags = dict(origin.tags)
    if "TEMPER_FLOW_RUN" in os.environ:
        tags["temper.prefect.flow_run"] = os.environ["TEMPER_FLOW_RUN"]
    with open_store() as (client, experiment):
        close_orphans(client, experiment, tags["temper.host"])
        parent = find_parent(client, experiment, origin.session)
        parent = parent or _create_parent(client, experiment, replace(origin, tags=tags))
        parent_id = parent.info.run_id
        client.update_run(parent_id, status="RUNNING")
        client.set_tag(parent_id, "temper.process", tags["temper.process"])
        run = client.create_run(
            experiment, run_name=origin.stage, tags={**tags, PARENT_TAG: parent_id, "temper.stage": origin.stage}
        )
    run_id = run.info.run_id
    _log_dependencies(client, parent_id, run_id, origin.hashes)
    return StageRun(client, parent_id, run_id, LiveMetrics(client, run_id))


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


def show_on_parent(session: str, stages: list[Stage]) -> None:
    """Log the figures of the given stages onto the parent of a pipeline run, those that were cached too.

    Does nothing when no stage of the run really ran: there is no parent then.
    """
    with open_store() as (client, experiment):
        parent = find_parent(client, experiment, session)
    if parent is None:
        return
    known = parent.data.metrics
    figures: Metrics = {}
    for stage in stages:
        file = stage.out / "metrics.json"
        tag = f"temper.stage.{stage.name}"
        if file.is_file():
            values = json.loads(file.read_text(encoding="utf-8"))
            figures |= {f"{stage.name}.{name}": value for name, value in values.items()}
            if tag not in parent.data.tags:
                client.set_tag(parent.info.run_id, tag, "cached")
    log_metrics(client, parent.info.run_id, {n: v for n, v in figures.items() if known.get(allowed_name(n)) != v})


def close_parent(session: str, stages: list[Stage], status: str) -> None:
    """Complete the parent of a pipeline run at its end: every stage shown, and the status of the whole."""
    show_on_parent(session, stages)
    with open_store() as (client, experiment):
        close_orphans(client, experiment, socket.gethostname())
        parent = find_parent(client, experiment, session)
        if parent is not None:
            client.set_terminated(parent.info.run_id, status)
