"""What `pandas.read_csv` with its defaults makes of a hostile CSV file."""

from collections import Counter
from typing import Literal

import pandas as pd

from serving.text import clean
from tests.faults.cases import Case

Did = Literal["right", "silently wrong", "traceback"]


def _rows(frame: pd.DataFrame) -> Counter[tuple[str, str]]:
    """Its texts and labels, but for what our cleaning takes out, which is not asked of it."""
    return Counter((clean(str(text)), str(label)) for text, label in zip(frame["text"], frame["label"], strict=True))


def did(case: Case) -> Did:
    """Whether the rows are those that must come out; an error is a traceback, as nothing says what to do about it."""
    try:
        with case.during():
            frame = pd.read_csv(case.path)
        found = _rows(frame)
    except Exception:
        return "traceback"
    if case.must.outcome == "E" or case.rows is None:
        return "silently wrong"
    return "right" if found == Counter((clean(row[0]), row[1]) for row in case.rows) else "silently wrong"


def told(found: Counter[Did]) -> dict[str, str]:
    """How often it did what, for the scoreboard."""
    words = [f"{found[kind]} {kind}" for kind in ("right", "silently wrong", "traceback") if found[kind]]
    return {"pandas.read_csv": ", ".join(words)} if words else {}
