"""dvc.yaml as the one statement of the graph: the stages in the order in which they can run."""

import re
import shlex
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

DVC_YAML = Path("dvc.yaml")


@dataclass(frozen=True)
class Stage:
    """A stage of dvc.yaml.

    Attributes:
        name: its one word.
        description: what it does, from `desc`.
        dependencies: the paths it reads: the outputs of other stages, and files.
        out: the folder that it writes.
        ancestors: the names of the stages that must have run before it.
        params: the dotted keys of params.yaml that it depends on.
        given: the paths that its command names, in order, the output last.
    """

    name: str
    description: str
    dependencies: tuple[str, ...]
    out: Path
    ancestors: frozenset[str]
    params: tuple[str, ...] = ()
    given: tuple[Path, ...] = ()


def _read_yaml(file: Path, yaml: YAML) -> Any:
    return yaml.load(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _filled(template: str, params: dict[str, Any]) -> str:
    """The text with each ${dotted.key} replaced by its value in the parameters, as DVC does."""

    def value(match: re.Match[str]) -> str:
        return str(reduce(lambda section, key: section[key], match[1].split("."), params))

    return re.sub(r"\$\{([\w.]+)\}", value, template)


def read_stages(file: Path = DVC_YAML) -> list[Stage]:
    """The stages of a dvc.yaml, each after all of its ancestors, else in the order of the file.

    Raises:
        KeyError: a template names a key that params.yaml, beside the file, does not have.
    """
    raw = _read_yaml(file, YAML(typ="base"))["stages"]  # it holds texts alone, which are read fast
    params = _read_yaml(file.parent / "params.yaml", YAML(typ="safe", pure=True))
    for stage in raw.values():
        stage["deps"] = [_filled(path, params) for path in stage["deps"]]
        stage["given"] = tuple(map(Path, shlex.split(_filled(stage["cmd"], params))[4:]))
    writer = {str(out): name for name, stage in raw.items() for out in stage["outs"]}
    waiting, ordered = dict(raw), dict[str, Stage]()
    while waiting:
        ready = next(
            (n for n, s in waiting.items() if not {writer[d] for d in s["deps"] if d in writer} & waiting.keys()), None
        )
        if ready is None:
            raise ValueError(f"{file}: the stages {', '.join(waiting)} wait for each other")
        stage = waiting.pop(ready)
        parents = {writer[d] for d in stage["deps"] if d in writer}
        ancestors = parents.union(*(ordered[p].ancestors for p in parents))
        out = Path(stage["outs"][0])
        keys, given = tuple(stage.get("params", ())), stage["given"]
        ordered[ready] = Stage(ready, stage["desc"], tuple(stage["deps"]), out, frozenset(ancestors), keys, given)
    return list(ordered.values())
