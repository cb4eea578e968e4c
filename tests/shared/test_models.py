"""The model of a task: the base with the head that the task asks for."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from stages.shared.base_model import tokenizer_of
from stages.shared.models import load_model, write_model
from stages.shared.params import Params
from stages.tasks import task_of

PLAIN = SimpleNamespace(head=None, head_from_packages=False)
IDS = torch.tensor([[2, 9, 8, 3], [2, 7, 3, 0]])
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
TYPES = torch.tensor([[0, 0, 1, 1], [0, 1, 1, 0]])


def task(head: str, *outputs: str) -> Any:
    return SimpleNamespace(head=head, outputs=list(outputs))


def logits(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        return model.eval()(input_ids=IDS, attention_mask=MASK, token_type_ids=TYPES).logits


@pytest.mark.parametrize(
    ("head", "outputs", "shape"),
    [
        ("sequence", ("bad", "good"), (2, 2)),
        ("compared", ("same", "other", "opposite"), (2, 3)),
        ("token", ("O", "B", "I"), (2, 4, 3)),
        ("sentence", (), (2, 32)),
    ],
)
def test_each_kind_of_head_says_what_it_should_and_is_the_same_when_read_again(
    head: str, outputs: tuple[str, ...], shape: tuple[int, ...], tiny_base: Path, tmp_path: Path
) -> None:
    tokenizer = tokenizer_of(tiny_base)
    model = load_model(task(head, *outputs), tiny_base, PLAIN, len(tokenizer))
    said = logits(model)
    assert said.shape == shape
    if head in ("sequence", "token"):
        assert model.config.id2label == dict(enumerate(outputs))
    if head == "sentence":
        torch.testing.assert_close(said.norm(dim=1), torch.ones(2))
    write_model(model, tokenizer, tmp_path)
    torch.testing.assert_close(logits(load_model(task(head, *outputs), tmp_path, PLAIN, len(tokenizer))), said)


@pytest.mark.parametrize("head", ["sequence", "sentence"])
def test_the_vocabulary_grows_to_the_marks_and_keeps_its_words(head: str, tiny_base: Path) -> None:
    words = len(tokenizer_of(tiny_base))
    few, more = (load_model(task(head, "a", "b"), tiny_base, PLAIN, words + added) for added in (0, 4))
    grown = more.get_submodule("body" if head == "sentence" else "bert").get_input_embeddings().weight
    given = few.get_submodule("body" if head == "sentence" else "bert").get_input_embeddings().weight
    assert len(grown) == len(given) + 4
    assert torch.equal(grown[: len(given)], given)


def test_texts_are_compared_only_on_a_base_that_tells_them_apart(tiny_base: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_base, tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "config.json").write_text(json.dumps(config | {"type_vocab_size": 1}), encoding="utf-8")
    found = [type(load_model(task("compared", "a", "b"), base, PLAIN, 0)).__name__ for base in (tiny_base, tmp_path)]
    assert found == ["Headed", "BertForSequenceClassification"]


def test_a_head_of_the_users_is_taken_where_one_is_named(make_params: Callable[..., Params], tiny_base: Path) -> None:
    params = make_params({"task.head": "heads.two_layer:TwoLayerHead"}).task
    model = load_model(task_of(params), tiny_base, params, 0)
    assert type(model.head).__name__ == "TwoLayerHead"
    assert logits(model).shape == (2, 3)
