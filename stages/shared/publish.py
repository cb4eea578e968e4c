"""Write a folder whole or not at all, and check when reading that it is still what was written.

A stage writes into a temporary sibling folder. When it is done, every file is synced to disk, MANIFEST.json
(size and sha256 of each file) is written last, and one rename makes the folder appear under its name.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.shared.errors import DataError, MachineError, Refused, TrainingFailed

MANIFEST = "MANIFEST.json"


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, value: object) -> None:
    """Write JSON the same way every time: sorted keys, two spaces, a last newline."""
    path.write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def write_manifest(folder: Path) -> None:
    """Sync every file of the folder to disk and write MANIFEST.json last."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST)
    entries = {}
    for path in files:
        with path.open("rb+") as file:
            os.fsync(file.fileno())
        entries[path.relative_to(folder).as_posix()] = {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
    write_json(folder / MANIFEST, {"files": entries})


def check_manifest(folder: Path) -> None:
    """Raise DataError, naming each file, when the folder is not what its MANIFEST.json says."""
    if not (folder / MANIFEST).is_file():
        raise DataError(f"{folder}: no {MANIFEST}, so it was not written by its stage to the end. Run `dvc repro`.")
    expected = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {MANIFEST}
    wrong = [f"{name}: missing" for name in sorted(expected.keys() - found)]
    wrong += [f"{name}: not in the manifest" for name in sorted(found - expected.keys())]
    for name in sorted(expected.keys() & found):
        if sha256_of(folder / name) != expected[name]["sha256"]:
            wrong.append(f"{name}: its bytes are not those that were written")
    if wrong:
        raise DataError(f"{folder} is damaged:\n  " + "\n  ".join(wrong) + "\nRun `dvc repro --force` on its stage.")


def _replace(staging: Path, target: Path) -> None:
    write_manifest(staging)
    shutil.rmtree(target, ignore_errors=True)
    staging.rename(target)


def refused_folder(out: Path) -> Path:
    """Where what a gate refused is kept: beside the output that it did not become."""
    return out.parent / f"{out.name}.refused"


@contextmanager
def published(out: Path) -> Iterator[Path]:
    """Give a temporary folder beside `out` that becomes `out` when the block ends well.

    After Refused or TrainingFailed what was written is kept as `<out>.refused`; after any other
    exception nothing is left. `out` itself is untouched until the rename.

    Raises:
        MachineError: the folder that holds `out` cannot be written, or the disk is full.
    """
    staging = out.parent / f".{out.name}.partial"
    refused = refused_folder(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir()
        yield staging
        _replace(staging, out)
        shutil.rmtree(refused, ignore_errors=True)
    except (Refused, TrainingFailed):
        _replace(staging, refused)
        raise
    except OSError as error:
        if error.filename and str(out.parent) not in str(error.filename):
            raise
        raise MachineError(
            f"{out}: cannot be written: {error.strerror or error}. Free space or fix the rights."
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
