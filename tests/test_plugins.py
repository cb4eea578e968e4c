"""Every file found in a plug-in folder fulfils its contract; every task trains and predicts by every method."""

import inspect
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pytest
import torch

import stages.methods
import stages.quantizers
import stages.sources
import stages.tasks
import stages.translators
from serving.answers import answers_for
from stages.shared import plugins
from stages.shared.base_model import tokenizer_of
from stages.shared.examples import BASE_COLUMNS, Example
from stages.shared.params import Params
from stages.shared.predict import inputs_of
from stages.shared.sections import Choice
from stages.train.optimizer import add_gradients, make_optimizer

FOUND = {
    "methods": ["full"],
    "quantizers": ["onnx_int8"],
    "sources": ["file", "hub"],
    "tasks": ["classification"],
    "thesauri": ["wordnet"],
    "translators": ["apertium", "marian"],
}
EVERY = [(folder, name) for folder, names in FOUND.items() for name in names]
CONTRACTS: dict[str, Any] = {
    "methods": stages.methods.Method,
    "quantizers": stages.quantizers.Quantizer,
    "sources": stages.sources.Source,
    "tasks": stages.tasks.Task,
    "translators": stages.translators.Translator,
}
SAMPLES: dict[str, list[dict[str, str]]] = {  # rows of each task, by its own columns
    "classification": [
        {"text": "It came a day late.", "label": "negative"},
        {"text": "A lamp that gives light.", "label": "neutral"},
        {"text": "Best soup in town!", "label": "positive"},
    ]
}


@pytest.mark.parametrize("folder", FOUND)
def test_what_is_found(folder: str) -> None:
    assert plugins.names_of(folder) == FOUND[folder]


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
    plug_in, contract = plugins.load(folder, name), CONTRACTS[folder]
    for wanted, signature in functions_of(contract).items():
        assert list(inspect.signature(getattr(plug_in, wanted)).parameters) == signature, wanted
    for attribute in getattr(contract, "__annotations__", {}):
        assert hasattr(plug_in, attribute)


def functions_of(contract: Any) -> dict[str, list[str]]:
    """The public functions of a protocol, with the names of their parameters but `self`."""
    return {
        name: list(inspect.signature(function).parameters)[1:]
        for name, function in vars(contract).items()
        if inspect.isfunction(function) and not name.startswith("_")
    }


def rows_of(task: ModuleType, name: str) -> list[Example]:
    blank = dict.fromkeys(BASE_COLUMNS, "")
    rows = [{**blank, "id": str(i), **row} for i, row in enumerate(SAMPLES[name])]
    assert all(set(row) == {*BASE_COLUMNS, *task.COLUMNS} for row in rows)
    return rows


@pytest.mark.parametrize("task_name", FOUND["tasks"])
def test_a_task_answers_about_its_rows(task_name: str, make_params: Callable[..., Params]) -> None:
    task, params = plugins.load("tasks", task_name), make_params().task
    for row in rows_of(task, task_name):
        assert task.with_texts(row, task.texts(row)) == row
        assert task.fault(row, params) is None
        assert not task.answers(params) or task.answer(row) in task.answers(params)


@pytest.mark.parametrize("method_name", FOUND["methods"])
@pytest.mark.parametrize("task_name", FOUND["tasks"])
def test_every_task_learns_and_predicts_by_every_method(
    task_name: str, method_name: str, make_params: Callable[..., Params], tiny_base: Path
) -> None:
    task, method, params = plugins.load("tasks", task_name), plugins.load("methods", method_name), make_params()
    rows, tokenizer = rows_of(task, task_name), tokenizer_of(tiny_base)
    torch.manual_seed(0)
    model = method.prepare(task.load_model(tiny_base, params.task), params.train.method)
    batch = task.collate(task.encode(tokenizer, rows, params.task), tokenizer)
    optimizer = make_optimizer(model, params.train.model_copy(update={"learning_rate": 1e-3}))
    model.eval()  # without dropout each step must help
    losses = []
    for _ in range(2):
        optimizer.zero_grad()
        losses.append(add_gradients(model, [batch], task, None, lambda loss: loss.backward()).item())
        optimizer.step()
    assert losses[1] < losses[0]
    model = method.finish(model)
    with torch.inference_mode():
        predicted = task.decode(model(**inputs_of(batch)).logits.numpy(), params.task)
    metrics = task.metrics([task.answer(row) for row in rows], predicted, params.task)
    assert 0 <= metrics[task.PRIMARY] <= 1


@pytest.mark.parametrize("task_name", FOUND["tasks"])
def test_the_server_answers_for_every_task(task_name: str, make_params: Callable[..., Params]) -> None:
    settings = plugins.load("tasks", task_name).bundle_settings(make_params().task)
    assert settings["task"] == task_name
    answers_for(settings).check(settings)
