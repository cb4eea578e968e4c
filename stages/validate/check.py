"""One expectation of the data: a Great Expectations class, its arguments, and what to do when it is not met.

A check says nothing about how it is run, and this file does not import great_expectations.
"""

from dataclasses import dataclass
from typing import Any

from stages.validate.tables import Table


@dataclass(frozen=True)
class Check:
    """One expectation.

    Attributes:
        name: as in params.yaml where the limit is a parameter.
        table: which of the tables it is about.
        expectation: the class of great_expectations.expectations.
        arguments: its arguments.
        limit: what is allowed, for the reader.
        noun: what is counted, as "test texts".
        fault: what is said of those at fault, as "are also in train"; empty where rows are only counted.
        advice: what the user can do.
    """

    name: str
    table: Table
    expectation: str
    arguments: dict[str, Any]
    limit: str
    noun: str
    fault: str
    advice: str


def percent(share: float) -> str:
    """A fraction as a percentage with three digits: 0.2808 is 28.1 %."""
    return f"{share * 100:.3g} %"


def at_most(limit: float, name: str, expectation: str, noun: str, fault: str, advice: str, **arguments: Any) -> Check:
    """A check that at most a fraction of the rows is at fault."""
    # rounded: 59 good rows of 100 are a share of 0.59, and 1 - 0.41 is a little more
    arguments |= {"mostly": round(1 - limit, 12)}
    return Check(
        name, "rows", expectation, arguments, f"at most {percent(limit)}" if limit else "none", noun, fault, advice
    )
