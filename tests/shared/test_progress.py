"""Live figures and the bar."""

import pytest

from stages.shared.progress import Progress, report, reporting_to


def test_figures_go_to_the_sink_inside_its_block_alone() -> None:
    seen: list[tuple[int, dict[str, float]]] = []
    report(1, {"loss": 3.0})
    with reporting_to(lambda step, values: seen.append((step, values))):
        report(2, {"loss": 2.0})
    report(3, {"loss": 1.0})
    assert seen == [(2, {"loss": 2.0})]


def test_the_sink_is_gone_after_an_error() -> None:
    seen: list[int] = []
    with pytest.raises(ValueError, match="stop"), reporting_to(lambda step, _: seen.append(step)):
        raise ValueError("stop")
    report(1, {})
    assert seen == []


def test_the_bar_is_silent_where_standard_error_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("train", 10) as progress:
        progress.advance(10, loss=1.0)
    assert capsys.readouterr() == ("", "")
