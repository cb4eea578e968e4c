"""What `python -m flows.doctor` looks for: a module for each kind of trouble, each with a `look`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """Something that is wrong.

    Attributes:
        what: the place, and what is wrong there.
        remedy: what to do, for a person.
        mend: does it; None where only a person can.
    """

    what: str
    remedy: str
    mend: Callable[[], object] | None = None


Look = Callable[[], Iterator[Finding]]
