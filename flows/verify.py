"""Run a stage once more, beside its recorded output, and say whether it gives the same.

python -m flows.verify STAGE

It reads the inputs of the workspace and writes into a scratch folder alone. "same bits" or "same figures" end with 0;
"different", which names the files and figures, with 5.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from flows.doctoring.damage import md5_of_path
from flows.perform import METRICS, performed
from serving.written import MANIFEST
from stages.shared.errors import MachineError, ParamsError, Refused, TemperError
from stages.shared.lineage import DVC_LOCK, locked_hashes, machine_tags
from stages.shared.params import PARAMS_FILE, Params, load_params
from stages.shared.pipeline import Stage, read_stages
from stages.shared.publish import check_manifest
from stages.shared.workspace import state_folder

TOLERANCE = 1e-3  # of a figure, relative to the larger of the two, which counts as 1 at least
CHOICE = "precision_bits"  # a figure that says what was chosen by a measurement, not how good the result is
MACHINE = {
    "temper.versions": "versions of packages",
    "temper.python": "Python",
    "temper.threads": "threads",
    "temper.cpu": "CPU flags",
    "temper.host": "host",
}


def _stage(name: str) -> Stage:
    stages = {stage.name: stage for stage in read_stages()}
    if name not in stages:
        raise ParamsError(f"'{name}' is not a stage of dvc.yaml: {', '.join(stages)}")
    return stages[name]


def _value(tree: Any, key: str) -> Any:
    for word in key.split("."):
        tree = tree[word] if isinstance(tree, dict) and word in tree else None
    return tree


def _changed(stage: Stage) -> list[str]:
    """Dependencies and parameters that are not those with which dvc.lock says that the output was made."""
    yaml = YAML(typ="safe", pure=True)
    locked = (yaml.load(DVC_LOCK.read_text(encoding="utf-8")) if DVC_LOCK.is_file() else {}).get("stages", {})
    if stage.name not in locked:
        raise MachineError(f"dvc.lock has no run of {stage.name}: there is nothing to compare with. Run `dvc repro`.")
    entry = locked[stage.name]
    deps = [one["path"] for one in entry["deps"] if md5_of_path(Path(one["path"])) != one["md5"]]
    values = yaml.load(PARAMS_FILE.read_text(encoding="utf-8"))
    told = entry.get("params", {}).get(str(PARAMS_FILE), {})
    return deps + [f"{PARAMS_FILE}: {key}" for key, value in told.items() if _value(values, key) != value]


def _require_recorded(stage: Stage) -> None:
    """Raise when the recorded output is not there, not whole, or not of the inputs of the workspace."""
    if not stage.out.is_dir():
        raise MachineError(f"{stage.out}: there is no output to compare with. Run `dvc repro`.")
    check_manifest(stage.out)
    if changed := _changed(stage):
        listed = "\n  ".join(changed)
        raise MachineError(f"{stage.out} was made of something else; changed since:\n  {listed}\nRun `dvc repro`.")


def _files(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / MANIFEST).read_text(encoding="utf-8"))["files"]
    return found


def differing_files(old: Path, new: Path) -> list[str]:
    """The files that are not the same in both, to the bit, or that one of them lacks."""
    first, second = _files(old), _files(new)
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


def differing_figures(old: Path, new: Path) -> list[str]:
    """The figures that are not the same, each with both values."""
    first, second = (json.loads((out / METRICS).read_text(encoding="utf-8")) for out in (old, new))
    found = []
    for name in sorted((first.keys() | second.keys()) - {CHOICE}):
        one, other = first.get(name), second.get(name)
        if one is None or other is None or abs(one - other) > TOLERANCE * max(1.0, abs(one), abs(other)):
            found.append(f"{name}: {one} recorded, {other} now")
    return found


def _reasons(stage: Stage, new: Path, params: Params) -> list[str]:
    """What of the machine, and of what was chosen on it, is not as it was when the output was recorded."""
    from stages.shared.tracking.recorded import tags_of_run

    now = machine_tags(params.train.threads)
    locked = locked_hashes()
    then = tags_of_run(stage.name, {path: locked[path] for path in stage.dependencies if path in locked})
    found = [
        f"{what}: {then[tag]} when it was recorded, {now[tag]} now"
        for tag, what in MACHINE.items()
        if tag in then and then[tag] != now[tag]
    ]
    bits = [json.loads((out / METRICS).read_text(encoding="utf-8")).get(CHOICE) for out in (stage.out, new)]
    if bits[0] != bits[1]:
        found.append(f"precision chosen: {bits[0]:g} bits when it was recorded, {bits[1]:g} bits now")
    unknown = "MLflow has no record of the run that made it" if not then else "versions, threads and CPU are the same"
    return found or [unknown]


def verify(name: str) -> str:
    """Run the stage again and grade it; gives the verdict.

    Raises:
        Refused: the result is different.
    """
    stage, params = _stage(name), load_params(PARAMS_FILE)
    _require_recorded(stage)
    with tempfile.TemporaryDirectory(dir=state_folder("scratch")) as scratch:
        new = Path(scratch) / stage.out.name
        performed(name, [*stage.given[:-1], new], params)
        files = differing_files(stage.out, new)
        if not files:
            return f"same bits: {name}: all {len(_files(new))} files"
        figures = differing_figures(stage.out, new)
        lines = [f"files that differ: {', '.join(files)}", *_reasons(stage, new, params)]
        told = "\n  ".join([*figures, *lines])
    if figures:
        raise Refused(f"different: {name}:\n  {told}")
    return f"same figures: {name}:\n  {told}"


def main() -> int:
    """The command line; gives the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m flows.verify", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stage", help="a stage of dvc.yaml")
    try:
        print(verify(parser.parse_args().stage))
    except TemperError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
