"""Read a bundle: check every file against MANIFEST.json, then its settings."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.errors import BundleDamaged, BundleMissing

FORMAT = 1  # of settings.json, of the cleaning in serving/text.py, and of the model's inputs and output
MANIFEST, MODEL, TOKENIZER, SETTINGS = "MANIFEST.json", "model.onnx", "tokenizer.json", "settings.json"


@dataclass(frozen=True)
class Bundle:
    """A checked bundle: where its files lie, and how its model is asked."""

    model: Path
    tokenizer: Path
    settings: dict[str, Any]


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BundleDamaged(f"{path}: is no JSON: {error}. Fetch the bundle again.") from None


def _entries(folder: Path) -> dict[str, dict[str, Any]]:
    """What the manifest says of each file: {"bytes", "sha256"}."""
    manifest = _read_json(folder / MANIFEST)
    files = manifest.get("files") if isinstance(manifest, dict) else None
    if isinstance(files, dict) and all(
        isinstance(entry, dict) and {"bytes", "sha256"} <= entry.keys() for entry in files.values()
    ):
        return files
    raise BundleDamaged(f'{folder / MANIFEST}: holds no {{"files": {{name: {{"bytes", "sha256"}}}}}}.')


def _fault(path: Path, entry: dict[str, Any]) -> str | None:
    if not path.is_file():
        return "missing"
    if path.stat().st_size != entry["bytes"]:
        return f"has {path.stat().st_size} bytes, the manifest says {entry['bytes']}"
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != entry["sha256"]:
            return "its SHA-256 is not the manifest's"
    return None


def _check_files(folder: Path) -> None:
    entries = _entries(folder)
    faults = [f"{name}: not in the manifest" for name in (MODEL, TOKENIZER, SETTINGS) if name not in entries]
    for name, entry in sorted(entries.items()):
        fault = _fault(folder / name, entry)
        if fault:
            faults.append(f"{name}: {fault}")
    if faults:
        raise BundleDamaged(f"{folder} is damaged:\n  " + "\n  ".join(faults) + "\nFetch or build the bundle again.")


def _check_settings(settings: Any, path: Path) -> dict[str, Any]:
    if not isinstance(settings, dict) or settings.get("format") != FORMAT:
        found = settings.get("format") if isinstance(settings, dict) else None
        raise BundleDamaged(f"{path}: format {found!r}: this code reads format {FORMAT}. Use the code of its release.")
    if not isinstance(settings.get("task"), str) or not isinstance(settings.get("max_tokens"), int):
        raise BundleDamaged(f"{path}: needs `task`, a word, and `max_tokens`, a number.")
    return settings


def load_bundle(folder: Path) -> Bundle:
    """Check a bundle, file by file, and read its settings.

    Raises:
        BundleMissing: there is none. BundleDamaged: it is not whole, or of another format; all faults at once.
    """
    if not (folder / MANIFEST).is_file():
        raise BundleMissing(f"{folder}: no bundle there: no {MANIFEST}. Give the folder that holds {MODEL}.")
    _check_files(folder)
    settings = _check_settings(_read_json(folder / SETTINGS), folder / SETTINGS)
    return Bundle(folder / MODEL, folder / TOKENIZER, settings)
