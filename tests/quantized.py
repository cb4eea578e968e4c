"""A tiny model taken through evaluate, quantize and package once, for every test that needs such a one."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from flows.perform import perform
from stages.shared.base_model import find_base, write_pointer
from stages.shared.examples import Example, features, write_split
from stages.shared.outcome import Outcome
from stages.shared.params import Params
from tests.conftest import ROOT, SENTIMENT_COLUMNS, sample_texts, write_random_model

MakeParams = Callable[..., Params]

EASY = {  # a random model has hardly an opinion, so that int8 may well turn it
    "evaluate.bootstrap_samples": 100,
    "quantize.latency_texts": 10,
    "quantize.limits.min_agreement": 0.5,
    "quantize.limits.max_primary_drop": 0.5,
    "quantize.limits.max_class_drop": 0.9,
}


@dataclass(frozen=True)
class Chain:
    """The folders of a model from its data to its bundle, and what quantize and package said."""

    folder: Path
    params: Params
    quantized: Outcome
    packaged: Outcome

    def __getitem__(self, name: str) -> Path:
        return self.folder / name

    @property
    def inputs(self) -> tuple[Path, Path, Path, Path]:
        """What quantize reads."""
        return self["validated"], self["model"], self["evaluated"], self["distilled"]

    @property
    def bundle(self) -> Path:
        return self["packaged"] / "bundle"


def rows(texts: list[tuple[str, str]], split: str) -> list[Example]:
    return [
        {"id": f"{split}{i}", "source": f"a.csv:{i}", "parent": "", "made_by": "", "text": text, "label": label}
        for i, (text, label) in enumerate(texts)
    ]


def _write_inputs(folder: Path, base: Path, params: Params) -> None:
    (folder / "validated").mkdir()
    for split, start, stop in (("train", 0, 60), ("validation", 60, 80), ("test", 80, 120)):
        texts = sample_texts(stop)[start:]
        write_split(folder / "validated", split, rows(texts, split), features(SENTIMENT_COLUMNS))
    write_random_model(folder / "model" / "model", base, params, scale=50)  # logits far enough apart to compare
    write_pointer(folder / "model", find_base(params.pretrain))


@lru_cache
def made_chain(base: Path, make_params: MakeParams) -> Chain:
    """Make it, the first time; the folder goes with the process's temporary ones."""
    holder = tempfile.TemporaryDirectory(prefix="chain")
    _kept.append(holder)
    folder, params = Path(holder.name), make_params(EASY)
    _write_inputs(folder, base, params)
    inputs = [folder / name for name in ("validated", "model", "evaluated", "distilled")]
    validated, model, evaluated, distilled = inputs
    perform("evaluate", [validated, model, evaluated], params)
    perform("distill", [ROOT / "data/unlabelled", validated, validated, model, evaluated, distilled], params)
    quantized = perform("quantize", [*inputs, folder / "quantized"], params)
    packaged = perform("package", [*inputs, folder / "quantized", folder / "packaged"], params)
    return Chain(folder, params, quantized, packaged)


_kept: list[tempfile.TemporaryDirectory[str]] = []
