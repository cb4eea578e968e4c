"""report.md: the figures for a reader."""

from collections.abc import Sequence

from stages.shared.markdown import table
from stages.shared.outcome import Metrics


def _with_interval(metrics: Metrics, name: str, sign: str = "") -> str:
    low, high = metrics.get(f"{name}_low"), metrics.get(f"{name}_high")
    value = f"{metrics[name]:{sign}.4f}"
    return value if low is None or high is None else f"{value} ({low:{sign}.4f} to {high:{sign}.4f})"


def headline_table(metrics: Metrics, names: Sequence[str]) -> str:
    """The model, the baseline and the gain, each with its 95 % interval, a line for each figure."""
    rows = [
        (
            name,
            _with_interval(metrics, f"test.{name}"),
            _with_interval(metrics, f"baseline.{name}"),
            _with_interval(metrics, f"gain.{name}", sign="+"),
        )
        for name in names
    ]
    return table(("figure", "model", "baseline", "gain"), rows)


def _calibration(metrics: Metrics) -> str:
    if "test.calibration_error" not in metrics:
        return ""
    return (
        f"Calibration error: {metrics['test.calibration_error']:.4f} (mean distance of confidence and share correct).\n"
    )


def report_text(metrics: Metrics, names: Sequence[str], baseline: str, task_part: str, errors: str) -> str:
    """The whole report, in Markdown."""
    rows = f"{metrics['test.rows']:.0f}"
    return (
        f"# The model on the test split\n\n{rows} rows; in brackets the 95 % bootstrap interval. "
        f"Baseline: {baseline}, chosen on the validation split, fitted on the training rows without copies.\n\n"
        f"{headline_table(metrics, names)}\n"
        f"{_calibration(metrics)}\n{task_part}\n## Worst errors\n\n{errors}"
    )
