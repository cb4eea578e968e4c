"""Services that go away, runs that are killed or meet, and the same to the bit; each injected for real and counted."""

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from mlflow.tracking import MlflowClient

from stages.shared.pipeline import read_stages
from tests.conftest import sample_texts
from tests.faults.killing import cut_rwlock, held_in_stage, kill_in_stage, what_is_left
from tests.faults.recording import (
    RecordedStage,
    expected_facts,
    locked_by_another_process,
    record_one,
    recorded_facts,
)
from tests.faults.stores import (
    BEFORE,
    MlflowServer,
    mlflow_server,
    plain_environment,
    register_and_be_killed,
    register_at_once,
    registered,
    write_bundle,
)
from tests.faults.surroundings import OTHER, manifests_in
from tests.real.project import FINISHED, Project, copy_project, finished_project
from tests.tiny import write_tiny_base
from tests.torture.scoreboard import Line

ROUNDS = 3
ONE = ([1], {"challenger": 1, "champion": 1})
PLAIN = """
import mlflow, sys
with mlflow.start_run():
    for step in range(100):
        if step == 50:
            print("half", flush=True)
            sys.stdin.readline()
        mlflow.log_metric("loss", 1.0, step=step)
"""


def run(folder: Path) -> Iterator[Line]:
    """All of it, the quick first."""
    yield _at_once(folder)
    yield _promotions(folder)
    yield from _away(folder)
    project = small_project(folder / "project")
    yield _two_runs(project)
    yield from _killed(project)
    yield _surroundings(project, folder)


def small_project(root: Path) -> Project:
    """A project on the tiny base that has run once, which the parts share, in a folder of its own."""
    base = root.parent / "tiny base"
    write_tiny_base(base, [text for text, _ in sample_texts(400)])
    return copy_project(finished_project(Path(os.environ.get(FINISHED, root.parent / "finished")), base), root)


def _counted(cases: list[Callable[[], bool]]) -> tuple[int, int]:
    return len(cases), sum(case() for case in cases)


def _at_once(folder: Path) -> Line:
    clones = [folder / "a", folder / "b"]
    with mlflow_server(folder / "server") as server:

        def case(number: int, count: int, uri: str) -> bool:
            out = folder / f"bundle {number}"
            write_bundle(out, out.name)
            said = register_at_once(out, 8, clones[:count], uri)
            return said == "" and registered(MlflowClient(uri), out.name) == ONE

        stores = [f"sqlite:///{folder}/one.db", server.uri]
        cases = [
            (lambda n=number, c=count, u=uri: case(n, c, u))
            for number, (count, uri) in enumerate((c, u) for c in (1, 2) for u in stores)
        ]
        injected, held = _counted(cases)
    return Line(42, "one bundle registered by 8 processes at once", injected, held, "one version, one alias")


def _promotions(folder: Path) -> Line:
    clone = folder / "promoting"
    clone.mkdir()

    def case(number: int, call: str, count: int) -> bool:
        out = clone / f"promoted {number}"
        write_bundle(out, out.name)
        killed = register_and_be_killed(out, clone, call, count) == -9
        uri = f"sqlite:///{clone / 'mlflow.db'}"
        again = register_at_once(out, 1, [clone], None)
        return killed and again == "" and registered(MlflowClient(uri), out.name) == ONE

    points = [("log_artifacts", 1), *BEFORE, ("set_model_version_tag", 1)]
    cases = [(lambda n=n, c=c, k=k: case(n, c, k)) for n, (c, k) in enumerate(points)]
    injected, held = _counted(cases)
    return Line(43, "promotion killed before each of its steps", injected, held, "a re-run finishes it")


def _make_out(out: Path, name: str) -> None:
    write_bundle(out, name)
    (out / "metrics.json").write_text('{"macro_f1": 0.8}', encoding="utf-8")
    (out / "report.md").write_text("# Report", encoding="utf-8")


def _away(folder: Path) -> Iterator[Line]:
    generator = random.Random(40)
    held, peer = 0, ""
    with mlflow_server(folder / "away") as server:
        client = MlflowClient(server.uri)
        for number in range(ROUNDS):
            session, clone = f"killed {number}".replace(" ", "-"), folder / "client"
            _make_out(folder / session, session)
            cut = generator.randrange(1, 400)
            with RecordedStage(clone, session, folder / session, server.uri) as stage:
                stage.does("open")
                stage.does(f"live 0 {cut}")
                server.kill()
                for command in (f"live {cut} 400", "finish", "end"):
                    stage.does(command)
                goes_on = stage.ends() == 0
            server.start()
            record_one(clone, f"{session}-after", folder / session, server.uri)
            whole = recorded_facts(client, session) == expected_facts(400)
            held += goes_on and whole and registered(client, session) == ONE
        peer = _plain_client(server)
    outcome = "the stage goes on; all is recorded later, once"
    yield Line(40, "MLflow's server killed during a stage", ROUNDS, held, outcome, {"mlflow alone": peer})
    yield _locked(folder, generator, outcome)


def _plain_client(server: MlflowServer) -> str:
    """What a training that calls MLflow itself does when the server is killed in the middle of it."""
    environment = plain_environment(MLFLOW_TRACKING_URI=server.uri, MLFLOW_HTTP_REQUEST_MAX_RETRIES="2")
    process = subprocess.Popen(
        [sys.executable, "-c", PLAIN],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "half\n"
    server.kill()
    _, said = process.communicate("\n")
    return f"exit code {process.returncode}{', a traceback' if 'Traceback' in said else ''}"


def _locked(folder: Path, generator: random.Random, outcome: str) -> Line:
    held, clone = 0, folder / "locked"
    for number in range(2 * ROUNDS):
        session = f"locked-{number}"
        _make_out(folder / session, session)
        commands = ["live 0 100", "live 100 200", "finish", "end"]
        first, last = sorted(generator.sample(range(len(commands) + 1), 2))
        with RecordedStage(clone, session, folder / session) as stage:
            stage.does("open")
            for command in commands[:first]:
                stage.does(command)
            with locked_by_another_process(clone / "mlflow.db"):
                for command in commands[first:last]:
                    stage.does(command)
            for command in commands[last:]:
                stage.does(command)
            goes_on = stage.ends() == 0
        record_one(clone, f"{session}-after", folder / session)
        client = MlflowClient(f"sqlite:///{clone / 'mlflow.db'}")
        held += goes_on and recorded_facts(client, session) == expected_facts(200)
    return Line(40, "MLflow's database locked by another process", 2 * ROUNDS, held, outcome)


def _two_runs(project: Project) -> Line:
    held = 0
    with held_in_stage(project, "augment") as process:
        for words in (["flows.finetune"], ["dvc", "repro", "--force", "--single-item", "augment"]):
            done = project.run(*words)
            said = f"pid {process.pid} since" in done.stdout or f"PID {process.pid}" in done.stdout
            held += done.returncode != 0 and said and "Traceback" not in done.stdout
    project.run("flows.doctor", "--fix")
    project.run("dvc", "repro")
    return Line(33, "a second run in the same folder", 2, held, "refused, with the pid of the first")


def _killed(project: Project) -> Iterator[Line]:
    generator, lock = random.Random(32), project.lock_text()
    held = refused = cut = 0
    names = [stage.name for stage in read_stages()]
    for name in names:
        kill_in_stage(project, name, generator, longest=1.0)
        if generator.random() < 0.5:
            cut += 1
            cut_rwlock(project)
            refused += project.run("dvc", "repro").returncode != 0
        mended = project.run("flows.doctor", "--fix").returncode == 0
        done = project.run("dvc", "repro").returncode == 0
        held += mended and done and project.lock_text() == lock and not what_is_left(project)
    peers = {"dvc alone": f"refuses to run, {refused} of {cut} with a cut rwlock"}
    yield Line(
        32, "`dvc repro` killed in each stage", len(names), held, "one command mends it; the same dvc.lock", peers
    )


def _surroundings(project: Project, folder: Path) -> Line:
    wanted = manifests_in(project.root)
    held = 0
    for number, environment in enumerate(OTHER):
        root = folder / ("another folder", "woanders, für sich")[number]
        shutil.copytree(project.root, root, ignore=shutil.ignore_patterns("data", ".dvc", ".git", ".temper", "ml*"))
        shutil.copytree(project.root / "data/unlabelled", root / "data/unlabelled")
        held += manifests_in(root, project.environment | environment) == wanted
    return Line(39, "other locale, time zone, hash seed, folder, file times", len(OTHER), held, "the same bytes")
