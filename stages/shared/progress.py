"""How far a long piece of work is: a bar for who watches, and live figures for who records."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Self

from tqdm import tqdm

Sink = Callable[[int, dict[str, float]], None]
_sink: ContextVar[Sink | None] = ContextVar("sink", default=None)


@contextmanager
def reporting_to(sink: Sink) -> Iterator[None]:
    """Hand the live figures of the work inside the block to `sink(step, values)`."""
    token = _sink.set(sink)
    try:
        yield
    finally:
        _sink.reset(token)


def report(step: int, values: dict[str, float]) -> None:
    """Hand live figures of a step to whoever listens; nothing happens when nobody does."""
    sink = _sink.get()
    if sink is not None:
        sink(step, values)


class Progress:
    """A bar on standard error: what, how far, figures, rate and time left; silent where that is no terminal."""

    def __init__(self, what: str, total: int, unit: str = "ex") -> None:
        self._bar = tqdm(
            total=total, desc=what, unit=unit, unit_scale=True, disable=None, file=sys.stderr, dynamic_ncols=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.close()

    def advance(self, count: int, **figures: float) -> None:
        """Move on by `count`, and show the figures beside the bar."""
        if figures and not self._bar.disable:
            self._bar.set_postfix({name: f"{value:.4g}" for name, value in figures.items()}, refresh=False)
        self._bar.update(count)
