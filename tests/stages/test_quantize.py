"""The quantize stage on a random model of 2 layers, 32 wide."""

import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from flows.perform import perform
from serving.runtime import Runtime
from stages.quantize import check_reading
from stages.quantize.checks import check_count, check_difference, report
from stages.quantizers import Count, Quantized
from stages.shared.answering import read_settings
from stages.shared.answers import Answers, read_answers
from stages.shared.base_model import tokenizer_of
from stages.shared.checks import Check, refuse_failed
from stages.shared.errors import DataError, Refused
from stages.shared.examples import Example, read_split
from stages.shared.held_out import answers_of
from stages.shared.items import items_of, reader_of
from stages.shared.parity import compare, parity_checks
from stages.tasks import task_of
from tests.quantized import EASY, Chain, MakeParams, made_chain


@pytest.fixture(scope="module")
def chain(tiny_base: Path, make_params: MakeParams) -> Chain:
    return made_chain(tiny_base, make_params)


def answers(words: list[str]) -> Answers:
    expected = ["negative", "negative", "positive", "positive"]
    predictions = [{"answer": word, "confidence": 0.9, "said": {}} for word in words]
    return Answers([f"r{i}" for i in range(4)], expected, predictions, [[np.zeros(3, np.float32)]] * 4)


def labelled(answers: Answers) -> list[Example]:
    return [{"text": "a text", "label": label} for label in answers.expected]


def test_the_output_is_the_small_model_its_answers_and_the_report_alone(chain: Chain) -> None:
    names = sorted(path.name for path in chain["quantized"].iterdir())
    assert names == ["MANIFEST.json", "metrics.json", "model.onnx", "predictions.parquet", "report.md", "summary.txt"]
    assert "REFUSED" not in (chain["quantized"] / "report.md").read_text(encoding="utf-8")


def test_the_figures_are_those_of_the_answers(chain: Chain) -> None:
    small = read_answers(chain["quantized"] / "predictions.parquet")
    large = read_answers(chain["evaluated"] / "predictions.parquet")
    right = [p["answer"] == e for p, e in zip(small.predictions, small.expected, strict=True)]
    same = [p["answer"] == q["answer"] for p, q in zip(small.predictions, large.predictions, strict=True)]
    metrics = chain.quantized.metrics
    assert metrics["test.accuracy"] == pytest.approx(np.mean(right))
    assert metrics["agreement"] == pytest.approx(np.mean(same))
    assert metrics["test.macro_f1_low"] <= metrics["test.macro_f1"] <= metrics["test.macro_f1_high"]
    assert metrics["bytes"] == (chain["quantized"] / "model.onnx").stat().st_size


def test_the_answers_have_the_columns_of_the_float_models(chain: Chain) -> None:
    small, large = (pq.read_table(chain[name] / "predictions.parquet") for name in ("quantized", "evaluated"))
    assert small.schema.equals(large.schema)
    assert small["id"].equals(large["id"])


def test_every_answer_is_that_of_the_text_by_itself(chain: Chain) -> None:
    settings = read_settings(chain["model"] / "model")
    runtime = Runtime(chain.bundle / "model.onnx", chain.bundle / "tokenizer.json", settings)
    small = read_answers(chain["quantized"] / "predictions.parquet")
    for row, (logits,) in zip(read_split(chain["validated"], "test"), small.outputs, strict=True):
        (window,) = runtime.read((row["text"],))[0].windows
        np.testing.assert_array_equal(runtime.run(window), logits)


def test_times_are_no_part_of_the_output(chain: Chain) -> None:
    assert {"float_latency_50_ms", "int8_latency_95_ms", "seconds"} <= chain.quantized.timings.keys()
    assert not [name for name in chain.quantized.metrics if "latency" in name or "seconds" in name]
    assert "latency" not in (chain["quantized"] / "report.md").read_text(encoding="utf-8")


def test_past_a_limit_it_refuses_and_keeps_the_report(chain: Chain, make_params: MakeParams, tmp_path: Path) -> None:
    params = make_params(EASY | {"quantize.limits.max_logit_difference": 1e-30})
    with pytest.raises(Refused, match="largest difference of a logit") as refusal:
        perform("quantize", [*chain.inputs, tmp_path / "out"], params)
    assert "| at most 1e-30 " in str(refusal.value)
    assert not (tmp_path / "out").exists()
    assert "REFUSED" in (tmp_path / "out.refused/report.md").read_text(encoding="utf-8")
    assert not list((tmp_path / "out.refused").rglob("float.onnx"))


def test_answers_of_other_rows_are_not_compared(chain: Chain) -> None:
    rows = list(read_split(chain["validated"], "validation"))
    with pytest.raises(DataError, match="not the rows of the test split"):
        answers_of(chain["evaluated"], rows)


def test_other_tokens_than_in_training_are_noticed(chain: Chain) -> None:
    rows = list(read_split(chain["validated"], "test"))
    settings, task = read_settings(chain["model"] / "model"), task_of(chain.params.task)
    items = items_of(task, reader_of(tokenizer_of(chain["model"] / "model"), settings), rows)
    short = Runtime(chain.bundle / "model.onnx", chain.bundle / "tokenizer.json", settings | {"max_tokens": 4})
    assert check_reading(short, rows, items, task).passed is False


def test_parity_counts_agreement_and_names_the_worst_class(make_params: MakeParams) -> None:
    params = make_params({"task.labels": ["negative", "positive"]}).task
    large = answers(["negative", "negative", "positive", "positive"])
    small = answers(["negative", "negative", "positive", "negative"])
    parity = compare(large, small, labelled(large), task_of(params))
    assert parity.agreement == 0.75
    assert parity.worst_class == "positive"
    assert parity.worst_class_change == pytest.approx(2 / 3 - 1)
    assert parity.primary_change == pytest.approx((2 / 3 + 4 / 5) / 2 - 1)


def test_a_better_small_model_is_no_loss(make_params: MakeParams) -> None:
    params = make_params({"task.labels": ["negative", "positive"]})
    large = answers(["negative", "negative", "positive", "negative"])
    small = answers(["negative", "negative", "positive", "positive"])
    parity = compare(large, small, labelled(large), task_of(params.task))
    checks = parity_checks(parity, "macro_f1", params.quantize.limits, "float model")
    assert [check.passed for check in checks] == [False, True, True]  # agreement is 0.75


def test_a_count_that_nobody_knows_is_said_and_refuses_nothing() -> None:
    check = check_count(Count("fused Attention", 3, None))
    assert check.verdict == "not checked"
    refuse_failed([check], "wrong", "mend it")


@pytest.mark.parametrize("difference", [math.nan, 0.002])
def test_a_difference_past_its_limit_or_no_number_fails(difference: float) -> None:
    assert check_difference(Quantized("float", "small", difference, 7), 0.001).passed is False


def test_a_wrong_count_refuses_with_the_whole_table() -> None:
    checks = [check_count(Count("int8 attention", 5, 6)), Check.at_least("agreement", 0.99, 0.97)]
    with pytest.raises(Refused) as refusal:
        refuse_failed(checks, "wrong", "mend it")
    lines = [line.split("|")[1:-1] for line in str(refusal.value).splitlines() if line.startswith("| ")]
    assert [cell.strip() for cell in lines[1]] == ["int8 attention", "5", "exactly 6", "REFUSED"]
    assert [cell.strip() for cell in lines[2]] == ["agreement", "0.9900", "at least 0.97", "ok"]
    assert "REFUSED" in report(checks, {"agreement": 0.99})
