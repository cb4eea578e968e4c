"""Pieces of the report."""

import numpy as np
import pytest

from stages.validate.check import percent
from stages.validate.language import languages_of
from stages.validate.report import histogram


def test_a_histogram_counts_every_value_once() -> None:
    values = np.array([0, 1, 5, 5, 23, 24, 999])
    bars = histogram(values)
    assert sum(bar.count for bar in bars) == 7
    assert len(bars) <= 24
    assert [bar.start for bar in bars[1:]] == [bar.end for bar in bars[:-1]]


def test_a_histogram_puts_a_rare_long_value_into_the_last_bar() -> None:
    bars = histogram(np.array([3] * 500 + [9] * 500 + [100_000]))
    assert bars[-1].start == 9
    assert bars[-1].count == 501


def test_a_histogram_of_nothing_has_no_bars() -> None:
    assert histogram(np.array([], dtype=int)) == []


@pytest.mark.parametrize(
    ("share", "text"), [(0.2808, "28.1 %"), (0.01, "1 %"), (1.0, "100 %"), (0, "0 %"), (0.00083, "0.083 %")]
)
def test_shares_are_shown_with_three_digits(share: float, text: str) -> None:
    assert percent(share) == text


def test_languages_are_told_apart_and_digits_are_none() -> None:
    texts = ["the box was quite badly broken when it arrived", "das Paket kam leider zu spät an", "12345 67890 12345"]
    assert languages_of(texts, "en") == ["en", "de", None]


def test_a_language_outside_the_usual_ones_can_be_expected() -> None:
    assert languages_of(["paketti saapui ajoissa ja kaikki oli kunnossa"], "fi") == ["fi"]
