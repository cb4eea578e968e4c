"""Bits that are not those that were written: in the cache, at which DVC does not look again, and in outputs."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from flows.doctoring import Finding
from flows.doctoring.living import at_work
from serving.written import MANIFEST, faults_of
from stages.shared.errors import MachineError
from stages.shared.pipeline import read_stages
from stages.shared.publish import check_manifest

CACHE = Path(".dvc/cache/files/md5")


def look_at_cache() -> Iterator[Finding]:
    """Objects of the cache whose content does not have the MD5 that is their name."""
    for path in sorted(CACHE.glob("??/*")):
        wanted = f"{path.parent.name}{path.name}"
        if not path.name.endswith(".tmp") and _md5_of(path.read_bytes()) != wanted.removesuffix(".dir"):
            what = f"{path}: its bits are not those that its name says"
            yield Finding(what, f"Remove {path}, and run `dvc repro`.", partial(_restore, path, wanted))


def look_at_outputs() -> Iterator[Finding]:
    """Outputs of stages that are not as their manifests say."""
    for out in (stage.out for stage in read_stages()):
        if not out.is_dir() or not (out / MANIFEST).is_file():
            continue
        if faults := faults_of(out):
            what = f"{out} is damaged: {'; '.join(faults)}"
            yield Finding(what, f"Run `dvc checkout --force {out}`.", partial(_check_out, out))


def _md5_of(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _listing(folder: Path) -> bytes:
    """What DVC keeps of a folder: the MD5 and path of each file."""
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    names = [(path.relative_to(folder).as_posix(), path) for path in files]
    rows = [{"md5": _md5_of(path.read_bytes()), "relpath": name} for name, path in sorted(names)]
    return json.dumps(rows, sort_keys=True).encode()


def md5_of_path(path: Path) -> str | None:
    """The MD5 of a file or folder as dvc.lock has it; None of what is not there."""
    if path.is_dir():
        return f"{_md5_of(_listing(path))}.dir"
    return _md5_of(path.read_bytes()) if path.is_file() else None


def _same_content(wanted: str) -> bytes | None:
    """The content of that MD5, if an output still has it."""
    for out in (stage.out for stage in read_stages()):
        if wanted.endswith(".dir"):
            contents: Iterator[bytes] = iter([_listing(out)])
        else:
            contents = (path.read_bytes() for path in out.rglob("*") if path.is_file())
        for content in contents:
            if _md5_of(content) == wanted.removesuffix(".dir"):
                return content
    return None


def _restore(path: Path, wanted: str) -> None:
    """Put the right content in its place, or remove it, so that the next run makes it again."""
    _require_quiet()
    content = _same_content(wanted)
    if content is None:
        path.unlink()
        return
    fresh = path.with_name(f"{path.name}.tmp")
    fresh.write_bytes(content)
    fresh.chmod(0o444)
    fresh.replace(path)


def _check_out(out: Path) -> None:
    """Fetch the output from the cache again."""
    _require_quiet()
    command = [sys.executable, "-m", "dvc", "checkout", "--force", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:]
        raise MachineError(f"dvc checkout: {''.join(last)} Run `dvc repro --force` on its stage.")
    check_manifest(out)


def _require_quiet() -> None:
    if (worker := next(at_work(), None)) is not None:
        raise MachineError(f"pid {worker.pid} works in this folder: wait until it ends")
