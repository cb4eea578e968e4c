"""What became of each fault, as lines of one table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from stages.shared.markdown import table


@dataclass(frozen=True)
class Line:
    """One fault.

    Attributes:
        number: of the fault, from 1 to 43; of a proof across faults what it proves, as "soak".
        fault: what was injected, in words.
        injected: how many times.
        held: how many times that happened which must.
        outcome: what must happen, in words.
        peers: what other tools, named, did in the same harness.
    """

    number: int | str
    fault: str
    injected: int
    held: int
    outcome: str
    peers: dict[str, str] = field(default_factory=dict)

    @property
    def is_held(self) -> bool:
        """Whether it was injected at all, and every time that happened which must."""
        return 0 < self.injected == self.held


def scoreboard(lines: Sequence[Line]) -> str:
    """The table."""
    return table(["", "fault", "times", "held", "outcome", "others"], map(_cells, lines))


def _cells(line: Line) -> Iterable[str]:
    others = "; ".join(f"{name}: {did}" for name, did in line.peers.items())
    held = f"{line.held}" if line.is_held else f"**{line.held}**"
    return [str(line.number), line.fault, str(line.injected), held, line.outcome, others]
