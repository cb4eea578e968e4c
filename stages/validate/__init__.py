"""Check the rows against the expectations in params.yaml, set aside the bad ones, refuse too many.

in    ingested/train.parquet, validation.parquet, test.parquet    one Example per row
out   train.parquet, validation.parquet, test.parquet             the rows kept, with the same columns
      rejected.jsonl                                              the others, each with its reasons
      report.html, report.md                                      ids and places; no text but answers at fault
      data_docs/                                                  the Great Expectations pages
"""

import time
from pathlib import Path

import pandas as pd

from stages.shared.base_model import base_of, tokenizer_of
from stages.shared.errors import Refused
from stages.shared.examples import features, write_rejected, write_split
from stages.shared.outcome import Metrics, Outcome
from stages.shared.params import SPLITS, Params
from stages.tasks import Task, task_of
from stages.validate.checks import build_checks, columns_check, is_cut, percent
from stages.validate.duplicates import PAIRS, add_duplicates, overlap_column
from stages.validate.expectations import run_checks
from stages.validate.faults import KINDS, Mask, find_faults, is_kept, rejections
from stages.validate.findings import Finding, Result, finding_of, refusal
from stages.validate.language import add_language, check_language
from stages.validate.report import LONG_TEXTS_ARE, describe, lengths, write_reports
from stages.validate.rows import batches_of, read_rows, schema_frame
from stages.validate.tables import Tables, figures_table, labels_table, long_texts_table, rows_table

DATA_DOCS = "data_docs"
OF_TOKENS = ("max_cut_share", "max_unknown_token_share")  # checks that wait for a tokenizer where one is yet to be made


def _check_columns(ingested: Path, task: Task) -> None:
    """Refuse rows that have not the columns of the task, before any is read."""
    (result,) = run_checks({"columns": schema_frame(ingested, task)}, [columns_check()], None)
    if not result.met:
        raise Refused(refusal([finding_of(result)]))


def _make_tables(rows: pd.DataFrame, faults: dict[str, Mask], task: Task, params: Params) -> Tables:
    labels = labels_table(rows, is_kept(faults), task.declared)
    return {
        "rows": rows_table(rows, faults, params.validate_),
        "labels": labels,
        "long_texts": long_texts_table(rows, task.declared, task.limits[0]),
        "figures": figures_table(rows, is_kept(faults), labels),
    }


def _cut_metrics(tables: Tables, cut: bool) -> Metrics:
    """The shares of all texts and of their tokens that are cut, and of the texts longer than the model at all."""
    everything = tables["long_texts"].iloc[0]
    texts, tokens = float(everything["text_share"]), float(everything["token_share"])
    return {"cut_share": texts if cut else 0.0, "cut_token_share": tokens if cut else 0.0, "long_share": texts}


def _metrics(rows: pd.DataFrame, tables: Tables, faults: dict[str, Mask], params: Params) -> Metrics:
    kept = is_kept(faults)
    metrics = {"rows.read": float(len(rows)), "rows.set_aside": float((~kept).sum())}
    metrics |= {f"rows.{split}": float((kept & (rows["split"] == split)).sum()) for split in SPLITS}
    metrics |= {f"set_aside.{kind}": float(faults[kind].sum()) for kind in KINDS}
    if rows["tokens"].notna().any():
        metrics |= _cut_metrics(tables, is_cut(params.task.long_texts))
        metrics["unknown_token_share"] = float(tables["figures"]["unknown_token_share"].iloc[0])
    for gives, keeps in PAIRS:
        overlap = tables["rows"][overlap_column(gives, keeps)].dropna()
        for name, kind in (("leak", "exact"), ("near_leak", "near")):
            metrics[f"{name}.{gives}_in_{keeps}"] = float((overlap == kind).sum() / max(1, len(overlap)))
    languages = tables["rows"]["language"].dropna()
    if len(languages):
        metrics["language_share"] = float((languages == params.validate_.language.expected).mean())
    return metrics


def _write_kept(ingested: Path, out: Path, rows: pd.DataFrame, kept: Mask, task: Task) -> None:
    for split in SPLITS:
        wanted = iter(kept[(rows["split"] == split).to_numpy()])
        examples = (example for batch in batches_of(ingested, split) for example in batch)
        write_split(out, split, (example for example in examples if next(wanted)), features(task.columns))


def _write_findings(
    out: Path, rows: pd.DataFrame, tables: Tables, faults: dict[str, Mask], results: list[Result], params: Params
) -> list[Finding]:
    limit = task_of(params.task).limits[0]
    findings = [finding_of(result) for result in results]
    rejected = list(rejections(rows, faults, params.validate_))
    kept = is_kept(faults)
    content = describe(rows, tables, faults, kept, findings) | {
        "all_rows": len(rows),
        "kept_rows": int(kept.sum()),
        "aside_rows": len(rejected),
        "lengths": lengths(tables, params.validate_.characters.max, limit),
        "max_tokens": limit,
        "has_tokens": rows["tokens"].notna().any(),
        "long_texts_are": LONG_TEXTS_ARE[params.task.long_texts],
        "percent": percent,
    }
    write_rejected(out, rejected)
    write_reports(out, content, rejected)
    return findings


def validate(ingested: Path, out: Path, params: Params) -> Outcome:
    """Keep the good rows and report on all of them.

    Raises:
        Refused: an expectation is not met; the reports and rejected.jsonl are in `out`, the rows are not.
        ParamsError: validate.language.expected is no language that can be recognised.
    """
    task, wanted = task_of(params.task), params.validate_
    if wanted.language.expected is not None:
        check_language(wanted.language.expected)
    _check_columns(ingested, task)
    started = time.monotonic()
    base = base_of(params)
    tokenizer = None if base is None else tokenizer_of(base.folder, task.marks)
    rows = read_rows(ingested, task, tokenizer)
    read = time.monotonic()
    add_duplicates(rows, wanted.near_duplicate_similarity)
    compared = time.monotonic()
    add_language(rows, wanted.language.expected, wanted.language.sample, params.seed)
    faults = find_faults(rows, wanted)
    tables = _make_tables(rows, faults, task, params)
    checked = time.monotonic()
    checks = build_checks(params, task.declared, task.limits[0])
    results = run_checks(tables, [one for one in checks if tokenizer or one.name not in OF_TOKENS], out / DATA_DOCS)
    findings = _write_findings(out, rows, tables, faults, results, params)
    if not all(finding.met for finding in findings):
        raise Refused(refusal(findings))
    kept = is_kept(faults)
    _write_kept(ingested, out, rows, kept, task)
    why = ", ".join(f"{kind} {faults[kind].sum():,}" for kind in KINDS if faults[kind].any()) or "no row at fault"
    return Outcome(
        summary=f"kept {kept.sum():,} of {len(rows):,} rows, set aside {(~kept).sum():,} ({why})",
        metrics=_metrics(rows, tables, faults, params),
        timings={
            "read_seconds": read - started,
            "duplicates_seconds": compared - read,
            "expectations_seconds": time.monotonic() - checked,
        },
        tags={"validation": "passed", **({} if base is None else {"tokenizer_sha256": base.sha256})},
    )
