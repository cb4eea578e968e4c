"""Put model, tokenizer, settings and model card into a bundle that runs without torch, and check that it answers.

in    validated/*.parquet             for the card: rows of each split, hash of the test split
      model/model/                    tokenizer.json, answering.json as in training
      evaluated/metrics.json          figures of the float model and of the baseline
      distilled/                      the student, in the place of the model, if distill made one, and its figures
      quantized/model.onnx or model/, extras/, predictions.parquet, metrics.json
out   bundle/                         the model, tokenizer.json (not of pictures), settings.json, README.md,
                                      MANIFEST.json, extras
      registration.json               what the model registry needs to know of it
"""

import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from serving.bundle import FORMAT, SETTINGS, TOKENIZER
from serving.predict import Predictor
from serving.written import MANIFEST, sha256_of
from stages.package.card import Facts, data_facts, model_card
from stages.shared.answering import EXTRAS, read_settings
from stages.shared.base_model import POINTER
from stages.shared.disk import require_room, size_of
from stages.shared.errors import Refused
from stages.shared.examples import Example, read_split
from stages.shared.final import final_model
from stages.shared.outcome import Metrics, Outcome
from stages.shared.params import Params
from stages.shared.publish import write_json, write_manifest
from stages.tasks import Task, asked_of, task_of

__all__ = ["package"]

CARD = "README.md"
CHECKED = 200  # test examples that the bundle must answer exactly as the evaluated model did
DECODING = "first frame, turned as EXIF says, in RGB, transparency on white, fitted, normalised (serving/pictures.py)"
CLEANING = "Unicode NFC; control, bidi and zero-width characters dropped; white space as one space; ends trimmed"


def model_of(quantized: Path) -> Path:
    """The quantised model: a file or a folder."""
    (model,) = quantized.glob("model*")
    return model


def settings_of(folder: Path, model: str, extras: Sequence[Path], params: Params) -> dict[str, Any]:
    """What the server must know of the model, and how it treats what it is given before the model sees it."""
    settings = read_settings(folder)
    cleaning = {"decoding": DECODING} if "pictures" in settings else {"cleaning": CLEANING}
    return {
        **settings,
        "format": FORMAT,
        "model": model,
        "name": params.package.name,
        "extras": [path.name for path in extras],
        "preprocessing": {**cleaning, "batching": "each row of tokens, or picture, by itself, unpadded"},
    }


def read_metrics(folder: Path) -> Metrics:
    """The figures that a stage left in metrics.json."""
    metrics: Metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return metrics


def base_facts(model: Path) -> dict[str, str | None]:
    """Which base model it was, as training pinned it."""
    pinned: dict[str, str | None] = json.loads((model / POINTER).read_text(encoding="utf-8"))
    return pinned


def check_answers(bundle: Path, examples: Sequence[Example], evaluated: Path, task: Task) -> None:
    """Load the bundle as a server does, and compare its answers with those that were evaluated, bit by bit.

    Raises:
        Refused: one differs; the ids of all that do are named.
    """
    predictor = Predictor(bundle)
    task = task.read_by(predictor.reader)
    rows = pq.read_table(evaluated).slice(0, len(examples)).to_pylist()
    wrong = []
    for example, row in zip(examples, rows, strict=True):
        outputs, word = predictor.inspect(*asked_of(task, example))
        same = all(
            np.array_equal(np.ravel(found), np.float32(wanted))
            for found, wanted in zip(outputs, row["outputs"], strict=False)  # after those of what is asked come others
        )
        if word != row["predicted"] or not same:
            wrong.append(row["id"])
    if wrong:
        raise Refused(
            f"{bundle.name}: answers {len(wrong)} of {len(rows)} test examples otherwise than the evaluated model: "
            f"rows {', '.join(wrong[:10])}. Run `dvc repro --force quantize package` on this machine."
        )


def write_bundle(facts: Facts, tokenizer: Path, quantized: Path, extras: Sequence[Path], bundle: Path) -> None:
    """Write every file of the bundle, its manifest last."""
    model = model_of(quantized)
    require_room(bundle, size_of(model) + sum(path.stat().st_size for path in extras))
    bundle.mkdir()
    if model.is_dir():
        shutil.copytree(model, bundle / model.name)
    else:
        shutil.copyfile(model, bundle / model.name)
    if tokenizer.is_file():  # a model of pictures has none
        shutil.copyfile(tokenizer, bundle / TOKENIZER)
    for path in extras:
        shutil.copyfile(path, bundle / path.name)
    write_json(bundle / SETTINGS, facts.settings)
    (bundle / CARD).write_text(model_card(facts), encoding="utf-8")
    write_manifest(bundle)


def package(
    validated: Path, model: Path, evaluated: Path, distilled: Path, quantized: Path, out: Path, params: Params
) -> Outcome:
    """Make the bundle, and say what the registry must know.

    Raises:
        Refused: the bundle does not answer as the evaluated model did.
    """
    started = time.perf_counter()
    task = task_of(params.task)
    small, bundle = read_metrics(quantized), out / "bundle"
    trained, student = read_metrics(evaluated), read_metrics(distilled)
    folder, has_student = final_model(model, distilled), f"test.{task.primary}" in student
    extras = sorted((quantized / EXTRAS).glob("*"))
    facts = Facts(
        params=params,
        settings=settings_of(folder, model_of(quantized).name, extras, params),
        base=base_facts(model),
        primary=task.primary,
        large=trained | student if has_student else trained,
        trained=trained if has_student else None,
        small=small,
        data=data_facts(validated, task),
    )
    write_bundle(facts, folder / TOKENIZER, quantized, extras, bundle)
    examples = list(read_split(validated, "test").select(range(min(CHECKED, facts.data.rows["test"]))))
    check_answers(bundle, examples, quantized / "predictions.parquet", task)
    digest = sha256_of(bundle / MANIFEST)
    registration = {
        "name": params.package.name,
        "primary": task.primary,
        "value": small[f"test.{task.primary}"],
        "test_sha256": facts.data.test_sha256,
        "bundle_sha256": digest,
    }
    write_json(out / "registration.json", registration)
    size = sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file())
    return Outcome(
        summary=f"{params.package.name}: {size / 1e6:.1f} MB, answers {len(examples)} test rows as it was evaluated",
        metrics={"bytes": size, "checked_examples": len(examples)},
        timings={"seconds": time.perf_counter() - started},
        tags={"registered_name": params.package.name, "bundle_sha256": digest},
    )
