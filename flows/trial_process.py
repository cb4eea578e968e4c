"""One trial of a search: a DVC experiment in a folder of its own, watched while it runs, and what it reached."""

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from flows.stage_process import child_environment, kill_group
from stages.shared.errors import MachineError
from stages.shared.lineage import STUDY_RUN
from stages.shared.workspace import clone_root

SECONDS_BETWEEN_LOOKS = 2.0
LAST_LINES = 15  # of a trial that failed, which are shown
FOLDERS = Path(".dvc/tmp/exps/standalone")
STAGE = "train"  # up to which trials run: the test split is for the best of them alone


class TrialStopped(Exception):
    """The search is being stopped: the trial goes on when the search is started again."""


class TrialPruned(Exception):
    """The trial is so far worse than others were at this point."""


def as_override(value: Any) -> str:
    """A value as `dvc exp run -S` reads it."""
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return json.dumps(value)


def _dvc(*words: str) -> list[str]:
    return [sys.executable, "-m", "dvc", "--wait-for-lock", *words]


def experiment_names() -> set[str]:
    """The names of the DVC experiments of the current commit.

    Raises:
        MachineError: DVC cannot tell, as where nothing was ever committed.
    """
    done = subprocess.run(_dvc("exp", "list", "--name-only"), capture_output=True, text=True, check=False)
    if done.returncode:
        raise MachineError(f"dvc exp list: {done.stderr.strip()} A search needs a git commit to begin from.")
    return set(done.stdout.split())


def figures_of(name: str) -> dict[str, float]:
    """The figures of training of a finished experiment."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "metrics.json"
        words = ("get", ".", f"data/{STAGE}/metrics.json", "--rev", name, "--out", str(file))
        done = subprocess.run(_dvc(*words), capture_output=True, text=True, check=False)
        if done.returncode:
            raise MachineError(f"the experiment {name} has no figures: {done.stderr.strip()}")
        found: dict[str, float] = json.loads(file.read_text(encoding="utf-8"))
        return found


def _told_folder(command: list[str]) -> list[Path]:
    """The folder that a `dvc exp exec-run` is told to work in, by its file; nothing of another process."""
    if "--infofile" not in command:
        return []
    file = Path(command[command.index("--infofile") + 1])
    with contextlib.suppress(OSError, ValueError, KeyError):
        return [Path(json.loads(file.read_text(encoding="utf-8"))["root_dir"])]
    return []


def _folders_in_use(process: subprocess.Popen[str]) -> Iterator[Path]:
    """The folders of experiments in which processes of the trial work."""
    root = clone_root() / FOLDERS
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                for here in (Path(child.cwd()), *_told_folder(child.cmdline())):
                    if here.is_relative_to(root) and here != root:
                        yield root / here.relative_to(root).parts[0]


def remove_folder(folder: str | None) -> None:
    """Remove what a killed experiment left behind."""
    if folder and Path(folder).parent == clone_root() / FOLDERS:
        shutil.rmtree(folder, ignore_errors=True)


def folders() -> set[Path]:
    """The folders of experiments that there are."""
    return set((clone_root() / FOLDERS).glob("tmp*"))


def _others_run() -> bool:
    """Whether another `dvc exp` runs in this clone."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = process.cmdline()
            if "exp" in words and "dvc" in " ".join(words[:3]) and Path(process.cwd()) == clone_root():
                return True
    return False


def tidy(before: set[Path]) -> None:
    """Remove the folders that came since, once no trial runs: one that was killed at its very beginning leaves one."""
    if not _others_run():
        for folder in folders() - before:
            remove_folder(str(folder))


def session_of(study_run: str, name: str) -> str:
    """The pipeline run that a trial is, however often it is begun: no other search has the same."""
    return f"{study_run}.{name}"


class Trial:
    """A trial that is about to run.

    Args:
        name: of the experiment.
        values: by dotted keys of params.yaml.
        study_run: the MLflow run of the study.
        flow_run: the Prefect run that it belongs to.
        stages: up to which it runs; none is the whole pipeline.
    """

    def __init__(
        self, name: str, values: Mapping[str, Any], study_run: str, flow_run: str, stages: Sequence[str] = (STAGE,)
    ) -> None:
        self.name, self.values, self.stages = name, values, stages
        self.session = session_of(study_run, name)
        self.environment = child_environment(self.session, flow_run) | {STUDY_RUN: study_run}
        self.folder: str | None = None

    def run(self, stop: threading.Event, look: Callable[[], bool], noted: Callable[[str], None]) -> tuple[int, str]:
        """Run it; give the exit code and its last lines.

        Args:
            stop: set from outside to end it.
            look: is asked now and then whether the trial should be pruned.
            noted: is told in which folder it runs, once.

        Raises:
            TrialStopped, TrialPruned: it was ended; no process and no folder of it is left.
        """
        settings = [word for key, value in self.values.items() for word in ("-S", f"{key}={as_override(value)}")]
        command = _dvc("exp", "run", "--temp", "--name", self.name, *settings, *self.stages)
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
            process = subprocess.Popen(
                command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
            try:
                self._watch(process, stop, look, noted)
            except BaseException:
                self._find_folder(process)
                kill_group(process)
                remove_folder(self.folder)
                raise
            log.seek(0)
            return process.returncode, "\n".join(log.read().strip().splitlines()[-LAST_LINES:])

    def _find_folder(self, process: subprocess.Popen[str]) -> bool:
        """Find out in which folder the trial runs, while a process of it is there; whether that is known."""
        if self.folder is None:
            self.folder = next((str(folder) for folder in _folders_in_use(process)), None)
        return self.folder is not None

    def _watch(
        self,
        process: subprocess.Popen[str],
        stop: threading.Event,
        look: Callable[[], bool],
        noted: Callable[[str], None],
    ) -> None:
        seen = time.monotonic()
        while process.poll() is None:
            if stop.wait(0.2):
                raise TrialStopped
            if time.monotonic() - seen < SECONDS_BETWEEN_LOOKS:
                continue
            seen = time.monotonic()
            if self.folder is None and self._find_folder(process):
                noted(str(self.folder))
            if look():
                raise TrialPruned
