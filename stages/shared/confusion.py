"""Which label is taken for which: as a picture and as a table."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from stages.shared.markdown import table

_MOST_WITH_COUNTS = 20  # labels up to which there is room to write the count into each cell


def confusion_table(matrix: npt.NDArray[np.int_], labels: Sequence[str]) -> str:
    """A Markdown table of counts: expected down, predicted across."""
    rows = [[label, *counts] for label, counts in zip(labels, matrix.tolist(), strict=True)]
    return table(["expected \\ predicted", *labels], rows)


def drawable(labels: Sequence[str]) -> list[str]:
    """The labels as the plotting font can draw them: their positions when it lacks a character of one."""
    font = font_manager.get_font(font_manager.findfont("DejaVu Sans"))
    known = font.get_charmap()
    if all(ord(character) in known for label in labels for character in label):
        return list(labels)
    return [str(position) for position in range(len(labels))]


def draw_confusion(matrix: npt.NDArray[np.int_], labels: Sequence[str], path: Path) -> None:
    """Draw the counts, coloured by their share of the expected label, as a PNG."""
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = 3 + 0.45 * min(len(labels), 40)
    figure = Figure(figsize=(side, side), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    names = drawable(labels)
    axes.set_xticks(range(len(labels)), names, rotation=90 if len(labels) > 4 else 0)
    axes.set_yticks(range(len(labels)), names)
    axes.set(xlabel="predicted", ylabel="expected", title="Share of each expected label")
    if len(labels) <= _MOST_WITH_COUNTS:
        for (row, column), count in np.ndenumerate(matrix):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=colour)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, metadata={"Software": None})
