"""Every file found in a plug-in folder fulfils its contract; every task passes every stage on its sample."""

import inspect
import re
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pytest

import stages.methods
import stages.objectives
import stages.quantizers
import stages.regularizers
import stages.sources
import stages.tasks
import stages.translators
from stages.shared import plugins
from stages.shared.examples import BASE_COLUMNS, read_split
from stages.shared.params import load_params
from stages.shared.pipeline import read_stages
from stages.shared.sections import Choice
from stages.tasks import task_of, texts_of
from tests import recipes
from tests.conftest import ROOT

FOUND = {
    "methods": [
        "adalora",
        "adapter",
        "bitfit",
        "freeze",
        "full",
        "head",
        "ia3",
        "lora",
        "prefix",
        "prompt",
        "prompting",
        "setfit",
    ],
    "objectives": ["causal_lm", "masked_lm", "none"],
    "quantizers": ["ctranslate2_int8", "onnx_int8"],
    "regularizers": ["fgm", "freelb", "label_smoothing", "mixup", "rdrop"],
    "sources": ["file", "folder", "hub", "sql"],
    "tasks": [
        "classification",
        "generation",
        "images",
        "masked_lm",
        "ner",
        "pairs",
        "qa",
        "relations",
        "retrieval",
        "seq2seq",
    ],
    "thesauri": ["wordnet"],
    "translators": ["apertium", "marian"],
}
EVERY = [(folder, name) for folder, names in FOUND.items() for name in names]
CONTRACTS: dict[str, Any] = {
    "methods": stages.methods.Method,
    "objectives": stages.objectives.Objective,
    "quantizers": stages.quantizers.Quantizer,
    "regularizers": stages.regularizers.Regularizer,
    "sources": stages.sources.Source,
    "translators": stages.translators.Translator,
}
WHOLE = {  # recipe or variant: what of a task it takes through every stage
    "financial_sentiment": "",
    "multilabel": ", several labels",
    "ner": "",
    "relations": "",
    "similarity": ", a score",
    "recommendation": ", a label",
    "qa": "",
    "faq_retrieval": "",
    "zero_shot": ", without training",
    "images": "",
    "translation": ", translations",
    "summarisation": ", summaries",
    "generation": ", prompts",
    "generation_texts": ", texts",
    "masked_lm": "",
}
BEGUN = [
    "chinese_ner",
    "chinese_sentiment",
    "distill",
    "few_shot",
    "gpt_classification",
    "intent",
    "lora",
    "pretrain_mlm",
    "search",
    "sentiment",
]  # up to training: other data, same tasks
NO_STUDENT = ("zero_shot", "images", "translation", "summarisation", "generation", "generation_texts", "masked_lm")
TABLE: dict[str, list[str]] = {}


@pytest.mark.parametrize("folder", FOUND)
def test_what_is_found(folder: str) -> None:
    assert plugins.names_of(folder) == FOUND[folder]


def test_the_recipes_that_are_found_and_the_tasks_that_they_cover() -> None:
    own = [name for name in WHOLE if name not in recipes.VARIANTS]
    assert recipes.names() == sorted([*own, *BEGUN])
    chosen = {load_params(recipes.RECIPES / f"{name}.yaml").task.name for name in own}
    assert sorted(chosen) == FOUND["tasks"]


@pytest.mark.parametrize(("folder", "name"), EVERY)
def test_the_options_are_a_choice_of_the_files_name_without_defaults(folder: str, name: str) -> None:
    options = plugins.load(folder, name).Params
    assert issubclass(options, Choice)
    assert get_args(options.model_fields["name"].annotation) == (name,)
    assert [field for field, info in options.model_fields.items() if not info.is_required()] == []


@pytest.mark.parametrize("name", FOUND["sources"])
def test_every_source_says_what_dvc_watches(name: str) -> None:
    assert plugins.load("sources", name).Params.model_fields["path"].annotation is str


@pytest.mark.parametrize(("folder", "name"), [(f, n) for f, n in EVERY if f in CONTRACTS])
def test_it_has_the_functions_of_its_contract(folder: str, name: str) -> None:
    fulfils(plugins.load(folder, name), CONTRACTS[folder])


def fulfils(plug_in: Any, contract: Any) -> None:
    for wanted, signature in functions_of(contract).items():
        assert list(inspect.signature(getattr(plug_in, wanted)).parameters) == signature, wanted
    members = members_of(contract)
    properties = [name for name, value in members.items() if isinstance(value, property)]
    for attribute in [*properties, *vars(contract).get("__annotations__", {})]:
        assert hasattr(plug_in, attribute), attribute


def members_of(contract: Any) -> dict[str, Any]:
    """What a protocol and those that it is made of say."""
    kinds = [kind for kind in contract.__mro__ if kind.__module__.startswith("stages.")]
    return {name: value for kind in kinds for name, value in vars(kind).items()}


def functions_of(contract: Any) -> dict[str, list[str]]:
    """The public functions of a protocol, with the names of their parameters but `self`."""
    return {
        name: list(inspect.signature(function).parameters)[1:]
        for name, function in members_of(contract).items()
        if inspect.isfunction(function) and not name.startswith("_")
    }


def student_of(name: str) -> dict[str, Any]:
    """A student for a task that may have one."""
    if name in NO_STUDENT:
        return {}
    return {"distill.student": recipes.student()}


@pytest.mark.parametrize("name", WHOLE)
def test_every_task_passes_every_stage_on_its_sample(name: str, tmp_path: Path) -> None:
    ran = recipes.run(name, tmp_path, lambda stage: True, student_of(name))
    TABLE[name] = ran.row()
    task = task_of(ran.params.task)
    fulfils(task, stages.tasks.Task)
    first = read_split(tmp_path / "validate", "train")[0]
    texts = texts_of(task, first)
    assert set(first) == {*BASE_COLUMNS, *task.columns}
    assert task.with_texts(first, texts, [lambda place: place] * len(texts)) == first
    assert task.fault(first) is None
    assert ran.outcomes["ingest"].metrics["rows.rejected"] == 0
    assert (ran.outcomes["train"].metrics["steps"] >= 2) is (name != "zero_shot")
    assert task.primary in {metric.removeprefix("test.") for metric in ran.outcomes["evaluate"].metrics}
    assert all(said == evaluated for said, evaluated in recipes.answers_of(ran, 10))


@pytest.mark.parametrize("name", BEGUN)
def test_the_other_recipes_train_on_their_samples(name: str, tmp_path: Path) -> None:
    ran = recipes.run(name, tmp_path, lambda stage: stage in ("ingest", "validate", "augment", "pretrain", "train"))
    assert ran.outcomes["ingest"].metrics["rows.rejected"] == 0
    pairs = 20 if name == "few_shot" else 1  # that each text is put into
    assert ran.outcomes["train"].metrics["steps"] == 2 * pairs
    if name == "pretrain_mlm":
        learnt = ran.outcomes["pretrain"].metrics
        assert learnt["validation.perplexity"] < learnt["before.perplexity"]


def test_the_readme_has_the_table_of_tasks_and_stages() -> None:
    if TABLE.keys() != WHOLE.keys():
        pytest.skip("made of what the tests of all tasks found, and not all were run")
    header = ["task", *(stage.name for stage in read_stages(ROOT / "dvc.yaml"))]
    rows = [[TABLE[name][0] + kind, *TABLE[name][1:]] for name, kind in WHOLE.items()]
    lines = [header, ["---"] * len(header), *rows]
    wanted = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    found = re.search(r"(^\| task \| ingest .*\n(?:\|.*\n)+)", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert found is not None and found[1] == wanted, f"README's table of tasks and stages should be:\n{wanted}"


def test_the_task_of_one_file_in_the_readme_is_whole() -> None:
    (code,) = re.findall(r'```python\n("""One label for a ticket.*?)```', (ROOT / "README.md").read_text(), re.DOTALL)
    tickets = ModuleType("stages.tasks.tickets")
    exec(code, vars(tickets))
    reading = {"max_tokens": 32, "long_texts": "head", "overlap": 0, "head": None, "head_from_packages": False}
    task = tickets.open_task(tickets.Params(name="tickets", labels=["bug", "wish"], **reading))
    fulfils(task, stages.tasks.Task)
    row = {"subject": "It stops", "body": "After the update it stops at once.", "label": "bug"}
    assert task.columns.keys() == row.keys()
    assert task.shown(row) == [("It stops", "After the update it stops at once.")]
    assert task.settings()["inputs"] == ["subject", "body"]


def test_the_head_in_the_readme_is_the_one_that_is_there() -> None:
    assert (ROOT / "heads/two_layer.py").read_text() in (ROOT / "README.md").read_text()
