"""Labels for pictures: where they come from, what the model is fed with, what it answers, what does not fit."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from transformers import PreTrainedModel

from flows.perform import perform
from serving.predict import Predictor, main
from stages.ingest import ingest
from stages.shared.base_model import find_base
from stages.shared.errors import DataError, ParamsError
from stages.shared.examples import read_split
from stages.shared.params import Params
from stages.tasks import content_of, task_of
from stages.tasks.images import Params as ImageParams
from tests import recipes
from tests.conftest import ROOT
from tests.drawn import LABELS, drawn, encoded, example
from tests.tiny import tiny_convnext, tiny_vit

READING = {
    "height": 32,
    "width": 32,
    "fit": "crop",
    "resampling": "bilinear",
    "mean": [0.5, 0.5, 0.5],
    "std": [0.25, 0.25, 0.25],
    "max_bytes": 100_000,
    "max_pixels": 1_000_000,
}
TASK = task_of(ImageParams(name="images", labels=LABELS, **READING))
BASES: dict[str, Callable[[], PreTrainedModel]] = {"vit": lambda: tiny_vit(32), "convnext": tiny_convnext}


def write_folder(root: Path, rows: int) -> Path:
    for number in range(rows):
        label = LABELS[number % 2]
        (root / label).mkdir(parents=True, exist_ok=True)
        (root / label / f"{number:03}.png").write_bytes(encoded(drawn(number, label)))
    return root


def params_of(base: Path, source: Path, folder: Path, values: dict[str, Any] | None = None) -> Params:
    """The recipe on other data, with a tiny base."""
    chosen = {f"task.{name}": value for name, value in READING.items()} | {"task.labels": LABELS}
    chosen |= {"ingest.source.path": str(source), "train.batch_size": 8, "augment.pictures.copies": 1}
    chosen |= {"validate.min_rows": {"train": 10, "validation": 4, "test": 4}}
    own = {"pretrain.base": str(base), "pretrain.from_scratch": None}
    return recipes.small_params("images", folder, own | chosen | (values or {}))


@pytest.mark.parametrize("kind", BASES)
def test_a_model_goes_from_a_folder_to_a_bundle_that_answers_for_a_file(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    BASES[kind]().save_pretrained(tmp_path / "base")
    source = write_folder(tmp_path / "source", 60)
    student = recipes.student() | {"vocabulary": "all", "epochs": 4, "learning_rate": 3.0e-3} if kind == "vit" else None
    values = {"train.epochs": 4, "train.learning_rate": 3.0e-3, "distill.student": student}
    params = params_of(tmp_path / "base", source, tmp_path, values)
    at = {name: tmp_path / name for name in ("ingest", "validate", "augment", "pretrain", "train", "evaluate")}
    perform("ingest", [source, at["ingest"]], params)
    perform("validate", [at["ingest"], at["validate"]], params)
    augmented = perform("augment", [at["validate"], at["augment"]], params)
    perform("pretrain", [at["validate"], at["pretrain"]], params)
    perform("train", [at["augment"], at["pretrain"], at["train"]], params)
    evaluated = perform("evaluate", [at["validate"], at["train"], at["evaluate"]], params)
    evaluated_at = [at["train"], at["evaluate"]]
    distilled = [ROOT / "data/unlabelled", at["validate"], at["augment"], *evaluated_at, tmp_path / "distill"]
    smaller = perform("distill", distilled, params)
    inputs = [at["validate"], *evaluated_at, tmp_path / "distill"]
    quantized = perform("quantize", [*inputs, tmp_path / "quantize"], params)
    perform("package", [*inputs, tmp_path / "quantize", tmp_path / "package"], params)
    assert augmented.metrics["rows.pictures"] == augmented.metrics["rows.original"]
    assert evaluated.metrics["test.accuracy"] >= 0.8
    assert ("layers" in smaller.metrics) is (kind == "vit")
    assert quantized.metrics["agreement"] >= 0.8
    report = (tmp_path / "quantize/report.md").read_text()
    assert "int8 matrix product" in report and "convolution left in float" in report
    bundle = tmp_path / "package/bundle"
    assert not (bundle / "tokenizer.json").exists()
    _the_bundle_answers(bundle, source, at["validate"], tmp_path / "quantize", capsys)


def _the_bundle_answers(
    bundle: Path, source: Path, validated: Path, quantized: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same as was evaluated, bit by bit, given the files as they lie in the user's folder."""
    rows = read_split(validated, "test")
    paths = [str(source / row["source"]) for row in rows]
    assert main(["--bundle", str(bundle), *paths]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    written = pq.read_table(quantized / "predictions.parquet").to_pylist()
    assert [line["label"] for line in lines] == [row["predicted"] for row in written]
    assert [line["scores"] for line in lines] == [json.loads(row["said"])["scores"] for row in written]
    assert [line["image"] for line in lines] == paths
    outputs, _ = Predictor(bundle).inspect(paths[0])
    assert np.array_equal(outputs[0], np.float32(written[0]["outputs"][0]))
    bad = source / "bad.png"
    bad.write_bytes(b"no picture")
    assert main(["--bundle", str(bundle), str(bad), paths[0], "none.png"]) == 3
    first, second, third = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert "no picture that can be read" in first["error"]
    assert second == lines[0]
    assert third == {"image": "none.png", "error": "no such file"}


def test_a_batch_is_made_of_pixels_only_when_it_is_needed() -> None:
    reader = TASK.open_reader(TASK.open_tokenizer(Path()), TASK.settings())
    broken = example(9, "light", data=b"broken")
    items = TASK.items(reader, [example(0, "dark"), example(1, "light"), broken])
    batch = TASK.batch(items[:2], 0)
    assert batch["pixel_values"].shape == (2, 3, 32, 32)
    assert batch["pixel_values"].dtype == torch.float32
    assert batch["expected"].tolist() == [0, 1]
    with pytest.raises(Exception, match="no picture"):
        TASK.batch(items, 0)


def test_training_feeds_what_production_feeds() -> None:
    reader = TASK.open_reader(None, TASK.settings())
    data = example(4, "dark")["image"]
    (item,) = TASK.items(reader, [example(4, "dark")])
    assert np.array_equal(item.rows[0].feed()["pixel_values"], reader.read(data).feed()["pixel_values"])


def test_a_table_of_paths_is_read_relative_to_the_table(tmp_path: Path) -> None:
    tiny_convnext().save_pretrained(tmp_path / "base")
    source = write_folder(tmp_path / "data/pictures", 40).parent
    files = sorted(path.relative_to(source).as_posix() for path in source.rglob("*.png"))
    lines = [f"{name},{name.split('/')[1]}" for name in files]
    (source / "list.csv").write_text("\n".join(["file,what", *lines, "pictures/none.png,dark", "../../x.png,dark"]))
    table = {"name": "file", "path": str(source), "files": {"train": "list.csv"}, "format": "csv", "encoding": "utf-8"}
    table |= {"header": True, "separator": ",", "quoting": "double", "pattern": None, "conll": None, "spans": None}
    table |= {"columns": {"image": "file", "label": "what"}, "max_field_characters": 1000}
    values = {"ingest.source": table, "ingest.max_rejected_share": 0.1}
    params = params_of(tmp_path / "base", source, tmp_path, {"ingest.source": table} | values)
    params = params.model_copy(update={"ingest": params.ingest})
    out = tmp_path / "ingest"
    out.mkdir()
    outcome = ingest(source, out, params)
    assert (outcome.metrics["rows.read"], outcome.metrics["rows.rejected"]) == (42, 2)
    rows = [row for split in ("train", "validation", "test") for row in read_split(out, split)]
    assert {row["image"] for row in rows} == {(source / name).read_bytes() for name in files}
    reasons = [json.loads(line)["reason"] for line in (out / "rejected.jsonl").read_text().splitlines()]
    assert reasons[0] == "image: 'pictures/none.png': no such file"
    assert "lies outside of" in reasons[1]


def test_a_table_alone_is_not_enough_for_dvc_to_watch_the_pictures(tmp_path: Path) -> None:
    tiny_convnext().save_pretrained(tmp_path / "base")
    write_folder(tmp_path / "data", 4)
    with pytest.raises(ValueError, match="all that DVC watches: name a folder"):
        TASK.opened({"image": "dark/000.png", "label": "dark"}, tmp_path / "data", tmp_path / "data/list.csv")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "large.png").write_bytes(bytes(100_001))
    with pytest.raises(ValueError, match=r"'large.png': the file has 100,001 bytes, at most 100,000"):
        TASK.opened({"image": "large.png", "label": "dark"}, tmp_path, tmp_path)
    assert TASK.opened({"image": {"bytes": b"x", "path": None}}, tmp_path, tmp_path) == {"image": b"x"}
    with pytest.raises(ValueError, match="no path"):
        TASK.opened({"image": None}, tmp_path, tmp_path)


def test_two_ingests_give_the_same_bytes(tmp_path: Path) -> None:
    tiny_convnext().save_pretrained(tmp_path / "base")
    source = write_folder(tmp_path / "source", 40)
    params = params_of(tmp_path / "base", source, tmp_path)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        ingest(source, tmp_path / name, params)
    for split in ("train", "validation", "test"):
        assert (tmp_path / f"one/{split}.parquet").read_bytes() == (tmp_path / f"two/{split}.parquet").read_bytes()


def test_the_same_pixels_bind_and_others_do_not() -> None:
    assert content_of(TASK, example(1, "dark")) == content_of(TASK, {**example(1, "dark"), "id": "other"})
    assert content_of(TASK, example(1, "dark")) != content_of(TASK, example(2, "dark"))


def test_a_base_that_reads_no_pictures_or_not_of_this_size_is_refused(tmp_path: Path, tiny_base: Path) -> None:
    tiny_vit(64).save_pretrained(tmp_path / "large")
    tiny_convnext().save_pretrained(tmp_path / "any")

    def base(folder: Path) -> Any:
        return find_base(params_of(folder, tmp_path, tmp_path).pretrain)

    with pytest.raises(ParamsError, match="is a 'bert', which reads no pictures"):
        TASK.require_fit(base(tiny_base))
    with pytest.raises(ParamsError, match=r"task.height, task.width: 32 x 32: .* reads pictures of 64 pixels alone"):
        TASK.require_fit(base(tmp_path / "large"))
    TASK.require_fit(base(tmp_path / "any"))


def test_no_row_that_can_be_read_is_an_error_that_lists_them(tmp_path: Path) -> None:
    tiny_convnext().save_pretrained(tmp_path / "base")
    (tmp_path / "source/dark").mkdir(parents=True)
    (tmp_path / "source/dark/a.txt").write_text("x")
    (tmp_path / "out").mkdir()
    with pytest.raises(DataError, match=r"dark/a.txt: its ending is none of"):
        ingest(tmp_path / "source", tmp_path / "out", params_of(tmp_path / "base", tmp_path / "source", tmp_path))


def test_the_baseline_sees_colours() -> None:
    splits = {
        split: [example(start + n, LABELS[n % 2], split) for n in range(rows)]
        for split, start, rows in (("train", 0, 40), ("validation", 100, 12), ("test", 200, 20))
    }
    predicted, what = TASK.baseline(splits, 13)
    right = sum(one["answer"] == row["label"] for one, row in zip(predicted, splits["test"], strict=True))
    assert right >= 18
    assert "logistic regression" in what


def test_parameters_of_pictures_are_bounded() -> None:
    for wrong in ({"std": [0.0, 1.0, 1.0]}, {"mean": [0.5]}, {"max_pixels": 10**9}, {"labels": ["a"]}, {"fit": "pad"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            ImageParams(**{"name": "images", "labels": LABELS, **READING} | wrong)
