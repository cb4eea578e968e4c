"""Back-translation by Marian models that were trained to translate: the meaning comes back, in other words."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from pyarrow.parquet import read_table
from transformers import MarianMTModel, MarianTokenizer

from stages.augment import augment
from stages.shared.examples import features, write_split
from stages.shared.params import Params
from stages.tasks import task_of
from stages.translators import marian
from tests.translators.made_up_language import plainly, sentence, translated, write_trained

UPDATES = 150
HELD_OUT = 80


@pytest.fixture(scope="session")
def sentences() -> list[str]:
    """Different sentences; the first are for no model to learn from."""
    chance = random.Random(0)
    return list(dict.fromkeys(sentence(chance) for _ in range(3000)))


@pytest.fixture(scope="session")
def options(tmp_path_factory: pytest.TempPathFactory, sentences: list[str]) -> marian.Params:
    """A model for each way, trained."""
    folder, threads = tmp_path_factory.mktemp("trained"), torch.get_num_threads()
    shown = sentences[HELD_OUT:]
    foreign = [translated(text) for text in shown]
    torch.set_num_threads(1)
    write_trained(folder / "there", shown, foreign, UPDATES)
    write_trained(folder / "back", foreign, [plainly(text) for text in shown], UPDATES)
    torch.set_num_threads(threads)
    there, back = (marian.Model(model=str(folder / way), revision=None) for way in ("there", "back"))
    sizes = {"batch_size": 16, "num_beams": 2, "max_tokens": 48}
    return marian.Params(name="marian", there=there, back=back, precision="float32", **sizes)


def by_transformers(texts: list[str], options: marian.Params, beams: int) -> list[str]:
    """What transformers' own search writes for each text, asked by itself."""
    tokenizer = MarianTokenizer.from_pretrained(options.there.model)
    model = MarianMTModel.from_pretrained(options.there.model)
    limits = {"num_beams": beams, "max_new_tokens": options.max_tokens, "do_sample": False}
    cut = {"truncation": True, "max_length": options.max_tokens, "return_tensors": "pt"}
    with torch.inference_mode():
        written = [model.generate(**tokenizer([text], **cut), **limits)[0] for text in texts]
    return tokenizer.batch_decode(written, skip_special_tokens=True)


@pytest.mark.parametrize("beams", [1, 2, 4])
def test_the_words_are_those_of_transformers(options: marian.Params, sentences: list[str], beams: int) -> None:
    asked = options.model_copy(update={"num_beams": beams})
    assert marian.translate(sentences[:24], "there", asked) == by_transformers(sentences[:24], options, beams)


def test_what_is_too_long_ends_where_it_does_in_transformers(options: marian.Params, sentences: list[str]) -> None:
    short = options.model_copy(update={"max_tokens": 6, "num_beams": 1})
    assert marian.translate(sentences[:8], "there", short) == by_transformers(sentences[:8], short, 1)


def test_int8_says_nearly_the_same(options: marian.Params, sentences: list[str]) -> None:
    held = sentences[:HELD_OUT]
    said = marian.translate(held, "there", options.model_copy(update={"precision": "int8"}))
    assert sum(one == translated(text) for one, text in zip(said, held, strict=True)) >= 0.9 * HELD_OUT


def test_sentences_that_no_model_has_seen_are_translated_there_and_back(
    options: marian.Params, sentences: list[str]
) -> None:
    held = sentences[:HELD_OUT]
    middle = marian.translate(held, "there", options)
    right = [said == translated(text) for said, text in zip(middle, held, strict=True)]
    assert sum(right) >= 0.95 * HELD_OUT
    back = marian.translate(middle, "back", options)
    same = [said == plainly(text) for said, text in zip(back, held, strict=True)]
    assert sum(same) >= 0.95 * HELD_OUT
    assert (
        10 < sum(said == text for said, text in zip(back, held, strict=True)) < HELD_OUT
    )  # the rest is in other words


def test_augment_makes_copies_that_say_the_same_in_other_words(
    options: marian.Params,
    sentences: list[str],
    make_params: Callable[..., Params],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    values = {
        "augment.synonyms.copies": 0,
        "augment.back_translation.share": 1.0,
        "augment.back_translation.translator": options.model_dump(),
    }
    params = make_params(values)
    rows = [
        {"id": f"r{i}", "source": f"a.csv:{i}", "parent": "", "made_by": "", "text": text, "label": "neutral"}
        for i, text in enumerate(sentences[: HELD_OUT + 1])
    ]
    validation = [rows.pop()]
    for folder in ("validated", "out"):
        (tmp_path / folder).mkdir()
    columns = features(task_of(params.task).columns)
    for split, chosen in (("train", rows), ("validation", validation)):
        write_split(tmp_path / "validated", split, chosen, columns)
    augment(tmp_path / "validated", tmp_path / "out", params)
    copies = read_table(tmp_path / "out/train.parquet").to_pylist()[len(rows) :]
    texts = {row["id"]: row["text"] for row in rows}
    said = {copy["parent"]: copy["text"] for copy in copies}
    changing = {name for name, text in texts.items() if plainly(text) != text}
    right = [name for name, text in said.items() if text == plainly(texts[name])]
    assert len(right) >= 0.9 * len(said)
    assert len(changing & {*right}) >= 0.9 * len(changing)
    assert {copy["made_by"] for copy in copies} == {"back_translation:marian:there:back"}
