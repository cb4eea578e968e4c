"""The faults that tests alone inject, by their mark `pytest.mark.fault(number)`, and the tests marked slow."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.torture.faults import FAULTS
from tests.torture.scoreboard import Line

NUMBERS = (28, 29, 30, 31, 38, 41)  # the other parts inject the others, many times
SLOW = "slow"


class _Tally:
    """How many tests injected each fault, and how many of them passed; the slow ones too."""

    def __init__(self) -> None:
        self.injected: Counter[int | str] = Counter()
        self.held: Counter[int | str] = Counter()
        self._kinds: dict[str, set[int | str]] = {}
        self._failed: set[str] = set()

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        for item in items:
            numbers = {number for mark in item.iter_markers("fault") for number in mark.args}
            slow = {SLOW} if item.get_closest_marker(SLOW) else set()
            self._kinds[item.nodeid] = (numbers & set(NUMBERS)) | slow
        config.hook.pytest_deselected(items=[item for item in items if not self._kinds[item.nodeid]])
        items[:] = [item for item in items if self._kinds[item.nodeid]]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed.add(report.nodeid)
        if report.when == "teardown" and not report.skipped:
            self.injected.update(self._kinds[report.nodeid])
            if report.nodeid not in self._failed:
                self.held.update(self._kinds[report.nodeid])


def run(folder: Path) -> Iterator[Line]:
    """Run the tests; a line for each fault."""
    tally = _Tally()
    options = [
        "-q",
        "-m",
        f"fault or {SLOW}",
        "--no-header",
        "-p",
        "no:cacheprovider",
        f"--basetemp={folder / 'tests'}",
    ]
    pytest.main([*options, "tests"], plugins=[tally])
    for number in NUMBERS:
        yield Line(number, FAULTS[number][0], tally.injected[number], tally.held[number], FAULTS[number][1])
    yield Line(SLOW, "tests that `make test` leaves out", tally.injected[SLOW], tally.held[SLOW], "they pass")
