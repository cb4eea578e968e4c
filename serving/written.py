"""A folder that was written whole, and its MANIFEST.json: {"files": {name: {"bytes", "sha256"}}}, of every other file.

The outputs of stages, checkpoints and bundles are such folders, and all are checked here.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

MANIFEST = "MANIFEST.json"
NOT_WRITTEN = "its bytes are not those that were written"
_SHA256 = re.compile("[0-9a-f]{64}")
Entries = dict[str, dict[str, Any]]


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def json_bytes(value: object) -> bytes:
    """JSON, the same way every time: sorted keys, two spaces, a last newline."""
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode("utf-8")


def content_of(folder: Path) -> tuple[list[str], list[str], list[str]]:
    """The files of a folder but its manifest, its folders without files, and what is neither file nor folder."""
    files: set[str] = set()
    folders: set[str] = set()
    other: set[str] = set()
    for path in folder.rglob("*"):
        kind = other if path.is_symlink() else files if path.is_file() else folders if path.is_dir() else other
        kind.add(path.relative_to(folder).as_posix())
    used = {parent.as_posix() for name in files | other for parent in Path(name).parents}
    return sorted(files - {MANIFEST}), sorted(folders - used), sorted(other)


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and entry.keys() == {"bytes", "sha256"}
        and type(entry["bytes"]) is int
        and isinstance(entry["sha256"], str)
        and _SHA256.fullmatch(entry["sha256"]) is not None
    )


def read_entries(folder: Path) -> Entries | None:
    """What the manifest says of each file; None where it cannot be read, or its bytes be those that were written."""
    if (folder / MANIFEST).is_symlink():
        return None
    try:
        content = (folder / MANIFEST).read_bytes()
        told = json.loads(content.decode("utf-8"))
        if not isinstance(told, dict) or told.keys() != {"files"} or json_bytes(told) != content:
            return None
    except (OSError, ValueError, RecursionError):
        return None
    files = told["files"]
    return files if isinstance(files, dict) and all(map(_is_entry, files.values())) else None


def _fault_of(path: Path, entry: dict[str, Any]) -> str | None:
    try:
        if path.stat().st_size != entry["bytes"]:
            return f"has {path.stat().st_size} bytes, not the {entry['bytes']} that were written"
        return None if sha256_of(path) == entry["sha256"] else NOT_WRITTEN
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def faults_of(folder: Path) -> list[str]:
    """What of a folder is not as its manifest says, a line for each place, which it begins with."""
    expected = read_entries(folder)
    if expected is None:
        return [f"{MANIFEST}: {NOT_WRITTEN}"]
    files, empty, other = content_of(folder)
    faults = dict.fromkeys(expected.keys() - {*files, *other}, "missing")
    faults |= dict.fromkeys(other, "a link or a device, not the file that was written")
    faults |= dict.fromkeys({*files, *empty} - expected.keys(), "not in the manifest")
    for name in expected.keys() & set(files):
        fault = _fault_of(folder / name, expected[name])
        faults |= {name: fault} if fault else {}
    return [f"{name}: {fault}" for name, fault in sorted(faults.items())]


def listed(faults: list[str]) -> str:
    """The faults below each other, as an error shows them, whatever the names are made of."""
    return "".join(f"\n  {fault}" for fault in faults).encode("utf-8", "backslashreplace").decode("utf-8")
