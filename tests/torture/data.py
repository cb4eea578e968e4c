"""Hostile data: the corpus several times over, fields of 200 MB, made-up files by the thousand; and pandas."""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from stages.validate.near_duplicates import find_near_duplicates
from tests.conftest import ROOT, sample_texts
from tests.faults.augmented import complaint_of_augmentation
from tests.faults.cases import FORMS, Case, Fault, complaint, over_the_limit, params_of
from tests.faults.corpus import EACH
from tests.faults.row_faults import edited
from tests.faults.text_files import long_field_on_disk
from tests.tiny import write_tiny_base
from tests.torture import pandas_peer
from tests.torture.faults import FAULTS
from tests.torture.scoreboard import Line

TIMES = {"ingest": 5, "validate": 2}  # that a fault is injected, by the stage that must notice it
AUGMENTED = 3
LONG = 200_000_000  # characters
MEMORY = 512 << 20  # bytes that may come on top of what a process has when it begins
FILES, SEEDS = 1_000, 10  # in each process: what hypothesis remembers of a case, 60 kB, counts too


class _Folders:
    """An empty folder each time."""

    def __init__(self, root: Path) -> None:
        self._root, self._count = root, 0

    def __call__(self) -> Path:
        self._count += 1
        folder = self._root / str(self._count)
        folder.mkdir(parents=True)
        return folder


def _tell(fault: str, what: str | None) -> bool:
    """Whether all was as it must be; what was not is printed."""
    if what is not None:
        print(f"data: {fault}: {what}", file=sys.stderr, flush=True)
    return what is None


def _held(case: Case, form: str, folders: _Folders, base: Path) -> bool:
    """Whether a case ended as it must, and where its rows may not be set aside, too."""
    both = [case, over_the_limit(case)]
    found = [one and complaint(one, folders(), params_of(one, base, form)) for one in both]
    return _tell(f"{case.path.name} {case.must}", next((what for what in found if what), None))


def _corpus_lines(folders: _Folders, base: Path) -> Iterator[Line]:
    by_number: dict[int, list[tuple[Fault, str]]] = {}
    for fault, form in EACH:
        by_number.setdefault(fault.number, []).append((fault, form))
    for number, each in by_number.items():
        held, peer = [], Counter[pandas_peer.Did]()
        for fault, form in each:
            stage = fault.make(folders(), form, random.Random(0)).must.stage
            for time in range(TIMES[stage]):
                case = fault.make(folders(), form, random.Random(time))
                held.append(_held(case, form, folders, base))
                if form == "csv" and stage == "ingest" and not case.options:
                    peer[pandas_peer.did(case)] += 1
        name, outcome = FAULTS[number]
        if number == 7:
            name = "one field of 8 MB"
        yield Line(number, f"{name}: {len(each)} kinds", len(held), sum(held), outcome, pandas_peer.told(peer))


def _peak_kilobytes() -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM")))


def _bounded_complaint(sender: Connection, case: Case, folder: Path, base: Path, form: str) -> None:
    """In a process of its own, whose memory is bounded: what went wrong, and by how much memory it grew."""
    params = params_of(case, base, form)
    has = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (has + MEMORY, has + MEMORY))
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak from now on
    before = _peak_kilobytes()
    what = complaint(case, folder, params)
    sender.send((what, (_peak_kilobytes() - before) >> 10))


def _long_fields(folders: _Folders, base: Path) -> Line:
    held, grown = [], []
    for form in FORMS:
        receiver, sender = get_context("spawn").Pipe(duplex=False)
        case = long_field_on_disk(folders(), form, LONG)
        process = get_context("spawn").Process(target=_bounded_complaint, args=(sender, case, folders(), base, form))
        process.start()
        sender.close()
        try:
            what, megabytes = receiver.recv()
        except EOFError:
            what, megabytes = "the process died", -1
        process.join()
        case.path.unlink()
        held.append(_tell(f"a field of {LONG:,} characters, {form}", what))
        grown.append(f"{form} {megabytes}")
    name = f"{FAULTS[7][0]}, the memory that it takes in MB: {', '.join(grown)}"
    return Line(7, name, len(held), sum(held), FAULTS[7][1])


def _near_duplicates() -> Line:
    """How many of the sample's texts are found again after one and two edits, among all of them."""
    draw = random.Random(0)
    texts = [text for text in dict(sample_texts(1_000)) if len(text) >= 30]
    found = 0
    for edits in (1, 2):
        matches = find_near_duplicates([edited(text, draw, edits) for text in texts], texts, 0.9)
        found += int((matches.left >= 0).sum())
    name = f"one of {len(texts)} texts again after 1 or 2 edits: recall {found / len(texts) / 2:.4f}"
    return Line(17, name, 2 * len(texts), found, FAULTS[17][1])


def _made_up_files() -> Iterator[Counter[str]]:
    for seed in range(SEEDS):
        command = [sys.executable, "-m", "tests.faults.bounded", str(FILES), str(seed)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if _tell(f"made-up files, seed {seed}", done.stderr[-3_000:] if done.returncode else None):
            yield Counter(json.loads(done.stdout))
        else:
            yield Counter()


def run(folder: Path) -> Iterator[Line]:
    """The lines of faults 1 to 25, and of made-up files."""
    base, folders = folder / "base", _Folders(folder / "each")
    write_tiny_base(base, [text for text, _ in sample_texts(400)])
    for line in _corpus_lines(folders, base):
        yield line
        if line.number == 17:
            yield _near_duplicates()
    yield _long_fields(folders, base)
    held = [
        _tell(FAULTS[18][0], complaint_of_augmentation(folders(), base, random.Random(number)))
        for number in range(AUGMENTED)
    ]
    yield Line(18, FAULTS[18][0], len(held), sum(held), FAULTS[18][1])
    fates = list(_made_up_files())
    files = FILES * SEEDS
    whole = sum(fates, Counter[str]())
    what = f"made-up files in bounded memory: {whole['read']} read, {whole['some rows set aside']} with rows set aside"
    yield Line("1-25", what, files, min(files, whole["files"]), "E, or every row accounted for")
