"""The record of a search: a run above the parents of its trials, and what a trial has reached so far."""

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from stages.shared.lineage import code_tags, machine_tags
from stages.shared.outcome import Metrics
from stages.shared.params import Params
from stages.shared.tracking.runs import PARENT_TAG, allowed_name, find_parent, log_metrics
from stages.shared.tracking.store import open_store


def open_study(name: str, known: str | None, params: Params) -> str:
    """The id of the study's run: the one that is known, open again, else a new one."""
    with open_store() as (client, experiment):
        if known is not None:
            client.update_run(known, status="RUNNING")
            client.set_tag(known, "temper.process", machine_tags(params.train.threads)["temper.process"])
            return known
        tags = {**code_tags(), **machine_tags(params.train.threads), "temper.study": name}
        run_id: str = client.create_run(experiment, run_name=f"search {name}", tags=tags).info.run_id
        client.log_dict(run_id, params.model_dump(mode="json", by_alias=True), "params.yaml")
        return run_id


def close_study(run_id: str, status: str, figures: Metrics, tags: dict[str, str]) -> None:
    """End the study's run with what it found."""
    with open_store() as (client, _):
        log_metrics(client, run_id, figures)
        for name, value in tags.items():
            client.set_tag(run_id, allowed_name(name), value)
        client.set_terminated(run_id, status)


def close_trial(session: str, status: str, figures: Metrics) -> None:
    """End the parent run of a trial, with what it has reached, and what of it still runs."""
    with open_store() as (client, experiment):
        parent = find_parent(client, experiment, session)
        if parent is not None:
            log_metrics(client, parent.info.run_id, figures)
            for run in [*_children(client, experiment, parent.info.run_id), parent]:
                if run.info.status == "RUNNING" or run is parent:
                    client.set_terminated(run.info.run_id, status)


def _children(client: MlflowClient, experiment: str, parent: str) -> list[Run]:
    return list(client.search_runs([experiment], f"tags.`{PARENT_TAG}` = '{parent}'"))


def curve_of(session: str, stage: str, metric: str) -> list[float]:
    """The values of a figure that a stage of a pipeline run has recorded so far, in their order."""
    with open_store() as (client, experiment):
        parent = find_parent(client, experiment, session)
        if parent is None:
            return []
        runs = [
            run
            for run in _children(client, experiment, parent.info.run_id)
            if run.data.tags.get("temper.stage") == stage
        ]
        if not runs:
            return []
        points = client.get_metric_history(runs[0].info.run_id, allowed_name(metric))  # the newest run comes first
        return [point.value for point in sorted(points, key=lambda point: (point.step, point.timestamp))]
