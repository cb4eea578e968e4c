"""The order of the stages comes from dvc.yaml alone."""

from pathlib import Path

import pytest

from stages.shared.pipeline import read_stages


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "dvc.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_stage_comes_after_all_it_needs(tmp_path: Path) -> None:
    text = """
stages:
  last: {desc: l, cmd: c, deps: [data/first, data/middle], outs: [data/last]}
  middle: {desc: m, cmd: c, deps: [data/first], outs: [data/middle]}
  first: {desc: f, cmd: c, deps: [x.csv], outs: [data/first]}
"""
    stages = read_stages(write(tmp_path, text))
    assert [stage.name for stage in stages] == ["first", "middle", "last"]
    assert stages[-1].ancestors == {"first", "middle"}


def test_a_circle_is_an_error(tmp_path: Path) -> None:
    text = """
stages:
  a: {desc: a, cmd: c, deps: [data/b], outs: [data/a]}
  b: {desc: b, cmd: c, deps: [data/a], outs: [data/b]}
"""
    with pytest.raises(ValueError, match="wait for each other"):
        read_stages(write(tmp_path, text))
