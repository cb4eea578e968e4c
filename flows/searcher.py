"""Search for better values: each trial is a DVC experiment up to `train`, judged by its figure on validation.

`python -m flows.search` runs it.

The section `search` of params.yaml says what is tried. What was finished is kept, however the search ends; started
again it goes on. At the end the best is a DVC experiment: `dvc exp apply NAME && dvc repro`.
"""

import copy
import threading
import time
from collections.abc import Callable
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.trial import TrialState
from prefect import flow, task
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.preflight import check_before_anything_runs
from flows.stopping import stop_on_signals
from flows.study import Study, folder_of
from flows.trial_process import (
    Trial,
    TrialPruned,
    TrialStopped,
    experiment_names,
    figures_of,
    folders,
    remove_folder,
    session_of,
    tidy,
)
from stages.shared.errors import MachineError, ParamsError, TemperError
from stages.shared.params import PARAMS_FILE, Params, check_raw, read_raw
from stages.shared.search_params import Search
from stages.tasks import task_of

STATUS = {TrialState.COMPLETE: "FINISHED", TrialState.PRUNED: "KILLED", TrialState.FAIL: "FAILED"}


def name_of(search: str, number: int) -> str:
    """The experiment of a trial."""
    return f"{search}-{number:03d}"


def name_of_best(search: str, number: int) -> str:
    """The experiment in which the best trial went through the whole pipeline."""
    return f"{search}-best-{number:03d}"


class Searcher:
    """The trials of a search, run one after the other or several at once."""

    def __init__(self, params: Params, study: Study, run: str) -> None:
        self.params, self.study, self.run = params, study, run
        self.metric = f"validation.{task_of(params.task).primary}"
        self.stop, self.begun = threading.Event(), time.monotonic()
        self.before = len(study.finished())
        self.known = experiment_names()

    def work(self) -> None:
        """Run trials until there are enough of them, or the search is stopped."""
        while not self.stop.is_set():
            trial = self.study.next()
            if trial is None:
                return
            self._one(trial)

    def finish(self) -> None:
        """Take the best trial through the rest of the pipeline, in an experiment that can be applied.

        Raises:
            MachineError: it did not come to its end; the message has the last lines.
        """
        best = self.study.best()
        if best is None:
            return
        name = name_of_best(self.study.search.name, best.number)
        if name in experiment_names():
            return
        print(f"trial {best.number} is the best: the whole pipeline with its values", flush=True)
        process = Trial(name, best.params, self.run, self.study.search.name, stages=())
        try:
            code, last = process.run(self.stop, lambda: False, lambda folder: None)
        except TrialStopped:
            self._close(name, "KILLED")
            return
        self._close(name, "FAILED" if code else "FINISHED")
        if code:
            raise MachineError(f"trial {best.number} is the best, and the pipeline with its values failed:\n{last}")

    def _one(self, trial: optuna.Trial) -> None:
        values, name = self.study.values_of(trial), name_of(self.study.search.name, trial.number)
        twin = self.study.twin_of(trial)
        value, state, why = None, TrialState.COMPLETE, ""
        if twin is not None:
            value, why = twin.value, f"as trial {twin.number}"
        elif name in self.known:  # it had ended when the search was killed
            value = figures_of(name)[self.metric]
        else:
            remove_folder(trial.user_attrs.get("folder"))
            try:
                value, state, why = self._run(trial, Trial(name, values, self.run, self.study.search.name))
            except TrialStopped:
                self._close(name, "KILLED")
                return  # it stays open, and is the first of the next start
        self.study.tell(trial, value, state)
        self._close(name, STATUS[state], self.study.reached(trial))
        self._say(trial.number, values, value, why)

    def _run(self, trial: optuna.Trial, process: Trial) -> tuple[float | None, TrialState, str]:
        try:
            code, last = process.run(self.stop, self._pruner(trial, process.session), self._noter(trial))
        except TrialPruned:
            return None, TrialState.PRUNED, "pruned"
        if code:
            return None, TrialState.FAIL, f"failed:\n{last}"
        return figures_of(process.name)[self.metric], TrialState.COMPLETE, ""

    def _noter(self, trial: optuna.Trial) -> Callable[[str], None]:
        return lambda folder: trial.set_user_attr("folder", folder)

    def _pruner(self, trial: optuna.Trial, session: str) -> Callable[[], bool]:
        told = 0

        def look() -> bool:
            nonlocal told
            if not self.study.search.prune:
                return False
            from stages.shared.tracking.study import curve_of

            curve = curve_of(session, "train", self.metric)
            for place in range(told, len(curve)):
                trial.report(max(curve[: place + 1]), place)
            told = max(told, len(curve))
            return bool(told) and trial.should_prune()

        return look

    def _close(self, name: str, status: str, reached: float | None = None) -> None:
        from stages.shared.tracking.study import close_trial

        figures = {} if reached is None else {f"trial.{self.metric}": reached}
        close_trial(session_of(self.run, name), status, figures)

    def _say(self, number: int, values: dict[str, object], value: float | None, why: str) -> None:
        done, wanted = len(self.study.finished()), self.study.search.trials
        each = (time.monotonic() - self.begun) / max(1, done - self.before)
        left = f"{(wanted - done) * each / 60:.0f} min left" if done < wanted else "done"
        tried = ", ".join(
            f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}" for key, value in values.items()
        )
        reached = why if value is None else f"{self.metric} {value:.4f} {why}".rstrip()
        print(f"trial {number} ({done} of {wanted}, {left}): {tried}: {reached}", flush=True)


def _run_all(work: Callable[[], None], stop: threading.Event, at_once: int) -> None:
    """Let so many workers do their work; whatever ends this early, no process of theirs is left."""
    worker = task(name="trials", persist_result=False)(work)
    futures = []
    try:
        futures = [worker.submit() for _ in range(at_once)]
        for future in futures:
            future.result()
    except BaseException:
        stop.set()
        for future in futures:
            future.wait()
        raise


def _search(params: Params) -> State[object]:
    from stages.shared.tracking.study import close_study, open_study

    wanted = params.search
    assert wanted is not None
    study = Study(params)
    study.run_id = run = open_study(wanted.name, study.run_id, params)
    status, before = "KILLED", folders()
    try:
        searcher = Searcher(params, study, run)
        _run_all(searcher.work, searcher.stop, wanted.at_once)
        _run_all(searcher.finish, searcher.stop, 1)
        status = "FINISHED"
    except TemperError:
        status = "FAILED"
        raise
    finally:
        tidy(before)
        best = study.best()
        figures = {"trials": float(len(study.finished()))}
        tags = {}
        if best is not None and best.value is not None:
            figures["best"], tags["temper.best"] = best.value, name_of_best(wanted.name, best.number)
        close_study(run, status, figures, tags)
    if best is None:
        return Failed(message="no trial came to its end")
    return Completed(message=name_of_best(wanted.name, best.number))


@flow(name="search", persist_result=False)
def search() -> State[object]:
    """Run the trials that params.yaml asks for and that are not there yet."""
    try:
        params = check_search()
        assert params.search is not None
        stop_on_signals()  # Prefect put its own handler in place
        with FileLock(folder_of(params.search) / f"{params.search.name}.lock", timeout=0):
            return _search(params)
    except Timeout:
        return Failed(message="this search is running already, in another process. Wait for it, or give another name.")
    except TemperError as error:
        return Failed(message=str(error))


def check_search() -> Params:
    """The parameters, checked, with a search.

    Raises:
        TemperError: something is wrong, or there is none.
    """
    params = check_before_anything_runs()
    if params.search is None:
        raise ParamsError("search: null: params.yaml asks for no search. recipes/search.yaml shows one.")
    check_space(params.search, read_raw(PARAMS_FILE))
    experiment_names()
    return params


def check_space(wanted: Search, raw: dict[str, Any]) -> None:
    """Raise ParamsError when a key of the space is none of params.yaml, or may not have its values."""
    for key in wanted.space:
        for value in wanted.extremes(key):
            changed = copy.deepcopy(raw)
            *parents, last = key.split(".")
            section = changed
            for parent in parents:
                section = section.get(parent, {}) if isinstance(section, dict) else {}
            if not isinstance(section, dict) or last not in section:
                raise ParamsError(f"search.space: {key}: params.yaml has no such key. Name one that it has.")
            section[last] = value
            try:
                check_raw(changed, PARAMS_FILE)
            except ParamsError as error:
                raise ParamsError(f"search.space: {key}: {value}: {error}") from None
