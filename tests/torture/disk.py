"""Faults of the disk: full, read-only, in two file systems, and a kill at each step of a publication."""

import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.numpy import save_file

from stages.shared.errors import MachineError, TemperError
from stages.shared.fitting.packed import write_packed
from stages.shared.publish import check_manifest, mend, published, write_json
from tests.torture.faults import FAULTS
from tests.torture.scoreboard import Line

NOBODY = 65534
LARGE = 3_000_000  # bytes: more than the small disk has
Write = Callable[[Path], Any]
WRITERS: dict[str, Write] = {
    "a file": lambda folder: (folder / "model.bin").write_bytes(bytes(LARGE)),
    "many files": lambda folder: [(folder / f"{number}.txt").write_bytes(bytes(100_000)) for number in range(30)],
    "json": lambda folder: write_json(folder / "large.json", "x" * LARGE),
    "numpy": lambda folder: np.save(folder / "index.npy", np.ones(LARGE // 8)),
    "safetensors": lambda folder: save_file({"w": np.ones(LARGE // 8)}, folder / "model.safetensors"),
    "a checkpoint": lambda folder: write_packed(folder, {"model": {"w": torch.ones(LARGE // 4)}}),
    "parquet": lambda folder: pq.write_table(
        pa.table({"x": np.random.default_rng(1).random(LARGE // 8)}), folder / "rows.parquet"
    ),
}


def write_good(out: Path, word: str = "good") -> None:
    """Publish a small output that says a word."""
    with published(out) as folder:
        (folder / "inner").mkdir()
        (folder / "inner/word.txt").write_text(word, encoding="utf-8")


def word_of(out: Path) -> str:
    """What a whole output says. Raises DataError when it is not whole."""
    check_manifest(out)
    return (out / "inner/word.txt").read_text(encoding="utf-8")


@contextmanager
def mounted(folder: Path, *words: str) -> Iterator[bool]:
    """A file system at a folder as long as this context is open; False where this user may mount none."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["mount", *words, str(folder)], capture_output=True, check=False).returncode == 0
    try:
        yield done
    finally:
        if done:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def small_disk(folder: Path) -> Any:
    """A disk of two megabytes at a folder."""
    return mounted(folder, "-t", "tmpfs", "-o", "size=2m", "tmpfs")


def in_child(action: Callable[[], object]) -> tuple[int, str]:
    """Run the action in a child process; give its exit code, that of its error, or minus its signal, and the error."""
    with tempfile.TemporaryFile("w+") as said:
        pid = os.fork()
        if pid == 0:
            code = 0
            try:
                action()
            except TemperError as error:
                said.write(str(error))
                code = error.exit_code
            except BaseException as error:
                said.write(repr(error))
                code = 99
            finally:
                said.flush()
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        said.seek(0)
        return os.waitstatus_to_exitcode(status), said.read()


def limit_files(size: int) -> None:
    """Let no file of this process grow beyond a size, which stands for a full disk where none can be mounted."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def fails_well_when_full(out: Path, write: Write) -> bool:
    """Whether an output that does not fit is one error with needs and has, and the one before is as it was."""
    try:
        with published(out) as folder:
            write(folder)
    except MachineError as error:
        said = "needs" in str(error) and "has" in str(error)
        return said and word_of(out) == "good" and sorted(path.name for path in out.parent.iterdir()) == [out.name]
    return False


def _kill_at(step: int, folder: Path) -> None:
    """Kill this process before its n-th step that opens, makes, names or removes something in a folder."""
    left = [step]

    def hook(event: str, given: tuple[Any, ...]) -> None:
        if event.startswith(("open", "os.", "shutil.")) and any(str(folder) in str(part) for part in given):
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def killed_at_each_step(folder: Path) -> Iterator[tuple[bool, str]]:
    """Replace an output, killed at one step after the other; whether the next start finds the old or the new, whole."""
    step, code = 0, -signal.SIGKILL
    while code == -signal.SIGKILL:
        step += 1
        out = folder / f"step{step}" / "out"
        write_good(out, "old")

        def replace(step: int = step, out: Path = out) -> None:
            _kill_at(step, out.parent)
            write_good(out, "new")

        code, _ = in_child(replace)
        mend(out)
        word = word_of(out)
        write_good(out, "next")
        yield word in ("old", "new") and [path.name for path in out.parent.iterdir()] == ["out"], word


def _refused_before(out: Path) -> tuple[int, str]:
    """The exit code where an output is refused before anything is made of it; 98 where that came too late."""

    def action() -> None:
        with published(out):
            os._exit(98)

    return in_child(action)


@contextmanager
def _immutable(folder: Path) -> Iterator[bool]:
    done = subprocess.run(["chattr", "+i", str(folder)], capture_output=True, check=False).returncode == 0
    try:
        yield done
    finally:
        if done:
            subprocess.run(["chattr", "-i", str(folder)], check=True)


def read_only(folder: Path) -> Iterator[tuple[str, int, str]]:
    """Each way in which an output cannot be written: the exit code, and what was said."""
    (folder / "file").write_text("x", encoding="utf-8")
    yield "a file above", *_refused_before(folder / "file" / "out")
    yield "a file there", *_refused_before(folder / "file")
    for name in ("closed", "bound", "fixed", "mounted"):
        write_good(folder / name / "out")
    folder.chmod(0o755)
    for closed in (folder / "closed", folder / "closed/out"):
        closed.chmod(0o555)
        yield "no right to write", *in_child(lambda: (os.setuid(NOBODY), published(folder / "closed/out").__enter__()))
        closed.chmod(0o777)
    for inside, flag in ((folder / "fixed", "out"), (folder / "fixed/out", "")):
        with _immutable(inside) as done:
            if done:
                yield "made immutable", *_refused_before(inside / flag)
    bound = folder / "bound"
    with mounted(bound, "--bind", str(bound)) as done:
        if done and subprocess.run(["mount", "-o", "remount,bind,ro", str(bound)], check=False).returncode == 0:
            yield "mounted read-only", *_refused_before(bound / "out")
    with mounted(folder / "mounted/out", "-t", "tmpfs", "tmpfs") as done:
        if done:
            yield "a mount in its place", *_refused_before(folder / "mounted/out")


def other_disk(folder: Path) -> Path | None:
    """A folder for temporary files on another file system than a folder's, if there is one."""
    places = [Path(place) for place in ("/dev/shm", "/run", "/tmp")]
    device = folder.stat().st_dev
    return next((place for place in places if place.is_dir() and place.stat().st_dev != device), None)


def _full(folder: Path) -> Iterator[bool]:
    with small_disk(folder / "small") as done:
        for write in WRITERS.values() if done else ():
            write_good(folder / "small/out")
            yield fails_well_when_full(folder / "small/out", write)
    for name, write in WRITERS.items():
        if name == "many files":
            continue
        out = folder / f"limited {name}" / "out"
        write_good(out)

        def action(out: Path = out, write: Write = write) -> None:
            limit_files(1_000_000)
            if not fails_well_when_full(out, write):
                raise AssertionError

        yield in_child(action)[0] == 0


def lines(folder: Path) -> Iterator[Line]:
    """The lines of these faults."""
    results = list(_full(folder))
    yield Line(35, f"{FAULTS[35][0]}, by each library that writes", len(results), sum(results), FAULTS[35][1])
    refusals = list(read_only(folder))
    held = sum(code == MachineError.exit_code for _, code, _ in refusals)
    yield Line(36, f"{FAULTS[36][0]}: rights, flags, mounts, a file there", len(refusals), held, FAULTS[36][1])
    steps = [is_good for is_good, _ in killed_at_each_step(folder / "steps")]
    yield Line(
        "damage", "SIGKILL at each step of a publication", len(steps), sum(steps), "R: the old one or the new, whole"
    )
    yield _two_disks(folder)


def _two_disks(folder: Path) -> Line:
    other, before = other_disk(folder), tempfile.tempdir
    tempfile.tempdir = None if other is None else str(other)
    try:
        write_good(folder / "apart/out")
    finally:
        tempfile.tempdir = before
    held = other is not None and word_of(folder / "apart/out") == "good"
    return Line(37, FAULTS[37][0], 1, int(held), FAULTS[37][1])
