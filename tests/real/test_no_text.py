"""No text of the data where it does not belong, in MLflow, Prefect, reports, logs, receipts; rows go by their ids."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.real.project import Project

pytestmark = pytest.mark.real
CANARY = re.compile(rb"zq\d{3}xk", re.IGNORECASE)
NO_ROOM = {"validate.limits.unusable_label": 0.0, "validate.limits.conflict": 0.0, "validate.limits.length": 0.0}


def holding(root: Path) -> set[str]:
    """The names of files below a folder that hold a canary, but for the examples themselves, which are Parquet."""
    contents = ((path.name, path.read_bytes()) for path in root.rglob("*") if path.is_file())
    return {name for name, content in contents if CANARY.search(content) and not content.startswith(b"PAR1")}


def served(url: str) -> bytes:
    """All that a Prefect server has of flow runs, with their logs and artifacts."""
    found: list[Any] = []
    for kind in ("flow_runs", "task_runs", "logs", "artifacts"):
        offset = 0
        while page := httpx.post(f"{url}/{kind}/filter", json={"offset": offset}, timeout=30).raise_for_status().json():
            found += page
            offset += len(page)
    return json.dumps(found, ensure_ascii=False).encode()


def rejected(project: Project, folder: str) -> list[dict[str, Any]]:
    lines = (project.root / folder / "rejected.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_texts_are_in_the_data_alone_and_rows_go_by_their_ids(project: Project) -> None:
    assert holding(project.root.parent) == {"reviews.csv"}
    assert b"validate: kept" in (project.root.parent / "repro.log").read_bytes()
    assert list((project.root / ".temper/receipts").rglob("*.json"))
    assert len(rejected(project, "data/ingest")) == 1
    aside = {row["id"] for row in rejected(project, "data/validate")}
    assert len(aside) == 6
    reports = [path.read_text(encoding="utf-8") for path in project.root.glob("ml*/**/artifacts/report.md")]
    assert any(all(name in report for name in aside) for report in reports)
    assert any("## Worst errors" in report and "| text |" not in report for report in reports)


def test_a_refusal_tells_places_and_no_text_to_anybody(project: Project, prefect_server: str) -> None:
    before = {"validate.limits.unusable_label": 0.2, "validate.limits.conflict": 0.2, "validate.limits.length": 0.2}
    project.set_params(NO_ROOM)
    try:
        done = project.run("dvc", "repro", "--single-item", "validate", PREFECT_API_URL=prefect_server)
        assert "Did you mean 'positive'?" in done.stdout, done.stdout
        assert "a text of" in done.stdout
        assert not CANARY.search(done.stdout.encode())
        assert "Did you mean 'positive'?" in next(run for run in project.runs()).data.tags["temper.error"]
        assert holding(project.root.parent) == {"reviews.csv"}
        told = served(prefect_server)
        assert b"unusable_label" in told
        assert not CANARY.search(told)
    finally:
        project.set_params(before)
        assert project.run("dvc", "repro", "--single-item", "validate").returncode == 0
