"""Artefacts that would run code, or read what they must not, given to every loader that there is.

Each is loaded in a process whose audit hook notes every step of code of theirs. It must give one error, or do no harm.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.torture import bundle_artefacts, model_artefacts, payloads
from tests.torture.damage import write_checkpoint
from tests.torture.model_artefacts import ERROR, IGNORED, Change
from tests.torture.scoreboard import Line

ROOT = Path(__file__).parents[2]
Cases = Mapping[str, tuple[Change, str]]


def good_base(folder: Path) -> None:
    """A small BERT."""
    from tests.conftest import sample_texts
    from tests.tiny import write_tiny_base

    write_tiny_base(folder, [text for text, _ in sample_texts(50)])


def good_marian(folder: Path) -> None:
    """A small Marian model."""
    from tests.translators.small_marian import write_marian

    folder.mkdir()
    write_marian(folder)


def good_bundle(folder: Path) -> None:
    """A small bundle that searches."""
    from tests.serving.handmade import write_bundle

    extras = {"index": np.eye(2, dtype=np.float32), "candidates": ["east", "north"]}
    write_bundle(folder, {"one": [3.0, 0.0]}, {"answers": "search", "inputs": ["question"], "top": 2}, extras)


def good_wordnet(folder: Path) -> None:
    """A WordNet of one meaning."""
    from stages.thesauri._wordnet_database import FILES

    folder.mkdir()
    for name in FILES:
        (folder / name).write_text("", encoding="ascii")
    (folder / "index.adj").write_text("big a 1 0 1 1 00000000\nlarge a 1 0 1 1 00000000\n", encoding="ascii")
    (folder / "data.adj").write_text("00000000 00 a 02 big 0 large 0 000 | great\n", encoding="ascii")
    (folder / "cntlist.rev").write_text("big%3:00:00:: 1 9\nlarge%3:00:00:: 1 9\n", encoding="ascii")


def good_params(folder: Path) -> None:
    """The bundled parameters."""
    folder.mkdir()
    shutil.copy(ROOT / "params.yaml", folder)


def good_hub(folder: Path) -> None:
    """A data set in the hub's layout."""
    folder.mkdir()
    (folder / "train.csv").write_text("text,label\nGood.,pos\n", encoding="utf-8")


KINDS: dict[str, tuple[str, Callable[[Path], object], Cases]] = {
    "base models": ("base", good_base, model_artefacts.BASE),
    "trained models": ("trained", good_base, model_artefacts.TRAINED),
    "base models, before anything runs": ("pretrain", good_base, model_artefacts.PRETRAIN),
    "Marian models": ("marian", good_marian, model_artefacts.MARIAN),
    "bundles": ("bundle", good_bundle, bundle_artefacts.BUNDLE),
    "WordNets": ("wordnet", good_wordnet, bundle_artefacts.WORDNET),
    "params.yaml": ("params", good_params, bundle_artefacts.PARAMS),
    "files of rows": ("source", Path.mkdir, bundle_artefacts.SOURCE),
    "data sets in the hub's layout": ("hub", good_hub, bundle_artefacts.HUB),
    "checkpoints": ("checkpoints", write_checkpoint, bundle_artefacts.CHECKPOINT),
    "states in .temper": ("state", Path.mkdir, bundle_artefacts.STATE),
}
REPLY = '{"error":'
WITHOUT_GOOD = ("source",)  # whose good folder is empty


@dataclass(frozen=True)
class Verdict:
    """What became of an artefact.

    Attributes:
        name: of the artefact.
        expected: "E" or "ignored".
        error: "" when it was loaded, "exit N" for an error with a message, else "traceback".
        message: of the error.
        seen: what code of it was seen to do.
        has_run: whether the canary was written.
    """

    name: str
    expected: str
    error: str
    message: str
    seen: tuple[str, ...]
    has_run: bool

    @property
    def is_harmless(self) -> bool:
        """Whether no code of it ran, nor was looked for elsewhere."""
        return not self.has_run and not self.seen

    @property
    def is_held(self) -> bool:
        """Whether that happened which must: one error, or as if it were not there."""
        ended = self.error == "" if self.expected == IGNORED else self.error.startswith("exit ")
        return self.is_harmless and ended


def load_all(folder: Path, jobs: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Load artefacts one after the other in a process of their own."""
    file = folder / "jobs.json"
    file.write_text(json.dumps(jobs), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.torture.loading", str(file)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    lines = [line for line in done.stdout.splitlines() if REPLY in line]
    said = [json.loads(line[line.index(REPLY) :]) for line in lines]  # after what a library may have asked
    assert len(said) == len(jobs), f"the process ended early: {done.stderr[-3000:]}"
    return said


def verdicts(folder: Path, kind: str, cases: Cases | None = None, loader: str | None = None) -> list[Verdict]:
    """What becomes of the artefacts of a kind, all or some of them, given to its loader or another."""
    own, make, all_cases = KINDS[kind]
    chosen, canary = cases or all_cases, folder / "canary"
    make(folder / "good")
    jobs = []
    for number, (change, _) in enumerate(chosen.values()):
        place = folder / f"case{number}" / "artefact"
        shutil.copytree(folder / "good", place)
        change(place, canary)
        jobs.append({"loader": loader or own, "folder": str(place), "canary": str(canary)})
    warm = [] if own in WITHOUT_GOOD else [jobs[0] | {"folder": str(folder / "good"), "is_watched": "no"}]
    said = load_all(folder, [*warm, *jobs])
    for one in said[: len(warm)]:
        assert not one["error"], f"what is good is not loaded: {one}"
    found = []
    for name, one in zip(chosen, said[len(warm) :], strict=True):
        has_run = canary.exists()  # of one of them; what was seen says of which
        found.append(Verdict(name, chosen[name][1], one["error"], one["message"], tuple(one["seen"]), has_run))
    return found


def payload_runs(folder: Path) -> bool:
    """Whether a payload runs, and is seen, where somebody unpickles it: else nothing here would prove anything."""
    place = folder / "artefact"
    place.mkdir(parents=True)
    (place / "pytorch_model.bin").write_bytes(payloads.pickled(folder / "canary"))
    job = {"loader": "plain_pickle", "folder": str(place), "canary": str(folder / "canary")}
    (said,) = load_all(folder, [job])
    return (folder / "canary").exists() and bool(said["seen"])


def _peer(folder: Path) -> str:
    found = verdicts(folder, "base models", loader="plain_transformers")
    harm = sum(not verdict.is_harmless for verdict in found)
    broken = sum(verdict.error == "traceback" for verdict in found)
    return f"{harm} of {len(found)} ran code or asked a hub for it, {broken} gave a traceback"


def run(folder: Path) -> Iterator[Line]:
    """Every line of this part."""
    ran = payload_runs(folder / "naive")
    yield Line("artefacts", "the payload, unpickled: it runs and is seen", 1, int(ran), "the proof can fail")
    for number, kind in enumerate(KINDS):
        place = folder / str(number)
        place.mkdir()
        found = verdicts(place, kind)
        for verdict in found:
            if not verdict.is_held:
                print(f"{kind}: {verdict}", file=sys.stderr)
        errors = sum(verdict.expected == ERROR for verdict in found)
        outcome = f"no code runs: {errors} are one error each, {len(found) - errors} are ignored"
        peers = {}
        if kind == "base models":
            (folder / "peer").mkdir()
            peers["AutoModel.from_pretrained"] = _peer(folder / "peer")
        yield Line("artefacts", f"malicious {kind}", len(found), sum(v.is_held for v in found), outcome, peers)
