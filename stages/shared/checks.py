"""What must hold of a model: each check with what was observed, its limit, and the verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from stages.shared.errors import Refused
from stages.shared.outcome import Metrics


@dataclass(frozen=True)
class Check:
    """One check; `passed` is None where nobody knows what is right, which is said and refuses nothing."""

    name: str
    observed: str
    limit: str
    passed: bool | None

    @classmethod
    def at_least(cls, name: str, observed: float, limit: float) -> Self:
        """A check that something is not too small."""
        return cls(name, f"{observed:.4f}", f"at least {limit:g}", observed >= limit)

    @classmethod
    def at_most(cls, name: str, observed: float, limit: float) -> Self:
        """A check that something is not too large; a NaN never passes."""
        return cls(name, f"{observed:.2g}", f"at most {limit:g}", observed <= limit)

    @property
    def verdict(self) -> str:
        """ok, REFUSED or not checked."""
        return {True: "ok", False: "REFUSED", None: "not checked"}[self.passed]


def checks_table(checks: Sequence[Check]) -> str:
    """The checks as a Markdown table that also reads well in a terminal."""
    rows = [("check", "observed", "limit", "")]
    rows += [(check.name, check.observed, check.limit, check.verdict) for check in checks]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    lines = [f"| {' | '.join(cells)} |" for cells in padded]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def figures_list(metrics: Metrics) -> str:
    """The figures as a Markdown list, by name."""
    return "\n".join(f"- {name}: {value:g}" for name, value in sorted(metrics.items()))


def refuse_failed(checks: Sequence[Check], what: str, advice: str) -> None:
    """Raise Refused with the table when a check failed.

    Args:
        what: is wrong then, such as "the quantised model is not the float model any more".
        advice: what to do.
    """
    failed = [check.name for check in checks if check.passed is False]
    if failed:
        raise Refused(f"{what}: {'; '.join(failed)}.\n\n{checks_table(checks)}\n\n{advice}")
