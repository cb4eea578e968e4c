"""The report on the data, as one HTML page and as Markdown: counts, row ids, places, labels at fault; no text."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stages.shared.params import SPLITS
from stages.validate.check import percent
from stages.validate.duplicates import PAIRS, overlap_column
from stages.validate.faults import KINDS, Mask
from stages.validate.findings import Finding
from stages.validate.tables import Tables

BARS = 24
LISTED = 200
FAULTS_LISTED = 20
LONG_TEXTS_ARE = {  # what becomes of them, by task.long_texts
    "head": "their end is cut",
    "head_tail": "their middle is cut",
    "windows": "they are read in windows, nothing is cut",
}


@dataclass(frozen=True)
class Bar:
    """One bar of a histogram: values from `start` to below `end`; the last one holds everything above, too."""

    start: int
    end: int
    count: int


def histogram(values: np.ndarray) -> list[Bar]:
    """Counts of whole numbers in at most 24 bars of one width; what lies above the 99th percentile is in the last."""
    if not len(values):
        return []
    top = int(np.percentile(values, 99, method="lower"))
    width = max(1, -(-(top + 1) // BARS))
    bars = top // width + 1
    counts = np.bincount(np.minimum(values // width, bars - 1).astype(np.int64), minlength=bars)
    return [Bar(i * width, (i + 1) * width, int(count)) for i, count in enumerate(counts)]


def lengths(column: pd.Series, limit: int, unit: str) -> dict[str, Any]:
    """A histogram of sizes, with their limit."""
    values = column.dropna().to_numpy(dtype=np.int64)
    bars = histogram(values)
    quantiles = np.percentile(values, [0, 50, 95, 100], method="lower") if len(values) else [0, 0, 0, 0]
    return {
        "unit": unit,
        "bars": bars,
        "highest": max((bar.count for bar in bars), default=0),
        "limit": limit,
        "figures": dict(zip(("shortest", "median", "95th percentile", "longest"), map(int, quantiles), strict=True)),
    }


def _splits(rows: pd.DataFrame, faults: dict[str, Mask], kept: Mask) -> list[dict[str, Any]]:
    result = []
    for split in SPLITS:
        here = (rows["split"] == split).to_numpy()
        counts = {"ingested": int(here.sum()), "kept": int((here & kept).sum()), "aside": int((here & ~kept).sum())}
        result.append({"name": split, **counts, "kinds": {kind: int((here & faults[kind]).sum()) for kind in KINDS}})
    return result


def _overlaps(table: pd.DataFrame) -> list[dict[str, Any]]:
    found = []
    for gives, keeps in PAIRS:
        kinds = table[overlap_column(gives, keeps)].value_counts()
        texts = int(kinds.sum())
        counts = {kind: int(kinds.get(kind, 0)) for kind in ("exact", "near")}
        shares = {f"{kind}_share": percent(count / max(1, texts)) for kind, count in counts.items()}
        found.append({"gives": gives, "keeps": keeps, "texts": texts, **counts, **shares})
    return found


def _counted(column: pd.Series) -> list[tuple[str, int]]:
    """The values of a column with their counts, the most frequent first, equal ones by name."""
    counts = column.value_counts()
    return sorted(((str(value), int(count)) for value, count in counts.items()), key=lambda pair: (-pair[1], pair[0]))


def _by_name(findings: Sequence[Finding]) -> list[tuple[str, list[Finding]]]:
    names = dict.fromkeys(finding.name for finding in findings)
    return [(name, [finding for finding in findings if finding.name == name]) for name in names]


def describe(
    rows: pd.DataFrame, tables: Tables, faults: dict[str, Mask], kept: Mask, findings: Sequence[Finding]
) -> dict[str, Any]:
    """What the templates show of any data, but for the list of rows."""
    return {
        "splits": _splits(rows, faults, kept),
        "labels": tables["labels"].to_dict("records"),
        "overlaps": _overlaps(tables["rows"]),
        "label_faults": _counted(tables["rows"]["answer_fault"]),
        "findings": findings,
        "unmet": sum(not finding.met for finding in findings),
        "unmet_by_name": _by_name([finding for finding in findings if not finding.met]),
        "kinds": KINDS,
        "split_names": SPLITS,
    }


def write_reports(out: Path, content: dict[str, Any], rejected: Sequence[dict[str, Any]]) -> None:
    """Write report.html and report.md; of the rows set aside they list the first 200."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=lambda name: bool(name) and ".html" in str(name),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["cell"] = lambda value: str(value).replace("|", "\\|").replace("\n", " ")
    environment.filters["thousands"] = lambda value: f"{value:,}"
    for name in ("report.html", "report.md"):
        page = environment.get_template(f"{name}.j2").render(
            **content, rejected=rejected[:LISTED], listed=LISTED, faults_listed=FAULTS_LISTED
        )
        (out / name).write_text(page, encoding="utf-8", newline="\n")
