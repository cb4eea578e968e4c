"""Runs the checks as Great Expectations suites, one checkpoint per table, and builds the Data Docs."""

import datetime
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import great_expectations as gx
import pandas as pd
from great_expectations import expectations as gxe
from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.data_context.data_context.ephemeral_data_context import EphemeralDataContext
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)
from great_expectations.expectations.expectation import Expectation

from stages.validate.check import Check
from stages.validate.findings import Result
from stages.validate.tables import Table, Tables

EXAMPLES = 20
# The same data gives the same pages, byte for byte; when a check really ran stands in MLflow.
_NO_TIME = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_TIME = re.compile(r"\b20\d{6}T\d{6}\.\d{6}Z")
_LOCAL_TIME = re.compile(r"(?:1999-12-31|2000-01-01)[T ]\d\d:\d\d:\d\d(?:Z| [^'<]*)")  # in the time zone of the machine
_PICTURE = re.compile(r"https://great-expectations-web-assets\.s3[^\"]*\.png[^\"]*")
_INDEX_COLUMNS: dict[Table, list[str]] = {
    "rows": ["id", "source"],
    "labels": ["label"],
    "columns": ["split", "column"],
}


def _open_context(docs: Path | None) -> EphemeralDataContext:
    """A context that lives in memory, shows no progress bars and sends nothing; its Data Docs lie in `docs`."""
    site = {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs and docs.resolve())},
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
    }
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        data_docs_sites={"temper": site} if docs else {},
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    return gx.get_context(mode="ephemeral", project_config=config)


def _expectation(check: Check, number: int) -> Expectation:
    kind: type[Expectation] = getattr(gxe, check.expectation)
    title = f"{check.name}: {check.limit} of the {check.noun} {check.fault}".strip()
    return kind(**check.arguments, description=title, meta={"number": number})


def _run_table(
    context: EphemeralDataContext, name: Table, table: pd.DataFrame, checks: Sequence[Check]
) -> list[dict[str, Any]]:
    suite = context.suites.add(gx.ExpectationSuite(name))
    for number, check in enumerate(checks):
        suite.add_expectation(_expectation(check, number))
    asset = context.data_sources.add_or_update_pandas(name).add_dataframe_asset(name)
    data = asset.add_batch_definition_whole_dataframe("all")
    definition = context.validation_definitions.add(gx.ValidationDefinition(name=name, data=data, suite=suite))
    index = _INDEX_COLUMNS.get(name)
    form = {"result_format": "SUMMARY", "partial_unexpected_count": EXAMPLES}
    form |= {"unexpected_index_column_names": index} if index else {}
    checkpoint = context.checkpoints.add(
        gx.Checkpoint(name=name, validation_definitions=[definition], result_format=form)
    )
    run = checkpoint.run(batch_parameters={"dataframe": table}, run_id=RunIdentifier("validate", _NO_TIME))
    (validation,) = run.run_results.values()
    found = [result.to_json_dict() for result in validation.results]
    return sorted(found, key=lambda result: int(result["expectation_config"]["meta"]["number"]))


def _result(check: Check, found: dict[str, Any]) -> Result:
    if found["exception_info"].get("raised_exception") or not found["result"]:
        raise RuntimeError(f"Great Expectations could not run {check.expectation}: {found['exception_info']}")
    result = found["result"]
    return Result(
        check=check,
        met=found["success"],
        value=result.get("observed_value"),
        counted=result.get("element_count", 0) - (result.get("missing_count") or 0),
        at_fault=result.get("unexpected_count", 0),
        examples=result.get("partial_unexpected_index_list") or [],
    )


def _scrub(docs: Path) -> None:
    """Take out of the Data Docs what differs from run to run, and the logo that is fetched from its makers' server."""
    for page in sorted(docs.rglob("*.html")):
        text = page.read_text(encoding="utf-8")
        for number, name in enumerate(dict.fromkeys(_UUID.findall(text))):
            text = text.replace(name, f"part-{number}")
        root = "../" * (len(page.relative_to(docs).parts) - 1)
        text = _PICTURE.sub(f"{root}static/images/logo-long.png", text)
        text = _LOCAL_TIME.sub("no time recorded", text)
        page.write_text(_TIME.sub(_NO_TIME.strftime("%Y%m%dT%H%M%S.%fZ"), text), encoding="utf-8")
    for guide in (*docs.glob("static/images/*.gif"), docs / "static/images/iterative-dev-loop.png"):
        guide.unlink(missing_ok=True)  # of a walk-through that is switched off: 2 MB


def run_checks(tables: Tables, checks: Sequence[Check], docs: Path | None) -> list[Result]:
    """Run each check on its table.

    Args:
        tables: the tables that the checks name, and any others.
        checks: any number.
        docs: where the Data Docs are written; None for none.

    Returns:
        The results, in the order of the checks.
    """
    context = _open_context(docs)
    results: dict[int, Result] = {}
    for name, table in tables.items():
        chosen = [number for number, check in enumerate(checks) if check.table == name]
        if not chosen:
            continue
        found = _run_table(context, name, table, [checks[number] for number in chosen])
        results |= {number: _result(checks[number], one) for number, one in zip(chosen, found, strict=True)}
    if docs:
        context.build_data_docs()
        _scrub(docs)
    return [results[number] for number in sorted(results)]
