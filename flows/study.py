"""The study of a search: which trials there are, what they reached, which values come next. Optuna keeps it on disk."""

import hashlib
import json
import threading
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from stages.shared.errors import ParamsError
from stages.shared.params import Params
from stages.shared.search_params import Options, Search
from stages.shared.workspace import state_folder

optuna.logging.set_verbosity(optuna.logging.WARNING)
STARTUP = 5  # trials that are finished before any is pruned
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def folder_of(search: Search) -> Path:
    """Where searches are kept."""
    return state_folder("searches")


def _fingerprint(params: Params) -> str:
    """What makes trials comparable: every parameter but how many trials there are, and how many at once."""
    values = params.model_dump(mode="json", by_alias=True)
    for name in ("trials", "at_once"):
        values["search"].pop(name)
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _sampler(seed: int, number: int) -> optuna.samplers.BaseSampler:
    """Of a trial by its number, so that a search that was killed goes on as it would have gone."""
    return optuna.samplers.TPESampler(seed=(seed * 1_000_003 + number) % 2**32, n_startup_trials=STARTUP)


class Study:
    """Trials of one search; several threads may ask for the next.

    Raises:
        ParamsError: the study was begun with other parameters.
    """

    def __init__(self, params: Params) -> None:
        assert params.search is not None
        self.search, self.seed = params.search, params.seed
        self._lock = threading.Lock()
        storage = RDBStorage(f"sqlite:///{folder_of(self.search) / self.search.name}.db")
        pruner = (
            optuna.pruners.MedianPruner(n_startup_trials=STARTUP) if self.search.prune else optuna.pruners.NopPruner()
        )
        self._study = optuna.create_study(
            storage=storage, study_name=self.search.name, direction="maximize", load_if_exists=True, pruner=pruner
        )
        mine = _fingerprint(params)
        if self._study.user_attrs.get("params", mine) != mine:
            raise ParamsError(
                f"search.name: {self.search.name}: this search was begun with other parameters or another space: its "
                f"trials would not compare. Give it another name, or take the parameters back."
            )
        self._study.set_user_attr("params", mine)
        self._left = [trial for trial in self._study.trials if trial.state == TrialState.RUNNING]  # of a killed search

    @property
    def run_id(self) -> str | None:
        """The MLflow run of the study, once there is one."""
        found: str | None = self._study.user_attrs.get("mlflow_run")
        return found

    @run_id.setter
    def run_id(self, run_id: str) -> None:
        self._study.set_user_attr("mlflow_run", run_id)

    def next(self) -> optuna.Trial | None:
        """A trial to run: first those that were broken off, then new ones; None when there are enough."""
        with self._lock:
            if self._left:
                return optuna.Trial(self._study, self._left.pop(0)._trial_id)
            number = len(self._study.trials)
            if number >= self.search.trials:
                return None
            self._study.sampler = _sampler(self.seed, number)
            trial = self._study.ask()
            self.values_of(trial)
            return trial

    def values_of(self, trial: optuna.Trial) -> dict[str, Any]:
        """The values of a trial, by dotted keys of params.yaml."""
        found: dict[str, Any] = {}
        for key, space in self.search.space.items():
            if isinstance(space, Options):
                found[key] = trial.suggest_categorical(key, list(space.choices))
            elif isinstance(space.low, int) and isinstance(space.high, int):
                found[key] = trial.suggest_int(key, space.low, space.high, log=space.log)
            else:
                found[key] = trial.suggest_float(key, space.low, space.high, log=space.log)
        return found

    def twin_of(self, trial: optuna.Trial) -> FrozenTrial | None:
        """A finished trial with the very same values."""
        complete = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return next((other for other in complete if other.params == trial.params), None)

    def tell(self, trial: optuna.Trial, value: float | None, state: TrialState) -> None:
        """Note how a trial ended."""
        with self._lock:
            self._study.tell(trial, value, state=state, skip_if_finished=True)

    def reached(self, trial: optuna.Trial) -> float | None:
        """The best figure of a trial, also of one that ended early; None where it came to no validation."""
        told = self._study.get_trials(deepcopy=False)[trial.number]
        seen: list[float] = [*told.intermediate_values.values()]
        if told.value is not None:
            seen.append(told.value)
        return max(seen, default=None)

    def finished(self) -> list[FrozenTrial]:
        """The trials that are over, however they ended."""
        return self._study.get_trials(deepcopy=False, states=FINISHED)

    def best(self) -> FrozenTrial | None:
        """The best of those that ran to their end."""
        complete = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return max(complete, key=lambda trial: (trial.value or 0.0, -trial.number), default=None)
