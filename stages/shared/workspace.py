"""Where things lie that are no DVC output: receipts, caches, the MLflow store. They belong to the user's clone."""

from pathlib import Path

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
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def receipt_path(session: str, stage: str) -> Path:
    """Where a stage says that it ran in a session, and how that ended."""
    return state_folder("receipts") / session / f"{stage}.json"


def write_receipt(session: str, stage: str, content: dict[str, object]) -> None:
    """Say that a stage ran in a session: its state, exit code and message."""
    path = receipt_path(session, stage)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, content)
