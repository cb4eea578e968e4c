"""Every test that injects a fault, marked `pytest.mark.fault(number, ...)`, counted by fault, and the slow ones."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.torture.faults import FAULTS
from tests.torture.scoreboard import Line


class _Tally:
    """How many tests injected each fault, and how many of them passed."""

    def __init__(self) -> None:
        self.numbers: dict[str, list[int]] = {}
        self.injected: Counter[int] = Counter()
        self.held: Counter[int] = Counter()
        self._failed: set[str] = set()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            marks = item.iter_markers("fault")
            self.numbers[item.nodeid] = sorted({number for mark in marks for number in mark.args})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed.add(report.nodeid)
        if report.when == "teardown" and not report.skipped:
            self.injected.update(self.numbers[report.nodeid])
            if report.nodeid not in self._failed:
                self.held.update(self.numbers[report.nodeid])


def run(folder: Path) -> Iterator[Line]:
    """Run the tests; a line for each fault."""
    tally = _Tally()
    options = ["-q", "-m", "fault or slow", "--no-header", "-p", "no:cacheprovider", f"--basetemp={folder / 'tests'}"]
    pytest.main([*options, "tests"], plugins=[tally])
    for number, (fault, outcome) in FAULTS.items():
        yield Line(number, fault, tally.injected[number], tally.held[number], outcome)
