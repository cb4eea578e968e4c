"""What a run came from: commit, data, versions, machine. Facts for the tags of a run."""

import hashlib
import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from ruamel.yaml import YAML

from stages.shared.params import Params
from stages.shared.pipeline import Stage
from stages.shared.resources import cpu_flags
from stages.shared.session import process_key

DVC_LOCK = Path("dvc.lock")
STUDY_RUN = "TEMPER_STUDY_RUN"  # in the environment of a trial: the MLflow run of its study, above its parent run


def _git(*words: str) -> str | None:
    done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def code_tags() -> dict[str, str]:
    """The git commit, and whether tracked files differ from it."""
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return {"temper.git.commit": "none"}
    changed = _git("status", "--porcelain", "--untracked-files=no")
    return {"temper.git.commit": commit, "temper.git.dirty": str(bool(changed)).lower()}


def _versions_hash() -> str:
    """Of the names and versions of what is installed, by its folders' names: to read their metadata takes a second."""
    kinds = ("*.dist-info", "*.egg-info")
    installed = sorted({path.stem for folder in sys.path for kind in kinds for path in Path(folder).glob(kind)})
    return hashlib.sha256("\n".join(installed).encode()).hexdigest()


def machine_tags(threads: int) -> dict[str, str]:
    """Versions, threads and CPU, and the process, so that a later start can tell whether it is still alive."""
    return {
        "temper.versions": _versions_hash(),
        "temper.python": platform.python_version(),
        "temper.threads": str(threads),
        "temper.cpu": cpu_flags(),
        "temper.cores": str(os.cpu_count()),
        "temper.host": socket.gethostname(),
        "temper.process": process_key(psutil.Process()),
    }


def locked_hashes() -> dict[str, str]:
    """Path of each dependency and output in dvc.lock: its md5."""
    if not DVC_LOCK.is_file():
        return {}
    stages = (YAML(typ="base").load(DVC_LOCK.read_text(encoding="utf-8")) or {}).get("stages", {})  # texts alone
    entries = [entry for stage in stages.values() for kind in ("deps", "outs") for entry in stage.get(kind, [])]
    return {entry["path"]: entry["md5"] for entry in entries if "md5" in entry}


def _md5_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def dependency_hashes(paths: Iterable[str]) -> dict[str, str]:
    """Path of each dependency of a stage: its md5, as dvc.lock will say it.

    An output of a stage before it is in dvc.lock already; a file is hashed afresh, for DVC writes it down afterwards.
    """
    locked = locked_hashes()
    fresh = {path: _md5_of(Path(path)) for path in paths if Path(path).is_file()}
    return {path: locked[path] for path in paths if path in locked} | fresh


@dataclass(frozen=True)
class Origin:
    """What the run of a stage comes from.

    Attributes:
        session: of its pipeline run.
        stage: its name.
        params: the whole of params.yaml.
        tags: of code_tags and machine_tags.
        hashes: of dependency_hashes.
        name: of the pipeline run, for people.
        study: the MLflow run of the search that the pipeline run is a trial of.
    """

    session: str
    stage: str
    params: dict[str, Any]
    tags: dict[str, str]
    hashes: dict[str, str]
    name: str = ""
    study: str = ""


def origin_of(session: str, stage: Stage, params: Params) -> Origin:
    """What a stage that this process runs comes from."""
    tags = {**code_tags(), **machine_tags(params.train.threads)}
    values = params.model_dump(mode="json", by_alias=True)
    if flow_run := os.environ.get("TEMPER_FLOW_RUN"):
        tags["temper.prefect.flow_run"] = flow_run
    name = os.environ.get("DVC_EXP_NAME") or time.strftime("run %Y-%m-%d %H:%M:%S")
    study = os.environ.get(STUDY_RUN, "")
    return Origin(session, stage.name, values, tags, dependency_hashes(stage.dependencies), name, study)
