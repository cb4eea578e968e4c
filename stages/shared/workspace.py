"""Where things lie that are no DVC output: receipts, caches, the MLflow store. They belong to the user's clone."""

import json
from pathlib import Path
from typing import Any

from serving.written import MANIFEST, sha256_of
from stages.shared.disk import cannot_write, write_whole
from stages.shared.outcome import Metrics
from stages.shared.publish import write_json


def clone_root() -> Path:
    """The root of the user's clone, also from inside the temporary folder of a queued DVC experiment."""
    here = Path.cwd().resolve()
    parts = here.parts
    for index in range(len(parts) - 2):
        if parts[index : index + 3] == (".dvc", "tmp", "exps"):
            return Path(*parts[:index])
    return here


def state_folder(name: str) -> Path:
    """`.temper/<name>` of the clone, made when missing."""
    folder = clone_root() / ".temper" / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error, 0) from error
    return folder


def read_state(path: Path) -> dict[str, Any]:
    """What a JSON file in there says; nothing where it is missing or damaged, for it can be done without."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def write_timings(stage: str, out: Path, timings: Metrics) -> None:
    """Keep how long a stage took, with the hash of what it wrote: times are no part of an output."""
    write_json(state_folder("timings") / f"{stage}.json", {"manifest": sha256_of(out / MANIFEST), **timings})


def read_timings(stage: str, out: Path) -> Metrics:
    """How long the stage took that wrote this very output, on this machine; empty where it was not made here."""
    found = read_state(state_folder("timings") / f"{stage}.json")
    if not found or not (out / MANIFEST).is_file():
        return {}
    return found if found.pop("manifest", None) == sha256_of(out / MANIFEST) else {}


def write_page(stage: str, name: str, content: bytes) -> None:
    """Keep a file of a stage that holds times: `.temper/pages/<stage>/<name>`."""
    folder = state_folder("pages") / stage
    folder.mkdir(exist_ok=True)
    write_whole(folder / name, content)


def receipt_path(session: str, stage: str) -> Path:
    """Where a stage says that it ran in a session, and how that ended."""
    return state_folder("receipts") / session / f"{stage}.json"


def write_receipt(session: str, stage: str, content: dict[str, object]) -> None:
    """Say that a stage ran in a session: its state, exit code and message."""
    path = receipt_path(session, stage)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, content)
