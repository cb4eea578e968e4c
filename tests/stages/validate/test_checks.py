"""The checks, and what Great Expectations and the reader make of them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.shared.params import Params
from stages.tasks import task_of
from stages.validate import medium_of
from stages.validate.check import Check, percent
from stages.validate.checks import build_checks
from stages.validate.expectations import run_checks
from stages.validate.findings import Finding, Result, finding_of, refusal
from stages.validate.tables import figures_table, labels_table, long_texts_table

ROWS = pd.DataFrame(
    {
        "id": [f"r{i}" for i in range(100)],
        "source": [f"a.csv:{i + 2}" for i in range(100)],
        "flag": [i < 41 for i in range(100)],
        "length": pd.array([None] * 50 + [300] * 5 + [10] * 45, dtype="Int32"),
    }
)


def flag_check(share: float) -> Check:
    arguments = {"column": "flag", "value_set": [False], "mostly": round(1 - share, 12)}
    return Check("flag", "rows", "ExpectColumnValuesToBeInSet", arguments, percent(share), "rows", "are bad", "Mend.")


@pytest.mark.parametrize(("share", "met"), [(0.41, True), (0.4, False)])
def test_a_share_at_the_limit_is_allowed(share: float, met: bool) -> None:
    (result,) = run_checks({"rows": ROWS}, [flag_check(share)], None)
    assert result.met is met
    assert (result.at_fault, result.counted) == (41, 100)
    assert result.examples[0] == {"flag": True, "id": "r0", "source": "a.csv:2"}


def test_a_null_is_not_counted() -> None:
    arguments = {"column": "length", "max_value": 128, "mostly": 0.9}
    check = Check("cut", "rows", "ExpectColumnValuesToBeBetween", arguments, "", "texts", "are long", "")
    (result,) = run_checks({"rows": ROWS}, [check], None)
    assert (result.met, result.at_fault, result.counted) == (True, 5, 50)


def test_results_come_in_the_order_of_the_checks() -> None:
    tables = {"rows": ROWS, "labels": ROWS.iloc[:0], "figures": pd.DataFrame({"share": [0.5]})}
    most = Check("most", "figures", "ExpectColumnMaxToBeBetween", {"column": "share", "max_value": 0.4}, "", "", "", "")
    results = run_checks(tables, [flag_check(0.1), most, flag_check(0.9)], None)
    assert [result.check.name for result in results] == ["flag", "most", "flag"]
    assert [result.met for result in results] == [False, False, True]


def test_an_expectation_that_cannot_run_is_an_error_and_never_passes() -> None:
    broken = Check("broken", "rows", "ExpectColumnValuesToBeUnique", {"column": "no such"}, "", "rows", "", "")
    with pytest.raises(RuntimeError, match="could not run ExpectColumnValuesToBeUnique"):
        run_checks({"rows": ROWS}, [broken], None)


def names_of(params: Params, declared: list[str]) -> set[str]:
    return {check.name for check in build_checks(params, declared, medium_of(task_of(params.task), params))}


def test_every_limit_of_the_parameters_has_its_check(make_params: Callable[..., Params]) -> None:
    params = make_params({"validate.label_errors": {"folds": 5, "max_share": 0.1, "set_aside": False}})
    names = names_of(params, ["a", "b"])
    asked = set(type(params.validate_.limits).model_fields) | set(type(params.validate_).model_fields)
    assert asked - {"limits", "characters", "sides", "near_duplicate_similarity"} <= names


@pytest.mark.parametrize(
    ("values", "declared", "missing"),
    [
        ({"validate.language.expected": None}, ["a", "b"], {"language"}),
        ({"task.long_texts": "windows"}, ["a", "b"], {"max_cut_share"}),
        ({}, ["a"], {"labels", "max_class_share"}),
        ({}, [], {"labels", "max_class_share", "min_rows_per_class"}),
    ],
)
def test_what_cannot_be_at_fault_is_not_checked(
    values: dict[str, Any], declared: list[str], missing: set[str], make_params: Callable[..., Params]
) -> None:
    assert names_of(make_params(), ["a", "b"]) - names_of(make_params(values), declared) == missing


def result(value: float | None = None, **other: Any) -> Result:
    given = {"met": False, "value": value, "counted": 1200, "at_fault": 337, "examples": []} | other
    check = Check("leak", "rows", "Any", {}, "at most 1 %", "test texts", "are also in train", "Take them out.")
    return Result(check=check, **given)


def test_a_finding_says_how_many_of_what() -> None:
    examples = [{"id": "a1", "source": "test.csv:7", "answer_fault": "no label"}]
    finding = finding_of(result(examples=examples))
    assert finding.observed == "337 of 1,200 test texts (28.1 %) are also in train"
    assert finding.first == ["test.csv:7 (a1)"]
    assert finding.advice == "no label. Take them out."
    assert finding_of(result(0.626)).observed == "62.6 % test texts are also in train"
    assert finding_of(result(counted=0, at_fault=0)).observed == "no test texts"


def test_a_refusal_shows_what_is_unmet_aligned_and_each_advice_once() -> None:
    places = [f"test.csv:{i} (t{i})" for i in range(20)]
    bad = Finding("leak", False, "337 of 1,200", "at most 1 %", 337, places, "Take them out.")
    good = Finding("length", True, "0 of 5", "at most 1 %", 0, [], "Never shown.")
    text = refusal([bad, good, bad])
    assert text.startswith("The data does not meet 2 of 3 expectations:")
    header, first, second = (line for line in text.splitlines() if line.startswith("  ") and "Take" not in line)
    assert header.index("limit") == first.index("at most") == second.index("at most")
    assert first.endswith("test.csv:0 (t0), test.csv:1 (t1), test.csv:2 (t2), ...")
    assert text.count("Take them out.") == 1
    assert "Never shown." not in text


def test_a_label_is_counted_by_the_rows_of_each_split_in_which_it_occurs() -> None:
    classes = [("b",), ("a", "b"), (), ("b",), ("c",)]
    rows = pd.DataFrame({"split": ["train", "train", "train", "test", "train"], "classes": classes})
    kept = np.array([True, True, True, True, False])
    table = labels_table(rows, kept, ["a", "b", "c"])
    assert table[["label", "train", "validation", "test"]].to_numpy().tolist() == [
        ["a", 1, 0, 0],
        ["b", 2, 0, 1],
        ["c", 0, 0, 0],
    ]
    assert table["train_share"].tolist() == [1 / 3, 2 / 3, 0]
    figures = figures_table(rows, kept, table, {"unknown_token_share": [0.25]})
    assert figures.iloc[0].to_dict() == {
        "unknown_token_share": 0.25,
        "labels": 2,
        "rows_train": 3,
        "rows_validation": 0,
        "rows_test": 1,
    }
    assert labels_table(rows.assign(classes=[()] * 5), kept, []).empty


def test_long_texts_are_counted_in_all_and_by_class_with_their_tokens_beyond() -> None:
    rows = pd.DataFrame(
        {
            "key": ["k", "k", "k", None],
            "classes": [("a",), ("a", "b"), (), ("b",)],
            "tokens": [10, 30, 5, 2],
            "all_tokens": [10, 30, 10, 2],
            "tokens_beyond": [0, 20, 0, 0],
        }
    )
    assert long_texts_table(rows, ["a", "b", "c"], 10).to_numpy().tolist() == [
        ["all", 3, 1 / 3, 20 / 50],
        ["a", 2, 1 / 2, 20 / 40],
        ["b", 1, 1.0, 20 / 30],
        ["c", 0, 0.0, 0.0],
    ]
