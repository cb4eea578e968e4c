"""What must hold of a quantised model: each check with what was observed, its limit, and the verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from stages.quantizers import Count, Quantized
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


def check_count(count: Count) -> Check:
    """Whether there are as many nodes as there must be."""
    if count.expected is None:
        return Check(count.name, str(count.observed), "unknown for this architecture", None)
    return Check(count.name, str(count.observed), f"exactly {count.expected}", count.observed == count.expected)


def check_difference(found: Quantized, limit: float) -> Check:
    """Whether the exported float model is still the torch model."""
    name = f"largest difference of a logit, float model to torch, {found.shapes} shapes"
    return Check.at_most(name, found.max_logit_difference, limit)


def table(checks: Sequence[Check]) -> str:
    """The checks as a Markdown table that also reads well in a terminal."""
    rows = [("check", "observed", "limit", "")]
    rows += [(check.name, check.observed, check.limit, check.verdict) for check in checks]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    lines = [f"| {' | '.join(cells)} |" for cells in padded]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def report(checks: Sequence[Check], metrics: Metrics) -> str:
    """The report in Markdown; the same for the same inputs, so without latencies: those are in MLflow."""
    figures = "\n".join(f"- {name}: {value:g}" for name, value in sorted(metrics.items()))
    return (
        f"# Quantised model\n\n{table(checks)}\n\n## Figures on the test split\n\n{figures}\n\n"
        "Every text was answered by itself, without padding, as in production: an int8 model scales its activations\n"
        "by their range over the whole batch, so that in a batch the answer would depend on the neighbours.\n"
    )


def refuse_failed(checks: Sequence[Check]) -> None:
    """Raise Refused with the table when a check failed."""
    failed = [check.name for check in checks if check.passed is False]
    if failed:
        raise Refused(
            f"the quantised model is not the float model any more: {'; '.join(failed)}.\n\n{table(checks)}\n\n"
            f"Try quantize.method.per_channel: true, more training data, or other quantize.limits in params.yaml."
        )
