"""The evaluate stage on a random model of 2 layers, 32 wide."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from serving.written import sha256_of
from stages.evaluate import evaluate, worst_errors
from stages.evaluate.calibration import calibration_error, reliability
from stages.evaluate.intervals import gains, with_intervals
from stages.shared.examples import features, write_split
from stages.shared.markdown import cell
from stages.shared.outcome import Outcome
from stages.shared.params import Params
from stages.tasks import task_of
from tests.conftest import SENTIMENT_COLUMNS, sample_examples, write_random_model

MakeParams = Callable[..., Params]
FEW_ERRORS = {"evaluate.worst_errors": 0, "evaluate.bootstrap_samples": 100}


@pytest.fixture(scope="module")
def validated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("validated")
    for split, start, stop in (("train", 0, 60), ("validation", 60, 80), ("test", 80, 120)):
        write_split(folder, split, sample_examples(start, stop), features(SENTIMENT_COLUMNS))
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path, make_params: MakeParams) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    write_random_model(folder / "model", tiny_base, make_params())
    return folder


@pytest.fixture(scope="module")
def measured(
    validated: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory, make_params: MakeParams
) -> tuple[Path, Outcome]:
    out = tmp_path_factory.mktemp("measured")
    return out, evaluate(validated, trained, out, make_params({"evaluate.bootstrap_samples": 200}))


def test_predictions_are_one_row_per_test_row_in_its_order_and_fit_their_outputs(
    measured: tuple[Path, Outcome],
) -> None:
    rows = pq.read_table(measured[0] / "predictions.parquet").to_pylist()
    assert [row["id"] for row in rows] == [row["id"] for row in sample_examples(80, 120)]
    assert [row["expected"] for row in rows] == [row["label"] for row in sample_examples(80, 120)]
    labels = ["negative", "neutral", "positive"]
    assert [row["predicted"] for row in rows] == [labels[int(np.argmax(row["outputs"][0]))] for row in rows]


def test_metrics_are_those_of_the_predictions_with_intervals_round_them(measured: tuple[Path, Outcome]) -> None:
    rows = pq.read_table(measured[0] / "predictions.parquet").to_pylist()
    metrics = measured[1].metrics
    assert metrics["test.accuracy"] == pytest.approx(np.mean([row["expected"] == row["predicted"] for row in rows]))
    for name in ("test.accuracy", "test.macro_f1", "test.f1.positive", "baseline.macro_f1", "gain.accuracy"):
        assert metrics[f"{name}_low"] <= metrics[name] <= metrics[f"{name}_high"]
    assert metrics["gain.macro_f1"] == pytest.approx(metrics["test.macro_f1"] - metrics["baseline.macro_f1"])
    assert metrics["test.rows"] == 40


def test_the_report_shows_model_baseline_and_gain(measured: tuple[Path, Outcome]) -> None:
    report = (measured[0] / "report.md").read_text()
    metrics = measured[1].metrics
    line = next(line for line in report.splitlines() if line.startswith("| macro_f1"))
    assert f"{metrics['test.macro_f1']:.4f} ({metrics['test.macro_f1_low']:.4f} to" in line
    assert f"{metrics['baseline.macro_f1']:.4f}" in line
    assert f"{metrics['gain.macro_f1']:+.4f}" in line
    assert "TF-IDF" in report


def test_the_same_inputs_give_the_same_bytes(
    measured: tuple[Path, Outcome], validated: Path, trained: Path, tmp_path: Path, make_params: MakeParams
) -> None:
    again = evaluate(validated, trained, tmp_path, make_params({"evaluate.bootstrap_samples": 200}))
    files = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert len(files) == 8
    for file in files:
        assert sha256_of(tmp_path / file) == sha256_of(measured[0] / file), file
    assert again.metrics == measured[1].metrics
    assert again.summary == measured[1].summary


@pytest.mark.parametrize("show", [True, False])
def test_texts_are_shown_only_when_they_may_be(
    validated: Path, trained: Path, tmp_path: Path, make_params: MakeParams, show: bool
) -> None:
    evaluate(validated, trained, tmp_path, make_params({"evaluate.show_texts": show, "evaluate.worst_errors": 40}))
    errors, report = (tmp_path / "errors.csv").read_text(), (tmp_path / "report.md").read_text()
    rows = pq.read_table(tmp_path / "predictions.parquet").to_pylist()
    wrong = {row["id"] for row in rows if row["expected"] != row["predicted"]}
    texts = [example["text"].split()[0] for example in sample_examples(80, 120) if example["id"] in wrong]
    assert len(errors.splitlines()) == 1 + len(wrong)
    assert all(name in errors for name in wrong)
    assert ("text" in errors.splitlines()[0]) is show
    assert ("| text |" in report) is show
    assert any(text in errors for text in texts if len(text) > 4) is show


@pytest.mark.parametrize(("show", "count"), [(True, 2), (True, 0), (False, 2)])
def test_samples_are_listed_when_they_are_asked_for_and_have_texts_where_those_may_be_shown(
    validated: Path, trained: Path, tmp_path: Path, make_params: MakeParams, show: bool, count: int
) -> None:
    evaluate(
        validated,
        trained,
        tmp_path,
        make_params({"evaluate.show_texts": show, "evaluate.samples": count, **FEW_ERRORS}),
    )
    report = (tmp_path / "report.md").read_text()
    examples = sample_examples(80, 120)
    assert sum(f"| {example['id']} | " in report for example in examples) == 2 * count
    assert sum(f"| {cell(example['text'])} |" in report for example in examples) == (2 * count if show else 0)
    assert ("## The worst 2 samples" in report) is ("## The best 2 samples" in report) is (count > 0)


def test_the_surest_errors_come_first_and_right_answers_never(make_params: MakeParams) -> None:
    params = make_params({"evaluate.worst_errors": 2, "evaluate.show_texts": False})
    rows = [{"id": str(i), "source": "a", "text": "t", "label": "neutral"} for i in range(4)]
    predicted = [
        {"answer": answer, "confidence": confidence}
        for answer, confidence in (("positive", 0.6), ("neutral", 0.99), ("negative", 0.9), ("positive", 0.8))
    ]
    header, errors = worst_errors(task_of(params.task), rows, predicted, params)
    assert header == ["id", "source", "rightness", "confidence", "expected", "predicted"]
    assert [row[0] for row in errors] == ["2", "3"]


@pytest.mark.parametrize("show", [True, False])
def test_answers_that_are_texts_are_listed_only_where_texts_may_be(make_params: MakeParams, show: bool) -> None:
    options = {"name": "qa", "no_answer": True, "max_answer_tokens": 8, "rules": "squad", "long_texts": "windows"}
    options |= {"max_tokens": 48, "overlap": 8, "head": None, "head_from_packages": False}
    params = make_params({"task": options, "evaluate.worst_errors": 2, "evaluate.show_texts": show})
    answers = [{"text": "noon", "start": 7}]
    row = {"id": "1", "source": "a", "question": "When?", "context": "It was noon.", "answers": answers}
    header, errors = worst_errors(task_of(params.task), [row], [{"answer": "It", "confidence": None}], params)
    assert ("expected" in header) is ("predicted" in header) is ("text" in header) is show
    assert errors[0][:2] == ["1", "a"]
    assert ("noon" in str(errors)) is show


def test_calibration_error_is_the_distance_of_confidence_and_share_correct() -> None:
    confidence = np.array([0.95, 0.95, 0.95, 0.95, 0.55, 1.0])
    correct = np.array([True, True, False, False, False, True])
    bins = reliability(confidence, correct)
    assert [row[2] for row in bins] == [1, 5]
    assert calibration_error(bins) == pytest.approx((1 * 0.55 + 5 * abs(0.96 - 0.6)) / 6)
    assert calibration_error([(0.8, 0.8, 10)]) == 0


def test_intervals_stand_beside_the_figures_that_were_resampled() -> None:
    found = with_intervals({"f1": 0.5, "rows": 3}, {"f1": np.linspace(0.4, 0.6, 101)})
    assert found == {"f1": 0.5, "f1_low": pytest.approx(0.405), "f1_high": pytest.approx(0.595), "rows": 3}


def test_a_gain_is_the_difference_in_each_resample() -> None:
    ours, theirs = np.array([0.5, 0.6, 0.7]), np.array([0.4, 0.5, 0.6])
    found = gains({"f1": 0.6, "rows": 1}, {"f1": 0.5, "rows": 1}, ({"f1": ours}, {"f1": theirs}))
    assert found == {key: pytest.approx(0.1) for key in ("f1", "f1_low", "f1_high")}


def test_the_ladder_has_every_rung_with_quality_size_and_times(
    validated: Path, trained: Path, tmp_path: Path, make_params: MakeParams
) -> None:
    params = make_params({"evaluate.bootstrap_samples": 100, "evaluate.ladder": True})
    outcome = evaluate(validated, trained, tmp_path, params)
    report = (tmp_path / "report.md").read_text()
    rungs = ["majority", "TF-IDF", "zero-shot", "embeddings", "full"]
    rows = [line for line in report[report.index("## The ladder") :].splitlines() if line.startswith("| ")][2:]
    assert [name for name, row in zip(rungs, rows, strict=True) if row.startswith(f"| {name}")] == rungs
    assert (tmp_path / "pictures/ladder.png").read_bytes().startswith(b"\x89PNG")
    children = list(outcome.children.values())
    assert [name.removeprefix("ladder: ").split(",")[0].split()[0] for name in outcome.children] == rungs
    assert children[-1]["test.macro_f1"] == outcome.metrics["test.macro_f1"]
    assert all(child["milliseconds"] > 0 for child in children)
    assert "train_seconds" not in children[-1]  # nobody knows how long a model took that was not trained here
    assert b"| training, s |" in outcome.pages["ladder.md"]
    evaluate(validated, trained, tmp_path, params)
    assert (tmp_path / "report.md").read_text() == report  # without the times, which differ
