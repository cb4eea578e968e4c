"""Figures of the examples: tokens, keys, and what the task says of them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerBase

from stages.shared.base_model import tokenizer_of
from stages.shared.params import Params
from stages.tasks import task_of
from stages.validate.rows import count_tokens, read_rows, schema_frame, token_figures
from tests.stages.validate.conftest import ENTITIES, entity_row, write_splits


@pytest.fixture(scope="module")
def tokenizer(tiny_base: Path) -> PreTrainedTokenizerBase:
    return tokenizer_of(tiny_base)


def test_tokens_are_those_of_the_whole_text_with_special_ones(tokenizer: PreTrainedTokenizerBase) -> None:
    long = "the " * 500
    tokens, unknown = count_tokens([("the the",), ("",), (long,), ("the ☃ ☂ the",)], tokenizer)
    assert tokens.tolist() == [4, 2, 502, 6]
    assert unknown.tolist() == [0, 0, 0, 2]


def test_a_pair_counts_as_the_model_reads_it(tokenizer: PreTrainedTokenizerBase) -> None:
    tokens, _ = count_tokens([("the the", "the")], tokenizer)
    assert tokens.tolist() == [len(tokenizer("the the", "the")["input_ids"])]


def test_a_mark_is_one_token(tiny_base: Path) -> None:
    marked = "the <e1>the</e1> the"
    (tokens,), (unknown,) = count_tokens([(marked,)], tokenizer_of(tiny_base, ["<e1>", "</e1>"]))
    assert (tokens, unknown) == (7, 0)


def test_of_several_that_are_read_apart_the_longest_counts(tokenizer: PreTrainedTokenizerBase) -> None:
    figures = token_figures([[("the",), ("the the ☃ the",)], [("the",)]], tokenizer, [4])
    assert {name: values.tolist() for name, values in figures.items()} == {
        "tokens": [6, 3],
        "all_tokens": [9, 3],
        "tokens_beyond": [2, 0],
        "unknown_tokens": [1, 0],
    }


def test_a_row_holds_what_the_task_says_and_one_at_fault_its_fault_alone(
    tmp_path: Path, make_params: Callable[..., Params], tokenizer: PreTrainedTokenizerBase
) -> None:
    task = task_of(make_params(ENTITIES).task)
    good = entity_row("train", 0, "Anna went to Rome.", ("Anna", "PER"), ("Rome", "LOC"))
    bad = entity_row("train", 1, "Anna went to Rome.", ("Rome", "CITY"))
    none = entity_row("train", 2, "Nobody went.")
    ingested = write_splits(tmp_path / "in", {"train": [good, bad, none], "validation": [], "test": []}, task.columns)
    rows = read_rows(ingested, task, tokenizer)
    assert rows["classes"].tolist() == [("LOC", "PER"), (), ()]
    assert rows["answer"].tolist() == ['[[0, 4, "PER"], [13, 17, "LOC"]]', "", "[]"]
    assert rows["answer_fault"].isna().tolist() == [True, False, True]
    assert rows["key"].tolist() == ["anna went to rome.", "anna went to rome.", "nobody went."]


def test_columns_of_lists_are_compared_by_their_type(tmp_path: Path, make_params: Callable[..., Params]) -> None:
    entities = task_of(make_params(ENTITIES).task)
    nothing = {"train": [], "validation": [], "test": []}
    good = schema_frame(write_splits(tmp_path / "good", nothing, entities.columns), entities)
    assert good["found"].tolist() == good["expected"].tolist()
    bad = schema_frame(write_splits(tmp_path / "bad", nothing), entities)
    wrong = bad[bad["found"] != bad["expected"]]
    assert set(wrong["column"]) == {"entities", "label"}
    assert set(wrong["found"]) == {"none", "string"}
