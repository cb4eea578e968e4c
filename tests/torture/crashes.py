"""Kills at any moment of a training, and at each write of a checkpoint; transformers' Trainer in the same harness."""

from __future__ import annotations

import itertools
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.faults.training import Job, Way, ended, job_of, launched, prepare, run_to_end, start, ways
from tests.torture import trainer_peer
from tests.torture.faults import FAULTS
from tests.torture.scoreboard import Line

KILLS = 50
PLACES = range(14)  # things done to files while a checkpoint is written
PEER_KILLS = 5
PLAIN = "accumulation and early stopping"


def _killed_at_any_moment(prepared: Path, folder: Path) -> Iterator[bool]:
    """Of each kill whether the result is that of a training that nothing disturbed."""
    chance, whole = random.Random(0), dict[str, tuple[str, float]]()
    for number, (name, way) in zip(range(KILLS), itertools.cycle(ways().items()), strict=False):
        if name not in whole:
            job = job_of(prepared, folder / name, way)
            seconds = run_to_end(job)
            whole[name] = job.result(), seconds
        result, seconds = whole[name]
        job = job_of(prepared, folder / str(number), way)
        _kill_once(job, chance, seconds)
        run_to_end(job)
        yield job.result() == result


def _kill_once(job: Job, chance: random.Random, seconds: float) -> None:
    """SIGKILL at a random moment before its end; once more, with less time, where it came to its end before that."""
    code = 0
    while code == 0:
        shutil.rmtree(job.out, ignore_errors=True)
        process = start(job)
        process.join(chance.uniform(0.1, seconds))
        process.kill()
        code = ended(process)
        seconds *= 0.8


def _killed_in_writes(prepared: Path, folder: Path, way: Way) -> Iterator[bool]:
    whole = job_of(prepared, folder / "whole", way)
    run_to_end(whole)
    for place in PLACES:
        job = job_of(prepared, folder / str(place), way)
        was_killed = ended(start(job, at_write=(3, place))) < 0
        run_to_end(job)
        yield was_killed and "goes on from" in job.said() and job.result() == whole.result()


def _peer(base: Path, folder: Path) -> dict[str, str]:
    """What Trainer did: after kills between checkpoints, and with half a file in its newest checkpoint."""

    def run(out: Path, *given: Any) -> None:
        ended(launched(trainer_peer.train, base, out, *given))

    run(folder / "whole", None, False)
    whole, same, came = trainer_peer.hash_of(folder / "whole"), 0, 0
    for number in range(PEER_KILLS):
        out = folder / f"killed{number}"
        run(out, trainer_peer.SAVE_STEPS + 1 + number, False)
        run(out, None, True)
        came += trainer_peer.hash_of(out) is not None
        same += trainer_peer.hash_of(out) == whole
    halves = ("model.safetensors", "optimizer.pt", "trainer_state.json")
    recovered = 0
    for name in halves:
        out = folder / name
        run(out, 2 * trainer_peer.SAVE_STEPS + 1, False)
        trainer_peer.cut_newest(out, name)
        run(out, None, True)
        recovered += trainer_peer.hash_of(out) is not None
    return {
        "kills": f"{same} of {PEER_KILLS} the same to the bit, {came} came to an end",
        "halves": f"{recovered} of {len(halves)} recovered from a half checkpoint",
    }


def run(folder: Path) -> Iterator[Line]:
    """The lines of faults 26 and 27, in numbers."""
    prepared = prepare(folder / "prepared")
    peer = _peer(prepared / "base", folder / "peer")
    held = list(_killed_at_any_moment(prepared, folder / "any"))
    what = f"{FAULTS[26][0]}, {len(ways())} ways to train"
    yield Line(26, what, len(held), sum(held), FAULTS[26][1], {"Trainer": peer["kills"]})
    held = list(_killed_in_writes(prepared, folder / "writes", ways()[PLAIN]))
    yield Line(27, f"{FAULTS[27][0]}, each one", len(held), sum(held), FAULTS[27][1], {"Trainer": peer["halves"]})
