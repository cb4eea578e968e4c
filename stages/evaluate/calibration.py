"""Whether the model is right as often as it says."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from stages.shared.csv_files import write_csv

BINS = 10  # of equal width, over the confidence from 0 to 1
Values = npt.NDArray[np.float64]
Bin = tuple[float, float, int]


def reliability(confidence: Values, correct: npt.NDArray[np.bool_]) -> list[Bin]:
    """Mean confidence, share that is correct and rows of each bin of confidence that has rows."""
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return [
        (float(confidence[place == number].mean()), float(correct[place == number].mean()), int(sum(place == number)))
        for number in sorted(set(place.tolist()))
    ]


def calibration_error(bins: list[Bin]) -> float:
    """The mean distance of confidence and share correct, each bin by its rows: 0 is perfect.

    Source: Guo et al. 2017, On calibration of modern neural networks, arXiv:1706.04599, equation 3
    """
    return sum(rows * abs(correct - confidence) for confidence, correct, rows in bins) / sum(row[2] for row in bins)


def write_reliability(bins: list[Bin], out: Path) -> None:
    """Write the bins as plots/reliability.csv and pictures/reliability.png."""
    write_csv(out / "plots/reliability.csv", ("confidence", "correct", "rows"), bins)
    figure = Figure(figsize=(4.5, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="as often as it says")
    axes.plot([row[0] for row in bins], [row[1] for row in bins], marker="o", label="model")
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="share correct", title="Reliability")
    axes.legend()
    (out / "pictures").mkdir(parents=True, exist_ok=True)
    figure.savefig(out / "pictures/reliability.png", dpi=120, metadata={"Software": None})
