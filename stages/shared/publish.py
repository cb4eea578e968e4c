"""Write a folder whole or not at all, and check when reading that it is still what was written.

A stage writes into a temporary sibling folder. When it is done, every file and folder is synced to disk,
MANIFEST.json (size and sha256 of each file) is written last, and one rename makes the folder appear under its name.
What it replaces is moved aside before and removed after; `mend` puts it back where a kill came in between.
"""

import hashlib
import json
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from stages.shared.disk import (
    OF_THE_DISK,
    cannot_write,
    is_full,
    no_room_for_the_rest,
    remove_folder,
    sync,
    write_whole,
)
from stages.shared.errors import DataError, MachineError, Refused, TemperError, TrainingFailed

MANIFEST = "MANIFEST.json"
_SHA256 = re.compile("[0-9a-f]{64}")
_log = logging.getLogger(__name__)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _json_bytes(value: object) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode("utf-8")


def write_json(path: Path, value: object) -> None:
    """Write JSON whole, and the same way every time: sorted keys, two spaces, a last newline."""
    write_whole(path, _json_bytes(value))


def _content(folder: Path) -> tuple[list[str], list[str], list[str]]:
    """The files of a folder but its manifest, its folders without files, and what is neither file nor folder."""
    files: set[str] = set()
    folders: set[str] = set()
    other: set[str] = set()
    for path in folder.rglob("*"):
        kind = other if path.is_symlink() else files if path.is_file() else folders if path.is_dir() else other
        kind.add(path.relative_to(folder).as_posix())
    used = {parent.as_posix() for name in files | other for parent in Path(name).parents}
    return sorted(files - {MANIFEST}), sorted(folders - used), sorted(other)


def write_manifest(folder: Path) -> None:
    """Sync all of a folder to disk and write MANIFEST.json last. Folders without files go: DVC keeps none.

    Raises:
        MachineError: it holds a link or a device, which would not be kept as it is.
    """
    files, empty, other = _content(folder)
    if other:
        raise MachineError(f"{folder}: {other[0]}: neither a file nor a folder. Write what it leads to instead.")
    for name in reversed(empty):
        (folder / name).rmdir()
    entries = {}
    for name in files:
        sync(folder / name)
        entries[name] = {"bytes": (folder / name).stat().st_size, "sha256": sha256_of(folder / name)}
    for inner in folder.rglob("*"):
        if inner.is_dir():
            sync(inner)
    write_json(folder / MANIFEST, {"files": entries})


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and entry.keys() == {"bytes", "sha256"}
        and type(entry["bytes"]) is int
        and isinstance(entry["sha256"], str)
        and _SHA256.fullmatch(entry["sha256"]) is not None
    )


def _entries(manifest: Path) -> dict[str, dict[str, Any]] | None:
    """What a manifest says of each file; None where its bytes cannot be those that were written."""
    content = manifest.read_bytes()
    try:
        told = json.loads(content.decode("utf-8"))
        if not isinstance(told, dict) or told.keys() != {"files"} or _json_bytes(told) != content:
            return None
    except (ValueError, RecursionError):
        return None
    files = told["files"]
    return files if isinstance(files, dict) and all(map(_is_entry, files.values())) else None


def _fault_of(path: Path, entry: dict[str, Any]) -> str | None:
    try:
        same = path.stat().st_size == entry["bytes"] and sha256_of(path) == entry["sha256"]
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return None if same else "its bytes are not those that were written"


def faults_of(folder: Path) -> list[str]:
    """What of a folder is not as its manifest says."""
    expected = None if (folder / MANIFEST).is_symlink() else _entries(folder / MANIFEST)
    if expected is None:
        return [f"{MANIFEST}: its bytes are not those that were written"]
    files, empty, other = _content(folder)
    faults = [f"{name}: missing" for name in sorted(expected.keys() - {*files, *other})]
    faults += [f"{name}: a link or a device, not the file that was written" for name in other]
    faults += [f"{name}: not in the manifest" for name in sorted({*files, *empty} - expected.keys())]
    for name in sorted(expected.keys() & set(files)):
        fault = _fault_of(folder / name, expected[name])
        faults += [f"{name}: {fault}"] if fault else []
    return faults


def check_manifest(folder: Path) -> None:
    """Raise DataError, naming each file, when the folder is not what its MANIFEST.json says."""
    if not (folder / MANIFEST).is_file():
        raise DataError(f"{folder}: no {MANIFEST}, so it was not written by its stage to the end. Run `dvc repro`.")
    faults = faults_of(folder)
    if faults:
        listed = "\n  ".join(faults).encode("utf-8", "backslashreplace").decode("utf-8")
        raise DataError(
            f"{folder} is damaged:\n  {listed}\nHave DVC look at all that it keeps, and make anew what is bad: "
            f'`chmod -R u+w "$(dvc cache dir)"; rm -r {folder}; dvc repro`.'
        )


def refused_folder(out: Path) -> Path:
    """Where what a gate refused is kept: beside the output that it did not become."""
    return out.parent / f"{out.name}.refused"


def _staging_of(out: Path) -> Path:
    return out.parent / f".{out.name}.partial"


def _moved_aside(out: Path) -> Path:
    return out.parent / f".{out.name}.replaced"


def mend(out: Path) -> None:
    """Put back what was moved aside for an output that never came, and remove what one that came has replaced."""
    aside = _moved_aside(out)
    if aside.exists() and not out.exists():
        aside.rename(out)
        sync(out.parent)
        _log.warning("%s: the run that was about to replace it was killed: it is again what it was before.", out)
    remove_folder(aside)


def _put(staging: Path, target: Path) -> None:
    """Finish a folder and give it its name; whatever goes wrong, the name has the old one or the new one."""
    write_manifest(staging)
    mend(target)
    aside = _moved_aside(target)
    if target.exists():
        target.rename(aside)
    try:
        staging.rename(target)
    except OSError:
        if aside.exists():
            aside.rename(target)
        raise
    sync(target.parent)
    remove_folder(aside)


def require_writable(out: Path) -> None:
    """Raise MachineError when an output cannot be written, or cannot replace the one that is there."""
    probe = out.parent / f".{out.name}.probe"
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise MachineError(f"{out}: a file or a link, where a folder is to be written. Move it away.")
    if out.is_mount():
        raise MachineError(f"{out}: a mounted file system, which no folder can replace. Mount the folder above it.")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        probe.mkdir(exist_ok=True)
        with suppress(FileNotFoundError):  # another process was quicker
            probe.rmdir()
    except OSError as error:
        raise cannot_write(out, error, 0) from error
    for folder in (out, *out.rglob("*")) if out.exists() else ():
        if folder.is_dir() and not folder.is_symlink() and not os.access(folder, os.W_OK | os.X_OK):
            raise MachineError(f"{folder}: may not be replaced. Grant the right to write there, or remove {out}.")


def _discard(staging: Path) -> None:
    """Remove what is half written; where that fails another error is on its way, and the next start removes it."""
    try:
        remove_folder(staging)
    except MachineError as error:
        _log.warning("%s", error)


def _explained(out: Path, error: Exception) -> Exception:
    """An error for the user, where one comes of the disk; else the error itself."""
    if isinstance(error, TemperError):
        return error
    if is_full(error):
        return no_room_for_the_rest(out, _staging_of(out), error)
    if isinstance(error, OSError):
        place = Path(str(error.filename or ""))
        is_ours = place.is_relative_to(out.parent) and out.name in str(place)
        if is_ours if error.filename else error.errno in OF_THE_DISK:
            return cannot_write(out, error, 0)
    return error


@contextmanager
def published(out: Path) -> Iterator[Path]:
    """Give a temporary folder beside `out` that becomes `out` when the block ends well.

    After Refused or TrainingFailed what was written is kept as `<out>.refused`; after any other
    exception nothing is left. `out` itself is untouched until the new one is whole.

    Raises:
        MachineError: `out` cannot be written, which is known before the block begins, or the disk is full.
    """
    require_writable(out)
    staging, refused = _staging_of(out), refused_folder(out)
    try:
        mend(out)
        remove_folder(staging)
        staging.mkdir()
        try:
            yield staging
        except (Refused, TrainingFailed):
            _put(staging, refused)
            raise
        _put(staging, out)
        remove_folder(refused)
    except Exception as error:
        explained = _explained(out, error)
        if explained is error:
            raise
        raise explained from error
    finally:
        _discard(staging)
