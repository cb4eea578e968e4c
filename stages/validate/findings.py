"""What was found, in words: each check with what was observed, and the refusal when one is not met."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stages.validate.check import Check, percent

SHOWN = 3


@dataclass(frozen=True)
class Result:
    """What Great Expectations says of a check.

    Attributes:
        met: its verdict.
        value: the observed value, of a check on a whole column or table; else None.
        counted: rows that the check applies to.
        at_fault: how many of them do not meet it.
        examples: the first of those: the columns that identify the row, and its value.
    """

    check: Check
    met: bool
    value: float | None
    counted: int
    at_fault: int
    examples: list[dict[str, Any]]


@dataclass(frozen=True)
class Finding:
    """A result for the reader. `rows` is None where the check is not about single rows."""

    name: str
    met: bool
    observed: str
    limit: str
    rows: int | None
    first: list[str]
    advice: str


def _observed(result: Result) -> str:
    check = result.check
    if result.value is not None and check.fault:
        return f"{percent(result.value)} {check.noun} {check.fault}"
    if result.value is not None:
        return f"{result.value:,.0f} {check.noun}"
    if not result.counted:
        return f"no {check.noun}"
    share = percent(result.at_fault / result.counted)
    return f"{result.at_fault:,} of {result.counted:,} {check.noun} ({share}) {check.fault}"


def _first(result: Result) -> list[str]:
    """The first places at fault, in words: `reviews.csv:57 (id)`, or `neutral: 0`."""
    table, column = result.check.table, result.check.arguments.get("column")
    if table == "rows":
        return [f"{example['source']} ({example['id']})" for example in result.examples]
    if table == "columns":
        return [f"{example['split']}.{example['column']}" for example in result.examples]
    return [f"{example['label']}: {example[column]:,}" for example in result.examples if column]


def _advice(result: Result) -> str:
    """What to do, after what is wrong with the first labels or answers, which may name what was meant."""
    faults = dict.fromkeys(example["answer_fault"] for example in result.examples if "answer_fault" in example)
    ended = [fault if fault.endswith((".", "?")) else f"{fault}." for fault in list(faults)[:SHOWN]]
    return " ".join([*ended, result.check.advice])


def finding_of(result: Result) -> Finding:
    """What a result means to the reader."""
    check = result.check
    about_rows = check.table == "rows"
    return Finding(
        name=check.name,
        met=result.met,
        observed=_observed(result),
        limit=check.limit,
        rows=result.at_fault if about_rows else None,
        first=_first(result),
        advice=_advice(result),
    )


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


def refusal(findings: Sequence[Finding]) -> str:
    """The message of a refusal: a table of what is not met, then what to do about each."""
    unmet = [finding for finding in findings if not finding.met]
    table = [["expectation", "observed", "limit", "rows", "first"]]
    for finding in unmet:
        more = ", ..." if (finding.rows or len(finding.first)) > SHOWN else ""
        rows = "-" if finding.rows is None else f"{finding.rows:,}"
        table.append([finding.name, finding.observed, finding.limit, rows, ", ".join(finding.first[:SHOWN]) + more])
    advice = dict.fromkeys(f"{finding.name}: {finding.advice}" for finding in unmet)
    lines = [
        f"The data does not meet {len(unmet)} of {len(findings)} expectations:",
        "",
        *(f"  {line}" for line in _aligned(table)),
        "",
        "What to do:",
        *(f"  {line}" for line in advice),
    ]
    return "\n".join(lines)
