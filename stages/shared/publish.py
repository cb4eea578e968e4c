"""Write a folder whole or not at all, and check when reading that it is still what was written.

A stage writes into a temporary sibling folder. When it is done, every file and folder is synced to disk,
MANIFEST.json (size and sha256 of each file) is written last, and one rename makes the folder appear under its name.
What it replaces is moved aside before and removed after; `mend` puts it back where a kill came in between.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from serving.written import MANIFEST, content_of, faults_of, json_bytes, listed, sha256_of
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

_log = logging.getLogger(__name__)


def write_json(path: Path, value: object) -> None:
    """Write JSON whole, and the same way every time: sorted keys, two spaces, a last newline."""
    write_whole(path, json_bytes(value))


def write_manifest(folder: Path) -> None:
    """Sync all of a folder to disk and write MANIFEST.json last. Folders without files go: DVC keeps none.

    Raises:
        MachineError: it holds a link or a device, which would not be kept as it is.
    """
    files, empty, other = content_of(folder)
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


def check_manifest(folder: Path) -> None:
    """Raise DataError, naming each file, when the folder is not what its MANIFEST.json says."""
    if not (folder / MANIFEST).is_file():
        raise DataError(f"{folder}: no {MANIFEST}, so it was not written by its stage to the end. Run `dvc repro`.")
    faults = faults_of(folder)
    if faults:
        raise DataError(
            f"{folder} is damaged:{listed(faults)}\nHave DVC look at all that it keeps, and make anew what is bad: "
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
