"""Load artefacts, with an eye on all that could be code of theirs: python -m tests.torture.loading JOBS.json

A job is {"loader", "folder", "canary"}; a line of JSON for each says what became of it, {"error", "message", "seen"}.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from serving.errors import ServingError
from stages.shared.errors import TemperError

ROOT = Path(__file__).parents[2]
RUNS = ("os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "pickle.find_class")
CALLS = ("socket.connect", "socket.getaddrinfo", "urllib.Request")


class Watch:
    """An audit hook that notes what code of an artefact would do; a hook cannot be taken off again."""

    def __init__(self) -> None:
        self.folder, self.canary, self.is_on = "", "", False
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, given: tuple[Any, ...]) -> None:
        if self.is_on and self._is_foreign(event, given):
            self.seen.append(f"{event} {str(given)[:150]}")

    def _is_foreign(self, event: str, given: tuple[Any, ...]) -> bool:
        if event in RUNS or event in CALLS:
            return True
        if event == "open":
            return str(given[0]) == self.canary
        if event == "exec":
            name = str(getattr(given[0], "co_filename", ""))
            return name.startswith(self.folder) or "transformers_modules" in name
        if event == "compile":
            return self.canary in str(given[0]) or str(given[1]).startswith(self.folder)
        return event == "import" and str(given[1] or "").startswith(self.folder)


def base(folder: Path) -> None:
    """A base model: found, checked, its tokenizer and each kind of model of it."""
    from transformers import AutoModel

    from stages.shared.base_model import find_base, require_length, tokenizer_of
    from stages.shared.bodies import load_base
    from stages.shared.model_files import config_of
    from stages.shared.params import Base

    found = find_base(Base(base=str(folder), revision=None, sha256=None))
    require_length(found, 10)
    config_of(found.folder)
    tokenizer_of(found.folder)("a text")
    load_base(AutoModel, found.folder, 0)


def trained(folder: Path) -> None:
    """A trained model, with what may lie beside its weights."""
    from stages.shared.models import load_model
    from stages.shared.params import load_params
    from stages.tasks import task_of

    params = load_params(ROOT / "params.yaml")
    load_model(task_of(params.task), folder, params.task, 0)


def pretrain(folder: Path) -> None:
    """The check before anything runs."""
    from stages.pretrain import check
    from stages.shared.params import load_params

    params = load_params(ROOT / "params.yaml")
    wanted = params.pretrain.model_copy(update={"base": str(folder), "sha256": None})
    check(params.model_copy(update={"pretrain": wanted}))


def pointer(folder: Path) -> None:
    """A pinned base."""
    from stages.shared.base_model import read_pointer

    read_pointer(folder)


def marian(folder: Path) -> None:
    """A Marian translator."""
    from stages.translators.marian import Model, Params, translate

    one = Model(model=str(folder), revision=None)
    sizes: dict[str, Any] = {"batch_size": 2, "num_beams": 1, "max_tokens": 16, "precision": "float32"}
    translate(["It rains."], "there", Params(name="marian", there=one, back=one, **sizes))


def bundle(folder: Path) -> None:
    """A bundle, asked something."""
    from serving.predict import Predictor

    Predictor(folder).predict("one")


def wordnet(folder: Path) -> None:
    """A WordNet, asked for a word."""
    from stages.thesauri.wordnet import Params, open_thesaurus

    open_thesaurus(Params(name="wordnet", folder=str(folder))).synonyms("big", "a", "box")


def params(folder: Path) -> None:
    """Parameters."""
    from stages.shared.params import load_params

    load_params(folder / "params.yaml")


def source(folder: Path) -> None:
    """The one file of a folder as a source, by its ending."""
    from tests.sources.reading import rows_of

    (file,) = folder.iterdir()
    kind = file.suffix.removeprefix(".")
    rows = rows_of(file, format=kind if kind in ("jsonl", "json", "parquet") else "csv", max_field_characters=10_000)
    if all(row.fault for row in rows):
        raise TemperError(f"{file}: every row is set aside")


def hub(folder: Path) -> None:
    """A folder in the hub's layout."""
    from stages.sources.hub import Params, read

    given = {"name": "hub", "path": str(folder), "dataset": str(folder), "config": None, "revision": None}
    given |= {"splits": {"train": "train"}, "tags": None, "columns": {"text": "text", "label": "label"}}
    rows = list(read(folder, Params.model_validate(given), ("text", "label")))
    if any("secret" in str(row.values) for row in rows):
        raise AssertionError("a file outside of the folder was read")


def state(folder: Path) -> None:
    """What `.temper` keeps: times, receipts, translations."""
    from flows.summary import stage_states
    from stages.shared.pipeline import read_stages
    from stages.shared.translation_cache import TranslationCache
    from stages.shared.workspace import read_timings, state_folder

    stages, before = read_stages(ROOT / "dvc.yaml"), Path.cwd()
    os.chdir(folder)
    try:
        read_timings("train", folder / "out")
        stage_states("session", stages)
        cache = TranslationCache(state_folder("translations"), "engine")
        cache.translated(["It rains."], "there", list)
        cache.close()
    finally:
        os.chdir(before)


def checkpoints(folder: Path) -> None:
    """Where a training that was broken off goes on."""
    from stages.shared.checkpoints import Checkpoints
    from stages.shared.fitting.packed import read_packed

    newest = Checkpoints(folder).newest()
    assert newest is not None
    read_packed(newest)


def plain_transformers(folder: Path) -> None:
    """What a script usually does with a model."""
    from transformers import AutoModel, AutoTokenizer

    AutoTokenizer.from_pretrained(str(folder))
    AutoModel.from_pretrained(str(folder))


def plain_pickle(folder: Path) -> None:
    """What loads a checkpoint in many a script: proof that the payload works, and is seen."""
    import pickle

    with (folder / "pytorch_model.bin").open("rb") as file:
        pickle.load(file)


OURS = (base, trained, pretrain, pointer, marian, bundle, wordnet, params, source, hub, state, checkpoints)
LOADERS: dict[str, Callable[[Path], None]] = {
    function.__name__: function for function in (*OURS, plain_transformers, plain_pickle)
}


def load(watch: Watch, job: dict[str, str]) -> dict[str, Any]:
    """Load one artefact; say how that ended and what was seen."""
    watch.folder, watch.canary, watch.seen = job["folder"], job["canary"], []
    error, message = "", ""
    watch.is_on = job.get("is_watched", "yes") == "yes"
    try:
        LOADERS[job["loader"]](Path(job["folder"]))
    except (TemperError, ServingError) as refusal:
        error, message = f"exit {refusal.exit_code}", str(refusal)
    except BaseException as fault:
        error, message = "traceback", f"{type(fault).__name__}: {fault}"
    watch.is_on = False
    return {"error": error, "message": message, "seen": watch.seen}


def main() -> None:
    """The command line."""
    watch = Watch()
    for job in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        print(json.dumps(load(watch, job)), flush=True)


if __name__ == "__main__":
    main()
