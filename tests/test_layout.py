"""The rules that keep the project easy to change: sizes, imports, one tool one place, dvc.yaml tells the truth."""

import ast
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages.shared.pipeline import read_stages

ROOT = Path(__file__).parents[1]
CODE = sorted(path for folder in ("flows", "stages", "serving") for path in (ROOT / folder).rglob("*.py"))
PLUG_INS = ("sources", "tasks", "translators", "thesauri", "methods", "regularizers", "objectives", "quantizers")
STAGES = {stage.name: stage for stage in read_stages(ROOT / "dvc.yaml")}
RAW_DVC = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))


def module_of(path: Path) -> str:
    words = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(words[:-1] if words[-1] == "__init__" else words)


MODULES = {module_of(path): path for path in CODE}


def imports_of(path: Path) -> set[str]:
    """Every module that a file imports, anywhere in it, but for what only a type checker reads."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names if f"{node.module}.{alias.name}" in MODULES}
    return found


def imports_any(path: Path, package: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for name in imports_of(path))


def functions() -> list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    return [
        (f"{path.relative_to(ROOT)}:{node.name}", node)
        for path in CODE
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def test_no_file_is_longer_than_300_lines() -> None:
    long = {str(path): n for path in CODE if (n := len(path.read_text(encoding="utf-8").splitlines())) > 300}
    assert not long


def test_no_function_is_longer_than_50_lines_or_takes_more_than_7_parameters() -> None:
    long = []
    for name, node in functions():
        doc = node.body[0].end_lineno - node.body[0].lineno + 1 if ast.get_docstring(node) else 0
        if node.end_lineno - node.lineno + 1 - doc > 50:
            long.append(name)
        if len(node.args.args) + len(node.args.kwonlyargs) > 7:
            long.append(name)
    assert not long


@pytest.mark.parametrize(
    ("package", "allowed"),
    [
        ("prefect", "flows/"),
        ("mlflow", "stages/shared/tracking"),
        ("great_expectations", "stages/validate"),
        ("dvc", "nowhere"),
    ],
)
def test_one_tool_one_place(package: str, allowed: str) -> None:
    outside = [
        p for path in CODE if imports_any(path, package) and not (p := str(path.relative_to(ROOT))).startswith(allowed)
    ]
    assert not outside


def test_imports_go_one_way() -> None:
    wrong = []
    for path in CODE:
        module = module_of(path)
        for name in imports_of(path):
            if name in MODULES and not may_import(module, name):
                wrong.append(f"{module} imports {name}")
    assert not wrong


def layer(module: str) -> tuple[int, str]:
    """The layer of a module, lowest first, and its family: what may not be imported sideways."""
    words = module.split(".")
    if words[0] == "serving":
        return 0, "serving"
    if module in ("stages", "stages.shared") or module.startswith("stages.shared."):
        return 1, "shared"
    if words[0] == "stages" and words[1] in PLUG_INS:
        return 2, ".".join(words[:2])
    return (3, ".".join(words[:2])) if words[0] == "stages" else (4, "flows")


def may_import(module: str, name: str) -> bool:
    own, other = layer(module), layer(name)
    if own[1] == other[1]:
        same_plug_in = own[0] != 2 or name == own[1] or name.split(".")[-1].startswith("_")
        return same_plug_in
    if own[0] == 2 and other[0] == 2:
        return False
    return other[0] < own[0]


def test_serving_imports_little() -> None:
    allowed = {"PIL", "ctranslate2", "numpy", "onnxruntime", "tokenizers", "serving"}
    standard = set(__import__("sys").stdlib_module_names)
    for path in sorted((ROOT / "serving").rglob("*.py")):
        roots = {name.split(".")[0] for name in imports_of(path)}
        assert roots <= allowed | standard, path


@pytest.mark.parametrize("name", STAGES)
def test_one_word_per_stage(name: str) -> None:
    assert f"stages.{name}" in MODULES
    assert str(STAGES[name].out) == f"data/{name}"
    assert RAW_DVC["stages"][name]["cmd"].startswith(f"python -m flows.stage {name} ")
    assert f"data/{name}/metrics.json" in RAW_DVC["metrics"]


def plug_in_folders(modules: set[str]) -> set[str]:
    """The plug-in folders that the modules load from by name."""
    return {
        folder
        for module in modules
        for folder in re.findall(r"load\(\s*\"([a-z]+)\"", MODULES[module].read_text(encoding="utf-8"))
    }


def reached_from(module: str) -> set[str]:
    """The project's modules that a stage runs: what it imports, and what those import, whichever plug-in is chosen.

    Not the record of runs, which changes no output.
    """
    found, waiting = set[str](), [module, *(name for name in MODULES if name.startswith(f"{module}."))]
    while waiting:
        current = waiting.pop()
        if current in found or current.startswith(("stages.shared.tracking", "flows")):
            continue
        found.add(current)
        chosen = [f"stages.{folder}" for folder in plug_in_folders({current})]
        inner = [name for name in MODULES for folder in chosen if name == folder or name.startswith(f"{folder}.")]
        waiting += [name for name in imports_of(MODULES[current]) if name in MODULES] + inner
    return found


def is_named(file: str, deps: set[str]) -> bool:
    return file in deps or any(file.startswith(f"{dep}/") for dep in deps if (ROOT / dep).is_dir())


@pytest.mark.parametrize("name", STAGES)
def test_dvc_names_the_code_that_a_stage_runs(name: str) -> None:
    modules = reached_from(f"stages.{name}")
    raw_deps, deps = set(RAW_DVC["stages"][name]["deps"]), set(STAGES[name].dependencies)
    for folder in plug_in_folders(modules):
        chosen = any(dep.startswith(f"stages/{folder}/${{") for dep in raw_deps)
        assert chosen or f"stages/{folder}" in deps, f"the chosen file of {folder}, or all of them where it is a list"
    files = {MODULES[module].relative_to(ROOT).as_posix() for module in modules if MODULES[module].stat().st_size > 0}
    plug_ins = {file for file in files if re.fullmatch(rf"stages/({'|'.join(PLUG_INS)})/[a-z]\w*\.py", file)}
    assert not {file for file in files - plug_ins if not is_named(file, deps)}


@pytest.mark.parametrize("name", STAGES)
def test_dvc_names_the_sections_that_a_stage_reads(name: str) -> None:
    read: set[str] = set()
    for module in reached_from(f"stages.{name}"):
        if module == "stages.shared.params" or layer(module)[0] < 3:
            continue
        text = MODULES[module].read_text(encoding="utf-8")
        found = re.findall(r"\bparams\.([a-z]+_?(?:\.[a-z_]+)?)", text)
        read |= {match.replace("_.", ".").rstrip("_") for match in found}
    declared = set(RAW_DVC["stages"][name]["params"])
    used = {word for word in read if word.split(".")[0].rstrip("_") in {"seed", "task", *STAGES}}
    assert not {word for word in used if word not in declared and word.split(".")[0].rstrip("_") not in declared}


def test_the_readme_has_the_stages_of_dvc_yaml() -> None:
    table = re.findall(r"^\| `([a-z]+)` \| (.+) \|$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert table == [(stage.name, stage.description) for stage in STAGES.values()]


def test_no_text_names_this_machine() -> None:
    for path in [*CODE, ROOT / "README.md", ROOT / "Makefile", ROOT / "CHANGELOG.md", ROOT / "pyproject.toml"]:
        text = path.read_text(encoding="utf-8")
        assert "/root/" not in text, path
        assert "realdata" not in text, path
