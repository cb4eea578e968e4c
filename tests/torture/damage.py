"""Damage of what was written: bytes changed at random in bundles, outputs and checkpoints, and in DVC's cache."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from serving.bundle import load_bundle
from serving.errors import BundleDamaged, BundleMissing
from stages.shared.checkpoints import Checkpoints
from stages.shared.errors import DataError
from stages.shared.fitting.packed import write_packed
from stages.shared.publish import check_manifest, published, write_json
from tests.serving.handmade import write_bundle
from tests.torture import disk
from tests.torture.faults import FAULTS
from tests.torture.scoreboard import Line

ROOT = Path(__file__).parents[2]
CHANGES = 1_000
Check = Callable[[Path], object]


@dataclass(frozen=True)
class Written:
    """Something that was written, and how it is checked when it is read."""

    folder: Path
    check: Check
    refused: tuple[type[Exception], ...]

    def is_refused(self, folder: Path | None = None) -> bool:
        """Whether it is found to be damaged, in one error that names the place; a traceback counts as nothing."""
        try:
            self.check(folder or self.folder)
        except self.refused as error:
            return str(folder or self.folder) in str(error)
        return False


def bundle(folder: Path) -> Written:
    """A bundle with an array, a list and a model in it."""
    table = {"one": [3.0, 0.0], "two": [0.0, 3.0]}
    answering = {"answers": "search", "inputs": ["question"], "top": 2}
    extras = {"index": np.eye(2, dtype=np.float32), "candidates": ["east", "north"]}
    return Written(
        write_bundle(folder / "bundle", table, answering, extras), load_bundle, (BundleDamaged, BundleMissing)
    )


def output(folder: Path) -> Written:
    """A stage's output: rows, figures, a report in a folder of its own."""
    with published(folder / "output") as out:
        rows = {"text": [f"text number {number}" for number in range(50)], "label": ["a", "b"] * 25}
        pq.write_table(pa.table(rows), out / "train.parquet")
        write_json(out / "metrics.json", {"rows": 50})
        (out / "pages").mkdir()
        (out / "pages/report.md").write_text("# Report\n", encoding="utf-8")
    return Written(folder / "output", check_manifest, (DataError,))


def checkpoint(folder: Path) -> Written:
    """A checkpoint: weights, what the optimiser keeps, and where the training is."""
    write_checkpoint(folder / "checkpoints")
    return Written(folder / "checkpoints/000001", check_manifest, (DataError,))


def write_checkpoint(folder: Path) -> None:
    """Write a checkpoint as a training does."""
    torch.manual_seed(1)
    optimizer = {"step": 3, "average": torch.rand(256), "state": (1, b"x", None)}
    parts = {"model": {"weight": torch.rand(16, 16)}, "optimizer": optimizer, "loop": {"step": 3, "epoch": 1}}
    Checkpoints(folder).write(lambda staging: write_packed(staging, parts))


KINDS: dict[str, Callable[[Path], Written]] = {"a bundle": bundle, "an output": output, "a checkpoint": checkpoint}


def changed(content: bytes, random: Random) -> bytes:
    """The content with a bit flipped, a byte put in, some bytes taken out, or cut short; never the same."""
    place = random.randrange(len(content))
    match random.choice(["flip", "insert", "delete", "cut"]):
        case "flip":
            return content[:place] + bytes([content[place] ^ 1 << random.randrange(8)]) + content[place + 1 :]
        case "insert":
            return content[:place] + random.randbytes(1) + content[place:]
        case "delete":
            return content[:place] + content[place + random.randint(1, 8) :]
        case _:
            return content[:place]


def bytes_changed(written: Written, times: int, seed: int) -> tuple[int, int]:
    """How many of so many random changes of one file were found, and of as many unchanged copies let pass.

    Every second change is of the manifest itself, which is small among the others.
    """
    random, found, passed = Random(seed), 0, 0
    files = sorted(path for path in written.folder.rglob("*") if path.is_file())
    for number in range(times):
        file = written.folder / "MANIFEST.json" if number % 2 else random.choice(files)
        content = file.read_bytes()
        file.write_bytes(changed(content, random))
        found += written.is_refused()
        file.write_bytes(content)
        passed += _passes(written)
    return found, passed


def _passes(written: Written) -> bool:
    written.check(written.folder)
    return True


def _swap(folder: Path, files: list[Path], random: Random) -> None:
    first, second = random.sample([path for path in files if path.stat().st_size], 2)
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)


def _links(folder: Path, files: list[Path], random: Random) -> None:
    file = random.choice(files)
    file.rename(folder.parent / "elsewhere")
    file.symlink_to(folder.parent / "elsewhere")


STRUCTURE: dict[str, Callable[[Path, list[Path], Random], Any]] = {
    "missing": lambda folder, files, random: random.choice(files).unlink(),
    "renamed": lambda folder, files, random: random.choice(files).rename(folder / "renamed.json"),
    "swapped": _swap,
    "a link": _links,
    "extra file": lambda folder, files, random: (folder / f"extra{random.random()}.json").write_text("{}"),
    "hidden file": lambda folder, files, random: (folder / ".hidden").write_bytes(b""),
    "empty folder": lambda folder, files, random: (folder / "empty").mkdir(),
    "link to a folder": lambda folder, files, random: (folder / "more").symlink_to(folder.parent),
    "a pipe": lambda folder, files, random: os.mkfifo(folder / "pipe"),
}


def structure_changed(written: Written, times: int, seed: int) -> tuple[int, int]:
    """How many of so many changes of what files there are were found, and how many unchanged copies let pass."""
    random, found, passed = Random(seed), 0, 0
    scratch = written.folder.parent / "scratch"
    for number in range(times):
        copy = Path(shutil.copytree(written.folder, scratch / written.folder.name))
        passed += _passes(Written(copy, written.check, written.refused))
        files = sorted(path for path in copy.rglob("*") if path.is_file())
        change = list(STRUCTURE.values())[number % len(STRUCTURE)]
        change(copy, files, random)
        found += written.is_refused(copy)
        shutil.rmtree(scratch)
    return found, passed


MAKE = """
from pathlib import Path
from stages.shared.publish import published
with published(Path("out")) as folder:
    (folder / "rows.txt").write_text("row\\n" * 1000)
"""
USE = """
import sys
from pathlib import Path
from flows.perform import check_inputs
from stages.shared.errors import TemperError
try:
    check_inputs([Path("out")])
    Path("used").write_text(Path("out/rows.txt").read_text())
except TemperError as error:
    sys.exit(print(error, file=sys.stderr) or error.exit_code)
"""
PIPELINE = """
stages:
  make:
    cmd: {python} make.py
    deps: [make.py]
    outs: [out]
  use:
    cmd: {python} use.py
    deps: [out, use.py]
    outs: [used]
"""


def environment() -> dict[str, str]:
    """One in which our code and this Python's `dvc` are found."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, "PYTHONPATH": str(ROOT), "DVC_NO_ANALYTICS": "1", "PATH": path}


class DvcProject:
    """A DVC project of two stages: one publishes an output, the other reads it as our stages do, or plainly."""

    def __init__(self, folder: Path, checks: bool) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        plain = 'from pathlib import Path\nPath("used").write_text(Path("out/rows.txt").read_text())\n'
        (folder / "make.py").write_text(MAKE, encoding="utf-8")
        (folder / "use.py").write_text(USE if checks else plain, encoding="utf-8")
        (folder / "dvc.yaml").write_text(PIPELINE.format(python=sys.executable), encoding="utf-8")
        self.dvc("init", "--no-scm", "--quiet")
        assert self.dvc("repro").returncode == 0

    def dvc(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a DVC command there."""
        command = [sys.executable, "-m", "dvc", *words]
        return subprocess.run(command, cwd=self.folder, env=environment(), capture_output=True, text=True, check=False)

    def damage_cache(self) -> None:
        """Flip a bit of the cached rows, mode kept, and have DVC bring them back into the workspace."""
        objects = [path for path in (self.folder / ".dvc/cache/files/md5").rglob("*") if path.is_file()]
        rows = max((path for path in objects if path.suffix != ".dir"), key=lambda path: path.stat().st_size)
        mode = rows.stat().st_mode
        content = bytearray(rows.read_bytes())
        content[len(content) // 2] ^= 1
        rows.chmod(0o644)
        rows.write_bytes(content)
        rows.chmod(mode)
        shutil.rmtree(self.folder / "out")
        (self.folder / "used").unlink()

    def has_used_damage(self) -> bool:
        """Whether the second stage has made something of the damaged rows."""
        used = self.folder / "used"
        return used.is_file() and used.read_text(encoding="utf-8") != "row\n" * 1000

    def rows_are_good(self) -> bool:
        """Whether the first stage's rows are what it wrote."""
        rows = self.folder / "out/rows.txt"
        return rows.is_file() and rows.read_text(encoding="utf-8") == "row\n" * 1000


def is_found_and_mended(ours: DvcProject) -> bool:
    """Whether damage in the cache is one error where it is read, and gone for good after what the error advises."""
    ours.damage_cache()
    ours.dvc("checkout")
    (ours.folder / "use.py").write_text(USE + "\n", encoding="utf-8")  # it has to run again
    done = ours.dvc("repro")
    said = done.stdout + done.stderr
    if done.returncode == 0 or "out is damaged:\n  rows.txt: its bytes" not in said or ours.has_used_damage():
        return False
    (advice,) = re.findall("`(chmod .*)`", said)
    subprocess.run(
        advice, shell=True, cwd=ours.folder, env=environment(), capture_output=True, check=True, executable="/bin/bash"
    )
    shutil.rmtree(ours.folder / "out")
    return ours.dvc("checkout").returncode == 0 and ours.rows_are_good() and not ours.has_used_damage()


def cached_damage(folder: Path) -> Line:
    """The line of a flipped bit in DVC's cache: our reading, and what plain DVC does."""
    found = is_found_and_mended(DvcProject(folder / "ours", checks=True))
    peers = {"plain DVC": plain_dvc(DvcProject(folder / "plain", checks=False))}
    return Line(34, FAULTS[34][0], 1, int(found), f"{FAULTS[34][1]}; its advice mends it", peers)


def plain_dvc(plain: DvcProject) -> str:
    """What DVC says and does of a damaged object by itself."""
    plain.damage_cache()
    said = []
    for words in (("checkout",), ("status",), ("repro",)):
        done = plain.dvc(*words)
        said.append(f"`{words[0]}` exit {done.returncode}")
    (plain.folder / "use.py").write_text("x = 1\n" + (plain.folder / "use.py").read_text(encoding="utf-8"))
    plain.dvc("repro")
    return f"{', '.join(said)}; the damaged rows were {'used' if plain.has_used_damage() else 'not used'}"


def run(folder: Path) -> Iterator[Line]:
    """Every line of this part."""
    for number, (name, make) in enumerate(KINDS.items()):
        place = folder / str(number)
        place.mkdir()
        written = make(place)
        found, passed = bytes_changed(written, CHANGES, number)
        more, also = structure_changed(written, CHANGES // 10, number)
        times = CHANGES + CHANGES // 10
        yield Line("damage", f"random changes of {name}", times, found + more, "found when read, named")
        yield Line("damage", f"unchanged copies of {name}", times, passed + also, "no false alarm")
    yield cached_damage(folder / "dvc")
    disks = folder / "disks"
    disks.mkdir()
    for place in (folder, disks):
        place.chmod(0o755)
    yield from disk.lines(disks)
