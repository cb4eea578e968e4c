"""What is expected of the data: each check names a Great Expectations class, its arguments, and what to do when unmet.

A check says nothing about how it is run, and this file does not import great_expectations.
"""

from dataclasses import dataclass
from typing import Any

from stages.shared.params import SPLITS, Params, Split, Validate
from stages.validate.duplicates import PAIRS, overlap_column
from stages.validate.tables import Table


@dataclass(frozen=True)
class Check:
    """One expectation.

    Attributes:
        name: as in params.yaml where the limit is a parameter.
        table: which of the tables it is about.
        expectation: the class of great_expectations.expectations.
        arguments: its arguments.
        limit: what is allowed, for the reader.
        noun: what is counted, as "test texts".
        fault: what is said of those at fault, as "are also in train"; empty where rows are only counted.
        advice: what the user can do.
    """

    name: str
    table: Table
    expectation: str
    arguments: dict[str, Any]
    limit: str
    noun: str
    fault: str
    advice: str


def percent(share: float) -> str:
    """A fraction as a percentage with three digits: 0.2808 is 28.1 %."""
    return f"{share * 100:.3g} %"


def is_cut(long_texts: str) -> bool:
    """Whether a text that is longer than the model loses something, given task.long_texts."""
    return long_texts != "windows"


def columns_check() -> Check:
    """The columns and their types are those of the task."""
    return Check(
        name="schema",
        table="columns",
        expectation="ExpectColumnPairValuesToBeEqual",
        arguments={"column_A": "found", "column_B": "expected"},
        limit="the task's columns and types",
        noun="columns",
        fault="are missing, not wanted or of another type",
        advice="Run the stage ingest again: its output is not of this task.",
    )


def _at_most(limit: float, name: str, expectation: str, noun: str, fault: str, advice: str, **arguments: Any) -> Check:
    """A check that at most a fraction of the rows is at fault."""
    # rounded: 59 good rows of 100 are a share of 0.59, and 1 - 0.41 is a little more
    arguments |= {"mostly": round(1 - limit, 12)}
    return Check(
        name, "rows", expectation, arguments, f"at most {percent(limit)}" if limit else "none", noun, fault, advice
    )


def _identity_checks() -> list[Check]:
    again = "Give every row an id of its own, or leave the id out of ingest.source.columns."
    own = "Take the rows that were made from others out of the source: copies are made from the training split alone."
    return [
        _at_most(0, "id", "ExpectColumnValuesToNotBeNull", "rows", "have no id", again, column="id"),
        _at_most(0, "id", "ExpectColumnValuesToBeUnique", "rows", "share their id", again, column="id"),
        _at_most(
            0,
            "parent",
            "ExpectColumnValuesToBeInSet",
            "rows",
            "are made from another row",
            own,
            column="parent",
            value_set=[""],
        ),
    ]


def _empty_text_check(params: Validate) -> Check:
    return _at_most(
        params.limits.empty_text,
        "empty_text",
        "ExpectColumnValuesToNotBeNull",
        noun="rows",
        fault="have no text",
        advice="Fill in the texts or delete the rows; or raise validate.limits.empty_text.",
        column="characters",
    )


def _unusable_label_check(params: Validate) -> Check:
    return _at_most(
        params.limits.unusable_label,
        "unusable_label",
        "ExpectColumnValuesToBeNull",
        noun="rows",
        fault="have a label, span or answer that cannot be used",
        advice="Mend them, or add what is missing to task.labels or ingest.label_names; "
        "or raise validate.limits.unusable_label.",
        column="answer_fault",
    )


def _length_check(params: Validate) -> Check:
    bounds = params.characters
    return _at_most(
        params.limits.length,
        "length",
        "ExpectColumnValuesToBeBetween",
        noun="texts",
        fault=f"are not {bounds.min:,} to {bounds.max:,} characters long",
        advice="Mend the texts, or change validate.characters; or raise validate.limits.length.",
        column="characters",
        min_value=bounds.min,
        max_value=bounds.max,
    )


def _duplicate_check(params: Validate) -> Check:
    return _at_most(
        params.limits.duplicate,
        "duplicate",
        "ExpectColumnValuesToBeInSet",
        noun="rows",
        fault="repeat a text of their split",
        advice="Delete the repeated rows; or raise validate.limits.duplicate.",
        column="duplicate",
        value_set=[False],
    )


def _conflict_check(params: Validate) -> Check:
    return _at_most(
        params.limits.conflict,
        "conflict",
        "ExpectColumnValuesToBeInSet",
        noun="rows",
        fault="have a text that has another label or answer elsewhere",
        advice="Decide on one for each text; or raise validate.limits.conflict.",
        column="conflict",
        value_set=[False],
    )


def _overlap_check(name: str, limit: float, kind: str, gives: Split, keeps: Split) -> Check:
    return _at_most(
        limit,
        name,
        "ExpectColumnValuesToNotBeInSet",
        noun=f"{keeps} texts",
        fault=f"are {'also' if kind == 'exact' else 'nearly'} in {gives}",
        advice=f"Take the repeated texts out of one file: a model does better on texts that it has seen. Or raise "
        f"validate.limits.{name}: up to it the copies are set aside from the earlier split, never from test.",
        column=overlap_column(gives, keeps),
        value_set=[kind],
    )


def _cut_check(params: Validate, max_tokens: int) -> Check:
    return _at_most(
        params.max_cut_share,
        "max_cut_share",
        "ExpectColumnValuesToBeBetween",
        noun="texts",
        fault=f"are longer than {max_tokens} tokens and would be cut",
        advice="Raise task.max_tokens, set task.long_texts to windows, split the texts, or raise "
        "validate.max_cut_share.",
        column="tokens",
        max_value=max_tokens,
    )


def _unknown_tokens_check(params: Validate) -> Check:
    return Check(
        name="max_unknown_token_share",
        table="figures",
        expectation="ExpectColumnMaxToBeBetween",
        arguments={"column": "unknown_token_share", "max_value": params.max_unknown_token_share},
        limit=f"at most {percent(params.max_unknown_token_share)}",
        noun="of the tokens",
        fault="are unknown to the tokenizer",
        advice="Take a base model made for this language (pretrain.base), or look at ingest.source.encoding.",
    )


def _language_checks(params: Validate) -> list[Check]:
    expected = params.language.expected
    if expected is None:
        return []
    check = _at_most(
        round(1 - params.language.min_share, 12),
        "language",
        "ExpectColumnValuesToBeInSet",
        noun="sampled texts",
        fault=f"are not in the language '{expected}'",
        advice="Set validate.language.expected to the language of the data, or to null to leave it unchecked.",
        column="language",
        value_set=[expected],
    )
    return [check]


def _rows_check(params: Validate, split: Split) -> Check:
    return Check(
        name="min_rows",
        table="figures",
        expectation="ExpectColumnSumToBeBetween",
        arguments={"column": f"rows_{split}", "min_value": params.min_rows[split]},
        limit=f"at least {params.min_rows[split]:,}",
        noun=f"rows kept in {split}",
        fault="",
        advice="Add rows, change ingest.splits, or lower validate.min_rows.",
    )


def _rows_per_class_check(params: Validate, split: Split) -> Check:
    return Check(
        name="min_rows_per_class",
        table="labels",
        expectation="ExpectColumnValuesToBeBetween",
        arguments={"column": split, "min_value": params.min_rows_per_class},
        limit=f"at least {params.min_rows_per_class:,} rows each",
        noun="labels",
        fault=f"have too few rows in {split}",
        advice="Add rows, change ingest.splits, take a label that has none out of task.labels, "
        "or lower validate.min_rows_per_class.",
    )


def _class_share_check(params: Validate, split: Split) -> Check:
    return Check(
        name="max_class_share",
        table="labels",
        expectation="ExpectColumnMaxToBeBetween",
        arguments={"column": f"{split}_share", "max_value": params.max_class_share},
        limit=f"at most {percent(params.max_class_share)}",
        noun=f"of the {split} rows",
        fault="have the most frequent label",
        advice="Add rows of the other labels, or raise validate.max_class_share.",
    )


def _labels_check() -> Check:
    return Check(
        name="labels",
        table="figures",
        expectation="ExpectColumnSumToBeBetween",
        arguments={"column": "labels", "min_value": 2},
        limit="at least 2",
        noun="labels that occur",
        fault="",
        advice="From one label alone nothing is learnt: look at task.labels, ingest.label_names and the label column.",
    )


def _class_checks(params: Validate, declared: list[str]) -> list[Check]:
    """The balance of the classes, where there are any."""
    checks = [_rows_per_class_check(params, split) for split in SPLITS if declared]
    if len(declared) > 1:
        checks += [_labels_check(), *(_class_share_check(params, split) for split in SPLITS)]
    return checks


def build_checks(params: Params, declared: list[str], max_tokens: int) -> list[Check]:
    """Every check that the parameters ask for, but that of the columns, which comes before the rows can be read.

    Args:
        declared: the classes of the task, if it has any.
        max_tokens: that it reads at once.
    """
    wanted = params.validate_
    limits = wanted.limits
    return [
        *_identity_checks(),
        _empty_text_check(wanted),
        _unusable_label_check(wanted),
        _length_check(wanted),
        _duplicate_check(wanted),
        _conflict_check(wanted),
        *(_overlap_check("leak", limits.leak, "exact", *pair) for pair in PAIRS),
        *(_overlap_check("near_leak", limits.near_leak, "near", *pair) for pair in PAIRS),
        *([_cut_check(wanted, max_tokens)] if is_cut(params.task.long_texts) else []),
        _unknown_tokens_check(wanted),
        *_language_checks(wanted),
        *(_rows_check(wanted, split) for split in SPLITS),
        *_class_checks(wanted, declared),
    ]
