"""The model registry: a bundle is a version; `challenger` is the newest, `champion` the best that was compared.

A bundle is registered as plain files with a manifest, never as a pickle. No alias names a version before what lies in
the store has been fetched and found to be the bundle.
"""

import dataclasses
import json
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from serving.written import MANIFEST, sha256_of
from stages.shared.errors import DataError, MachineError
from stages.shared.outcome import Outcome
from stages.shared.publish import check_manifest
from stages.shared.tracking.runs import StageRun
from stages.shared.tracking.store import EXISTS, open_store
from stages.shared.workspace import state_folder

REGISTRATION = "registration.json"
BUNDLE = "bundle"
BUNDLE_TAG = "temper.bundle_sha256"
TEST_TAG = "temper.test_sha256"
FIGURE_TAG = "temper.test_figure"
TRIES, SECONDS_BETWEEN_TRIES = 5, 0.2
Facts = dict[str, Any]


def _known(client: MlflowClient, name: str) -> None:
    try:
        client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        try:
            client.create_registered_model(name)
        except MlflowException as late:
            if late.error_code != EXISTS:  # else another process was faster
                raise


def _versions_of(client: MlflowClient, facts: Facts) -> list[ModelVersion]:
    """The versions of this very bundle, lowest first."""
    wanted = f"name = '{facts['name']}' and tags.`{BUNDLE_TAG}` = '{facts['bundle_sha256']}'"
    return sorted(client.search_model_versions(wanted), key=lambda version: int(version.version))


def _create_version(client: MlflowClient, run: StageRun, out: Path, facts: Facts) -> None:
    client.log_artifacts(run.run_id, str(out / BUNDLE), BUNDLE)
    source = f"{client.get_run(run.run_id).info.artifact_uri}/{BUNDLE}"
    tags = {
        BUNDLE_TAG: facts["bundle_sha256"],
        TEST_TAG: facts["test_sha256"],
        FIGURE_TAG: str(facts["value"]),
        "temper.primary": facts["primary"],
    }
    client.create_model_version(facts["name"], source, run.run_id, tags=tags)


def _version_of(client: MlflowClient, run: StageRun, out: Path, facts: Facts) -> ModelVersion:
    """The version of this very bundle: the one there is, else a new one.

    Other clones may do the same at the same moment. A version sees those with a lower number, so all agree that the
    lowest one stays.
    """
    if not _versions_of(client, facts):
        _create_version(client, run, out, facts)
    stays, *doubles = _versions_of(client, facts)
    for double in doubles:
        with suppress(MlflowException):  # it is gone already
            client.delete_model_version(facts["name"], double.version)
    return stays


def _fault(uri: str, version: ModelVersion, facts: Facts) -> str | None:
    """What is wrong with the files that the store has of a version; None when they are the bundle."""
    with tempfile.TemporaryDirectory(dir=state_folder("scratch")) as scratch:
        try:
            folder = Path(download_artifacts(artifact_uri=version.source, dst_path=scratch, tracking_uri=uri))
            check_manifest(folder)
        except (DataError, MlflowException, FileNotFoundError) as error:
            return str(error)
        return None if sha256_of(folder / MANIFEST) == facts["bundle_sha256"] else f"{MANIFEST} is of another bundle"


def _require_verified(run: StageRun, version: ModelVersion, out: Path, facts: Facts) -> None:
    """Fetch a version's files and compare them with the manifest; what is damaged is uploaded again, once.

    Raises:
        MachineError: what lies in the store is still not the bundle.
    """
    if _fault(run.uri, version, facts) is None:
        return
    check_manifest(out / BUNDLE)
    run.client.log_artifacts(version.run_id or run.run_id, str(out / BUNDLE), BUNDLE)
    if fault := _fault(run.uri, version, facts):
        raise MachineError(
            f"{facts['name']} {version.version}: what MLflow has at {version.source} is not the bundle, also after it "
            f"was uploaded again: {fault}\nNo alias was set. Delete the version in MLflow, and run `dvc repro` again."
        )


def _champion(client: MlflowClient, name: str) -> ModelVersion | None:
    if "champion" not in client.get_registered_model(name).aliases:
        return None
    return client.get_model_version_by_alias(name, "champion")


def _point(client: MlflowClient, name: str, alias: str, version: ModelVersion) -> None:
    """Let an alias name a version; once more where another process has set the same alias at the same moment."""
    for tries_left in reversed(range(TRIES)):
        try:
            client.set_registered_model_alias(name, alias, version.version)
            return
        except MlflowException as error:  # the server checks first and inserts then: the later of two fails
            if error.error_code != "BAD_REQUEST" or not tries_left:
                raise
            time.sleep(SECONDS_BETWEEN_TRIES)


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

    The same bundle is registered once, however often and from how many places this is called, and a promotion that
    was broken off is finished.

    Returns:
        The outcome, its summary followed by what became of the bundle.
    """
    if not (out / REGISTRATION).is_file():
        return outcome
    facts = json.loads((out / REGISTRATION).read_text(encoding="utf-8"))
    name, client = facts["name"], run.client
    with open_store(run.uri):
        _known(client, name)
        version = _version_of(client, run, out, facts)
        _require_verified(run, version, out, facts)
        _point(client, name, "challenger", version)
        promoted, reason = judge(version, _champion(client, name), facts["primary"])
        if promoted:
            _point(client, name, "champion", version)
        verdict = f"{'champion' if promoted else 'challenger, not champion'}: {reason}"
        client.set_model_version_tag(name, version.version, "temper.promotion", verdict)
    client.set_tag(run.parent_id, "temper.registered", f"{name} {version.version}")
    client.set_tag(run.parent_id, "temper.promotion", verdict)
    return dataclasses.replace(outcome, summary=f"{outcome.summary}; registered as {name} {version.version}, {verdict}")
