"""The model registry: a bundle is a version; `challenger` is the newest, `champion` the best that was compared.

A bundle is registered as plain files with a manifest, never as a pickle.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException, RestException
from mlflow.tracking import MlflowClient

from stages.shared.outcome import Outcome
from stages.shared.tracking.runs import StageRun
from stages.shared.tracking.store import open_store

REGISTRATION = "registration.json"
BUNDLE_TAG = "temper.bundle_sha256"
TEST_TAG = "temper.test_sha256"
FIGURE_TAG = "temper.test_figure"


def _known(client: MlflowClient, name: str) -> None:
    try:
        client.get_registered_model(name)
    except (MlflowException, RestException):
        client.create_registered_model(name)


def _version_of(client: MlflowClient, run: StageRun, out: Path, facts: dict[str, Any]) -> ModelVersion:
    """The version of this very bundle: the one there is, else a new one."""
    for version in client.search_model_versions(f"name = '{facts['name']}'"):
        if version.tags.get(BUNDLE_TAG) == facts["bundle_sha256"]:
            return version
    client.log_artifacts(run.run_id, str(out / "bundle"), "bundle")
    source = f"{client.get_run(run.run_id).info.artifact_uri}/bundle"
    tags = {
        BUNDLE_TAG: facts["bundle_sha256"],
        TEST_TAG: facts["test_sha256"],
        FIGURE_TAG: str(facts["value"]),
        "temper.primary": facts["primary"],
    }
    return client.create_model_version(facts["name"], source, run.run_id, tags=tags)


def _champion(client: MlflowClient, name: str) -> ModelVersion | None:
    if "champion" not in client.get_registered_model(name).aliases:
        return None
    return client.get_model_version_by_alias(name, "champion")


def judge(version: ModelVersion, champion: ModelVersion | None, primary: str) -> tuple[bool, str]:
    """Whether a version becomes champion, and why: it must not be worse on the same test data."""
    if champion is None:
        return True, "the first version"
    if champion.version == version.version:
        return True, "it is the champion already"
    old, new = float(champion.tags[FIGURE_TAG]), float(version.tags[FIGURE_TAG])
    if champion.tags[TEST_TAG] != version.tags[TEST_TAG]:
        return False, (
            f"champion {champion.version} was measured on other test data (its {primary} {old:.4f}, this one's "
            f"{new:.4f} do not compare); to promote, set the alias in MLflow, or evaluate both on the same test split"
        )
    if new < old:
        return False, f"{primary} {new:.4f} is worse than champion {champion.version}'s {old:.4f} on the same test data"
    return True, f"{primary} {new:.4f} is not worse than champion {champion.version}'s {old:.4f} on the same test data"


def register_bundle(run: StageRun, out: Path, outcome: Outcome) -> Outcome:
    """Register the bundle of a stage that made one, and promote it when it is not worse than the champion.

    The same bundle is registered once, however often this is called, and a promotion that was broken off is finished.

    Returns:
        The outcome, its summary followed by what became of the bundle.
    """
    if not (out / REGISTRATION).is_file():
        return outcome
    facts = json.loads((out / REGISTRATION).read_text(encoding="utf-8"))
    name, client = facts["name"], run.client
    with open_store():
        _known(client, name)
        version = _version_of(client, run, out, facts)
        client.set_registered_model_alias(name, "challenger", version.version)
        promoted, reason = judge(version, _champion(client, name), facts["primary"])
        if promoted:
            client.set_registered_model_alias(name, "champion", version.version)
        verdict = f"{'champion' if promoted else 'challenger, not champion'}: {reason}"
        client.set_model_version_tag(name, version.version, "temper.promotion", verdict)
    client.set_tag(run.parent_id, "temper.registered", f"{name} {version.version}")
    client.set_tag(run.parent_id, "temper.promotion", verdict)
    return dataclasses.replace(outcome, summary=f"{outcome.summary}; registered as {name} {version.version}, {verdict}")
