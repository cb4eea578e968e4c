"""What must hold of a quantised model beside its parity, and the report."""

from collections.abc import Sequence

from stages.quantizers import Count, Quantized
from stages.shared.checks import Check, checks_table, figures_list
from stages.shared.outcome import Metrics


def check_count(count: Count) -> Check:
    """Whether there are as many nodes as there must be."""
    if count.expected is None:
        return Check(count.name, str(count.observed), "unknown for this architecture", None)
    return Check(count.name, str(count.observed), f"exactly {count.expected}", count.observed == count.expected)


def check_difference(found: Quantized, limit: float) -> Check:
    """Whether the exported float model is still the torch model."""
    name = f"largest difference of a logit, float model to torch, {found.shapes} shapes"
    return Check.at_most(name, found.max_logit_difference, limit)


def report(checks: Sequence[Check], metrics: Metrics) -> str:
    """The report in Markdown; the same for the same inputs, so without latencies: those are in MLflow."""
    return (
        f"# Quantised model\n\n{checks_table(checks)}\n\n## Figures on the test split\n\n{figures_list(metrics)}\n\n"
        "Every text was answered by itself, without padding, as in production: an int8 model scales its activations\n"
        "by their range over the whole batch, so that in a batch the answer would depend on the neighbours.\n"
    )
