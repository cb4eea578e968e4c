"""The checks, and what Great Expectations and the reader make of them."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from stages.shared.params import Params
from stages.validate.checks import Check, build_checks, percent
from stages.validate.expectations import run_checks
from stages.validate.findings import Finding, Result, finding_of, refusal
from stages.validate.tables import labels_table

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
    tables = {"rows": ROWS, "figures": pd.DataFrame({"share": [0.5]})}
    most = Check("most", "figures", "ExpectColumnMaxToBeBetween", {"column": "share", "max_value": 0.4}, "", "", "", "")
    results = run_checks(tables, [flag_check(0.1), most, flag_check(0.9)], None)
    assert [result.check.name for result in results] == ["flag", "most", "flag"]
    assert [result.met for result in results] == [False, False, True]


def test_an_expectation_that_cannot_run_is_an_error_and_never_passes() -> None:
    broken = Check("broken", "rows", "ExpectColumnValuesToBeUnique", {"column": "no such"}, "", "rows", "", "")
    with pytest.raises(RuntimeError, match="could not run ExpectColumnValuesToBeUnique"):
        run_checks({"rows": ROWS}, [broken], None)


def test_every_limit_of_the_parameters_has_its_check(make_params: Callable[..., Params]) -> None:
    params = make_params()
    names = {check.name for check in build_checks(params)}
    asked = set(type(params.validate_.limits).model_fields) | set(type(params.validate_).model_fields)
    assert asked - {"limits", "characters", "near_duplicate_similarity"} <= names
    without = {check.name for check in build_checks(make_params({"validate.language.expected": None}))}
    assert names - without == {"language"}


def result(value: float | None = None, **other: Any) -> Result:
    given = {"met": False, "value": value, "counted": 1200, "at_fault": 337, "examples": []} | other
    check = Check("leak", "rows", "Any", {}, "at most 1 %", "test texts", "are also in train", "Take them out.")
    return Result(check=check, **given)


def test_a_finding_says_how_many_of_what() -> None:
    examples = [{"id": "a1", "source": "test.csv:7"}]
    finding = finding_of(result(examples=examples))
    assert finding.observed == "337 of 1,200 test texts (28.1 %) are also in train"
    assert finding.first == ["test.csv:7 (a1)"]
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


def test_labels_are_counted_by_split_with_those_that_never_occur() -> None:
    rows = pd.DataFrame({"split": ["train", "train", "test", "train"], "answer": ["b", "b", "a", "c"]})
    kept = pd.Series([True, True, True, False]).to_numpy()
    table = labels_table(rows, kept, ["a", "b", "c"])
    assert table[["label", "train", "validation", "test"]].to_numpy().tolist() == [
        ["a", 0, 0, 1],
        ["b", 2, 0, 0],
        ["c", 0, 0, 0],
    ]
    assert table["train_share"].tolist() == [0, 1, 0]
