"""What a search may try, how its values reach DVC, and which trial comes next."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from flows import searcher
from flows.searcher import check_search, check_space
from flows.study import Study
from flows.trial_process import as_override
from stages.shared.errors import ParamsError
from stages.shared.params import Params, read_raw
from stages.shared.search_params import Search
from tests.conftest import ROOT

MakeParams = Callable[..., Params]
RATES = {"low": 1.0e-5, "high": 1.0e-3, "log": True}
SEARCH = {"name": "s", "trials": 4, "at_once": 1, "prune": False, "space": {"train.learning_rate": RATES}}


@pytest.mark.parametrize(
    ("space", "word"),
    [
        ({"train.learning_rat": {"choices": [1, 2]}}, "no such key"),
        ({"train.epochs.more": {"choices": [1, 2]}}, "no such key"),
        ({"train.epochs": {"low": 0, "high": 3, "log": False}}, "search.space: train.epochs: 0"),
        ({"train.schedule": {"choices": ["linear", "cosin"]}}, "search.space: train.schedule: cosin"),
    ],
)
def test_what_cannot_be_searched_is_said(space: dict[str, Any], word: str) -> None:
    with pytest.raises(ParamsError, match=word):
        check_space(Search(**SEARCH | {"space": space}), read_raw(ROOT / "params.yaml"))


def test_a_range_must_be_one(make_params: MakeParams) -> None:
    with pytest.raises(ParamsError, match="low must be below high"):
        make_params({"search": SEARCH | {"space": {"train.dropout": {"low": 0.5, "high": 0.1, "log": False}}}})


@pytest.mark.parametrize(
    ("value", "word"), [(3, "3"), (1e-05, "1e-05"), (True, "true"), ("it's", r"'it\'s'"), ("linear", "'linear'")]
)
def test_values_are_written_as_dvc_reads_them(value: Any, word: str) -> None:
    assert as_override(value) == word


def _tried(study: Study, count: int) -> list[float]:
    found = []
    for _ in range(count):
        trial = study.next()
        assert trial is not None
        found.append(study.values_of(trial)["train.learning_rate"])
        study.tell(trial, len(found) / 10, TrialState.COMPLETE)
    return found


def test_a_search_that_nobody_asked_for_is_said(make_params: MakeParams, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searcher, "check_before_anything_runs", lambda: make_params({"search": None}))
    with pytest.raises(ParamsError, match="asks for no search"):
        check_search()


def test_a_search_that_was_broken_off_goes_on_as_it_would_have_gone(
    make_params: MakeParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = make_params({"search": SEARCH})
    (tmp_path / "whole").mkdir()
    monkeypatch.chdir(tmp_path / "whole")
    whole = _tried(Study(params), 4)
    (tmp_path / "broken").mkdir()
    monkeypatch.chdir(tmp_path / "broken")
    first = _tried(Study(params), 2)
    open_one = Study(params).next()  # and nobody says how it ended
    assert open_one is not None
    study = Study(params)
    assert [*first, *_tried(study, 2)] == whole
    assert study.next() is None
    assert [trial.number for trial in study.finished()] == [0, 1, 2, 3]
    more = Study(make_params({"search": SEARCH | {"trials": 5}}))
    assert more.next() is not None
    with pytest.raises(ParamsError, match="other parameters"):
        Study(make_params({"search": SEARCH, "train.epochs": 9}))


def test_several_workers_never_get_the_same_trial(
    make_params: MakeParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    study, numbers = Study(make_params({"search": SEARCH | {"trials": 12}})), []

    def work() -> None:
        while (trial := study.next()) is not None:
            numbers.append(trial.number)
            study.tell(trial, 0.5, TrialState.COMPLETE)

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(numbers) == list(range(12))
