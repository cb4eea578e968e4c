"""How several processes share the tests, as in `make test`: what is dear to make is made once, in one process.

pytest-xdist's own groups (`--dist loadgroup`) are by a mark on each test; these are by the file that it lies in.
"""

from typing import Any

import pytest

GROUPS = {  # what a path begins with: a group; the other files are each a group of their own
    "tests/real/test_signals.py": "signals",  # half of what is slow, beside the other half
    "tests/real/test_search.py": "signals",
    "tests/real/test_doctor.py": "signals",
    "tests/real/test_prefect_killed.py": "signals",
    "tests/real/": "real",  # one finished project, one Prefect server
    "tests/serving/": "chain",  # one tiny model, taken from its data to its bundle
    "tests/stages/test_package.py": "chain",
    "tests/stages/test_quantize.py": "chain",
}
LONGEST = (
    "real",
    "tests/test_plugins.py",
    "signals",
    "chain",
    "tests/methods/test_matrix.py",
    "tests/faults/test_resume.py",
    "tests/faults/test_artefacts.py",
)  # begun first, so that no process is left with one at the end


def group_of(nodeid: str) -> str:
    """The group of a test, by its id, as in `tests/real/test_doors.py::test_one_parent_shows_every_stage`."""
    path = nodeid.partition("::")[0]
    return next((group for start, group in GROUPS.items() if path.startswith(start)), path)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest groups first."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: [group_of(item.nodeid) != group for group in LONGEST])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Gives each group, whole, to the process that is free first."""
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    config.option.loadscopereorder = False
    return ByGroup(config, log)
