"""What is expected of the data, whatever it is made of; what is expected of texts or pictures their medium says."""

from stages.shared.params import SPLITS, Params, Split, Validate
from stages.validate.check import Check, at_most, percent
from stages.validate.duplicates import PAIRS, overlap_column
from stages.validate.label_errors import label_errors_checks
from stages.validate.medium import Medium


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


def _identity_checks() -> list[Check]:
    again = "Give every row an id of its own, or leave the id out of ingest.source.columns."
    own = "Take the rows that were made from others out of the source: copies are made from the training split alone."
    return [
        at_most(0, "id", "ExpectColumnValuesToNotBeNull", "rows", "have no id", again, column="id"),
        at_most(0, "id", "ExpectColumnValuesToBeUnique", "rows", "share their id", again, column="id"),
        at_most(
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


def _unusable_label_check(params: Validate) -> Check:
    return at_most(
        params.limits.unusable_label,
        "unusable_label",
        "ExpectColumnValuesToBeNull",
        noun="rows",
        fault="have a label, span or answer that cannot be used",
        advice="Mend them, or add what is missing to task.labels or ingest.label_names; "
        "or raise validate.limits.unusable_label.",
        column="answer_fault",
    )


def _duplicate_check(params: Validate, noun: str) -> Check:
    return at_most(
        params.limits.duplicate,
        "duplicate",
        "ExpectColumnValuesToBeInSet",
        noun="rows",
        fault=f"repeat a {noun} of their split",
        advice="Delete the repeated rows; or raise validate.limits.duplicate.",
        column="duplicate",
        value_set=[False],
    )


def _conflict_check(params: Validate, noun: str) -> Check:
    return at_most(
        params.limits.conflict,
        "conflict",
        "ExpectColumnValuesToBeInSet",
        noun="rows",
        fault=f"have a {noun} that has another label or answer elsewhere",
        advice=f"Decide on one for each {noun}; or raise validate.limits.conflict.",
        column="conflict",
        value_set=[False],
    )


def _overlap_check(name: str, limit: float, noun: str, gives: Split, keeps: Split) -> Check:
    kind = "exact" if name == "leak" else "near"
    return at_most(
        limit,
        name,
        "ExpectColumnValuesToNotBeInSet",
        noun=f"{keeps} {noun}s",
        fault=f"are {'also' if kind == 'exact' else 'nearly'} in {gives}",
        advice=f"Take the repeated {noun}s out of one file: a model does better on {noun}s that it has seen. Or raise "
        f"validate.limits.{name}: up to it the copies are set aside from the earlier split, never from test.",
        column=overlap_column(gives, keeps),
        value_set=[kind],
    )


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


def build_checks(params: Params, declared: list[str], medium: Medium) -> list[Check]:
    """Every check that the parameters ask for, but that of the columns, which comes before the rows can be read.

    Args:
        params: the limits.
        declared: the classes of the task, if it has any.
        medium: what the examples are made of.
    """
    wanted, noun = params.validate_, medium.noun
    limits = wanted.limits
    return [
        *_identity_checks(),
        medium.empty_check(),
        _unusable_label_check(wanted),
        medium.size_check(),
        _duplicate_check(wanted, noun),
        _conflict_check(wanted, noun),
        *(_overlap_check("leak", limits.leak, noun, *pair) for pair in PAIRS),
        *(_overlap_check("near_leak", limits.near_leak, noun, *pair) for pair in PAIRS),
        *medium.other_checks(),
        *(_rows_check(wanted, split) for split in SPLITS),
        *_class_checks(wanted, declared),
        *label_errors_checks(wanted.label_errors),
    ]
