"""Check the rows against the expectations in params.yaml, set aside the bad ones, refuse too many.

in    ingested/train.parquet, validation.parquet, test.parquet    one Example per row
out   train.parquet, validation.parquet, test.parquet             the rows kept, with the same columns
      rejected.jsonl                                              the others, each with its reasons
      label_errors.csv                                            where they are looked for: labels probably wrong
      report.html, report.md                                      ids, places, labels at fault; no text
      data_docs/                                                  the Great Expectations pages
"""

import time
from functools import partial
from pathlib import Path

import pandas as pd

from stages.shared.base_model import base_of
from stages.shared.errors import Refused
from stages.shared.examples import features, write_rejected, write_split
from stages.shared.outcome import Metrics, Outcome
from stages.shared.params import SPLITS, LabelErrors, Params
from stages.tasks import Task, task_of
from stages.validate.check import percent
from stages.validate.checks import build_checks, columns_check
from stages.validate.duplicates import PAIRS, add_duplicates, overlap_column
from stages.validate.expectations import run_checks
from stages.validate.faults import KINDS, Mask, find_faults, is_kept, rejections
from stages.validate.findings import Finding, Result, finding_of, refusal
from stages.validate.label_errors import (
    add_label_errors,
    check_label_errors,
    label_errors,
    label_errors_content,
    write_label_errors,
)
from stages.validate.medium import Medium
from stages.validate.report import describe, write_reports
from stages.validate.rows import batches_of, schema_frame
from stages.validate.tables import Tables, figures_table, labels_table, rows_table

DATA_DOCS = "data_docs"


def _check_columns(ingested: Path, task: Task) -> None:
    """Refuse rows that have not the columns of the task, before any is read."""
    (result,) = run_checks({"columns": schema_frame(ingested, task)}, [columns_check()], None)
    if not result.met:
        raise Refused(refusal([finding_of(result)]))


def medium_of(task: Task, params: Params) -> Medium:
    """How the examples of the task are measured. Raises ParamsError and MachineError as it does when it is made."""
    if task.medium == "picture":
        from stages.validate.pictures import Pictures

        return Pictures(task, params)
    from stages.validate.texts import Texts

    return Texts(task, params)


def _make_tables(rows: pd.DataFrame, faults: dict[str, Mask], task: Task, medium: Medium) -> Tables:
    labels = labels_table(rows, is_kept(faults), task.declared)
    return {
        "rows": rows_table(rows, faults, medium.row_figures(rows)),
        "labels": labels,
        **medium.tables(rows),
        "figures": figures_table(rows, is_kept(faults), labels, medium.figures(rows)),
    }


def _metrics(rows: pd.DataFrame, tables: Tables, faults: dict[str, Mask], medium: Medium) -> Metrics:
    kept = is_kept(faults)
    metrics = {"rows.read": float(len(rows)), "rows.set_aside": float((~kept).sum())}
    metrics |= {f"rows.{split}": float((kept & (rows["split"] == split)).sum()) for split in SPLITS}
    metrics |= {f"set_aside.{kind}": float(faults[kind].sum()) for kind in KINDS}
    metrics |= medium.metrics(tables)
    metrics["label_errors"] = float(rows["suggested"].notna().sum())
    for gives, keeps in PAIRS:
        overlap = tables["rows"][overlap_column(gives, keeps)].dropna()
        for name, kind in (("leak", "exact"), ("near_leak", "near")):
            metrics[f"{name}.{gives}_in_{keeps}"] = float((overlap == kind).sum() / max(1, len(overlap)))
    return metrics


def _write_kept(ingested: Path, out: Path, rows: pd.DataFrame, kept: Mask, task: Task) -> None:
    for split in SPLITS:
        wanted = iter(kept[(rows["split"] == split).to_numpy()])
        examples = (example for batch in batches_of(ingested, split) for example in batch)
        write_split(out, split, (example for example in examples if next(wanted)), features(task.columns))


def _write_findings(
    out: Path,
    rows: pd.DataFrame,
    tables: Tables,
    faults: dict[str, Mask],
    results: list[Result],
    medium: Medium,
    wanted: LabelErrors | None,
) -> list[Finding]:
    findings = [finding_of(result) for result in results]
    rejected = list(rejections(rows, faults, medium))
    kept = is_kept(faults)
    content = describe(rows, tables, faults, kept, findings) | {
        "all_rows": len(rows),
        "kept_rows": int(kept.sum()),
        "aside_rows": len(rejected),
        "percent": percent,
        "noun": medium.noun,
        **medium.content(tables),
        **label_errors_content(rows, wanted),
    }
    if wanted is not None:
        write_label_errors(out, rows)
    write_rejected(out, rejected)
    write_reports(out, content, rejected)
    return findings


def validate(ingested: Path, out: Path, params: Params) -> Outcome:
    """Keep the good rows and report on all of them.

    Raises:
        Refused: an expectation is not met; the reports and rejected.jsonl are in `out`, the rows are not.
        ParamsError: validate.language.expected is no language that can be recognised.
    """
    task = task_of(params.task)
    check_label_errors(task, params)
    medium = medium_of(task, params)
    _check_columns(ingested, task)
    started = time.monotonic()
    base = base_of(params)
    rows = medium.read_rows(ingested)
    read = time.monotonic()
    add_duplicates(rows, partial(medium.near, rows))
    medium.add_repeated(rows)
    compared = time.monotonic()
    faults = find_faults(rows, medium.bounds)
    add_label_errors(rows, is_kept(faults), ingested, task, params)
    faults["label_error"] = label_errors(rows, params.validate_.label_errors)
    tables = _make_tables(rows, faults, task, medium)
    checked = time.monotonic()
    results = run_checks(tables, build_checks(params, task.declared, medium), out / DATA_DOCS)
    findings = _write_findings(out, rows, tables, faults, results, medium, params.validate_.label_errors)
    if not all(finding.met for finding in findings):
        raise Refused(refusal(findings))
    kept = is_kept(faults)
    _write_kept(ingested, out, rows, kept, task)
    why = ", ".join(f"{kind} {faults[kind].sum():,}" for kind in KINDS if faults[kind].any()) or "no row at fault"
    return Outcome(
        summary=f"kept {kept.sum():,} of {len(rows):,} rows, set aside {(~kept).sum():,} ({why})",
        metrics=_metrics(rows, tables, faults, medium),
        timings={
            "read_seconds": read - started,
            "duplicates_seconds": compared - read,
            "expectations_seconds": time.monotonic() - checked,
        },
        tags={"validation": "passed", **({} if base is None else {"tokenizer_sha256": base.sha256})},
    )
