"""The augment stage: copies that keep label and sense, of training rows alone, the same whatever else there is."""

import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyarrow.parquet import read_table

from stages.augment import augment, check
from stages.augment.back_translation import fault_of, is_chosen, kept_share, with_case_of
from stages.augment.copies import Copy, Known, check_parents, random_of
from stages.augment.synonyms import pick, replaceable, replaced
from stages.shared.errors import DataError, MachineError
from stages.shared.examples import Example, features, write_split
from stages.shared.outcome import Outcome
from stages.shared.params import Params
from stages.tasks import classification
from stages.translators import Way, apertium

MakeParams = Callable[..., Params]
TRAIN = [
    ("I bought a big sofa and the shop was very helpful.", "positive"),
    ("The phone stopped working after 3 days, not good at all.", "negative"),
    ("Not bad.", "positive"),
    ("The cheap cellar was dark and I didn't enjoy it.", "negative"),
    ("The doctor usually comes at 9 in the morning.", "neutral"),
]
VALIDATION = [("I finally purchased a large couch.", "positive"), ("A cold, unfriendly hotel.", "negative")]


class Letters:
    """A thesaurus in which every word of four letters or more has one synonym, itself twice."""

    def synonyms(self, word: str, before: str | None, after: str | None) -> list[str]:
        return [word + word] if len(word) >= 4 else []


class Neighbours:
    """A thesaurus that answers with what it was asked."""

    def synonyms(self, word: str, before: str | None, after: str | None) -> list[str]:
        return [f"{before} {after}"]


def example(row: int, text: str, label: str, split: str = "t") -> Example:
    base = {"id": f"{split}{row}", "source": f"file.csv:{row + 2}", "parent": "", "made_by": ""}
    return base | {"text": text, "label": label}


def write_rows(folder: Path, train: list[Example], validation: list[Example]) -> Path:
    folder.mkdir(parents=True)
    columns = features(classification.COLUMNS)
    write_split(folder, "train", train, columns)
    write_split(folder, "validation", validation, columns)
    return folder


@pytest.fixture
def rows() -> tuple[list[Example], list[Example]]:
    return (
        [example(i, text, label) for i, (text, label) in enumerate(TRAIN)],
        [example(i, text, label, "v") for i, (text, label) in enumerate(VALIDATION)],
    )


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Outcome, list[dict[str, Any]], Path]]:
    monkeypatch.chdir(tmp_path)

    def run_stage(
        train: list[Example], validation: list[Example], params: Params
    ) -> tuple[Outcome, list[dict[str, Any]], Path]:
        number = len(list(tmp_path.glob("out*")))
        out = tmp_path / f"out{number}"
        out.mkdir()
        outcome = augment(write_rows(tmp_path / f"in{number}", train, validation), out, params)
        return outcome, read_table(out / "train.parquet").to_pylist(), out

    return run_stage


FULL = {"augment.back_translation.share": 1.0, "augment.back_translation.min_kept_share": 0.0}
NO_SYNONYMS = {"augment.synonyms.copies": 0}
NO_BACK = {"augment.back_translation.copies": 0}


def test_copies_follow_the_rows_with_parent_label_and_way(run: Any, rows: Any, make_params: MakeParams) -> None:
    train, validation = rows
    outcome, written, out = run(train, validation, make_params(FULL))
    assert written[: len(train)] == train
    assert read_table(out / "validation.parquet").to_pylist() == validation
    copies = written[len(train) :]
    parents = {row["id"]: row for row in train}
    assert {row["made_by"] for row in copies} == {"synonyms:wordnet", "back_translation:apertium:eng-spa:spa-eng"}
    for copy in copies:
        parent = parents[copy["parent"]]
        assert (copy["label"], copy["source"]) == (parent["label"], parent["source"])
        assert copy["text"] != parent["text"]
        assert copy["id"] in (f"{parent['id']}+syn1", f"{parent['id']}+bt")
    assert outcome.metrics["rows.original"] == len(train)
    assert outcome.metrics["rows.synonyms"] + outcome.metrics["rows.back_translation"] == len(copies)
    made = outcome.metrics["dropped.synonyms"] + outcome.metrics["dropped.back_translation"] + len(copies)
    assert made == 2 * len(train)


def test_the_same_rows_give_the_same_bytes_from_a_warm_and_a_cold_cache(
    run: Any, rows: Any, make_params: MakeParams, tmp_path: Path
) -> None:
    outcomes, digests = [], set()
    for _ in range(2):
        outcome, _, out = run(*rows, make_params(FULL))
        outcomes.append(outcome)
        digests.add(hashlib.sha256((out / "train.parquet").read_bytes()).hexdigest())
    (tmp_path / ".temper" / "translations" / "translations.sqlite").unlink()
    _, _, out = run(rows[0], rows[1], make_params(FULL))
    digests.add(hashlib.sha256((out / "train.parquet").read_bytes()).hexdigest())
    assert len(digests) == 1
    assert outcomes[0].metrics == outcomes[1].metrics
    assert outcomes[0].timings["back_translation.translated"] == 2 * len(TRAIN)
    assert outcomes[1].timings["back_translation.translated"] == 0
    assert outcomes[1].timings["back_translation.cached"] == 2 * len(TRAIN)


def test_a_copy_does_not_depend_on_the_other_rows(run: Any, rows: Any, make_params: MakeParams) -> None:
    train, validation = rows
    params = make_params(FULL)
    _, together, _ = run(train, validation, params)
    _, reversed_, _ = run(train[::-1], validation, params)
    _, alone, _ = run(train[:1], validation, params)
    by_id = {row["id"]: row for row in together}
    assert by_id == {row["id"]: row for row in reversed_}
    assert all(by_id[row["id"]] == row for row in alone)
    assert len(alone) == 3


def test_another_seed_picks_other_words(run: Any, rows: Any, make_params: MakeParams) -> None:
    texts = set()
    for seed in range(6):
        _, written, _ = run(rows[0][:1], rows[1], make_params({"seed": seed} | NO_BACK))
        texts.add(written[-1]["text"])
    assert len(texts) > 1


def test_more_copies_differ_and_equal_ones_are_dropped(run: Any, rows: Any, make_params: MakeParams) -> None:
    params = make_params({"augment.synonyms.copies": 20} | NO_BACK)
    outcome, written, _ = run(rows[0][:1], rows[1], params)
    texts = [row["text"] for row in written]
    assert len(set(texts)) == len(texts) > 3
    assert outcome.metrics["dropped.synonyms.duplicate"] == 21 - len(texts)


def test_words_that_carry_the_label_stay(run: Any, rows: Any, make_params: MakeParams) -> None:
    params = make_params({"augment.synonyms.copies": 10, "augment.synonyms.rate": 1.0} | NO_BACK)
    _, written, _ = run(*rows, params)
    assert [row["text"] for row in written if row["parent"] == "t2"] == []  # `Not bad.`
    copies = [row["text"] for row in written if row["parent"] == "t1"]
    assert copies
    assert all("not good at all" in text and " 3 days" in text for text in copies)


def test_what_is_off_is_neither_made_nor_needed(run: Any, rows: Any, make_params: MakeParams) -> None:
    gone = {"augment.synonyms.thesaurus.folder": "/no/such/folder"}
    params = make_params(gone | NO_SYNONYMS | NO_BACK)
    check(params)
    outcome, written, _ = run(*rows, params)
    assert written == rows[0]
    assert (outcome.metrics["rows.synonyms"], outcome.metrics["rows.back_translation"]) == (0, 0)


def test_all_that_is_missing_is_named_at_once(make_params: MakeParams) -> None:
    params = make_params(
        {"augment.synonyms.thesaurus.folder": "/no/such/folder", "augment.back_translation.translator.there": "a-b"}
    )
    with pytest.raises(MachineError) as caught:
        check(params)
    for word in ("wordnet-base", "augment.synonyms.copies", "apertium-eng-spa", "augment.back_translation.copies"):
        assert word in str(caught.value)


def test_a_copy_equal_to_a_validation_text_is_dropped(run: Any, rows: Any, make_params: MakeParams) -> None:
    train = [example(0, "I bought it.", "positive")]
    params = make_params(NO_BACK)
    _, written, _ = run(train, rows[1], params)
    assert [row["text"] for row in written] == ["I bought it.", "I purchased it."]
    validation = [example(0, "I PURCHASED  it.", "positive", "v")]
    outcome, written, _ = run(train, validation, params)
    assert written == train
    assert outcome.metrics["dropped.synonyms.in_validation"] == 1


def test_a_row_of_the_validation_split_in_train_stops_the_stage(run: Any, rows: Any, make_params: MakeParams) -> None:
    train, validation = rows
    with pytest.raises(DataError, match=r"'v0' is in the training and in the validation split"):
        run([*train, validation[0]], validation, make_params(NO_BACK))


def test_a_parent_outside_train_and_an_id_twice_are_errors() -> None:
    good = [{"id": "a", "parent": ""}, {"id": "a+bt", "parent": "a"}]
    check_parents(good, ["a"], ["v"])
    with pytest.raises(DataError, match=r"'v\+bt': its parent 'v' is no training row"):
        check_parents([*good, {"id": "v+bt", "parent": "v"}], ["a"], ["v"])
    with pytest.raises(DataError, match="the id 'a' stands twice"):
        check_parents([*good, good[0]], ["a"], ["v"])


def test_known_texts_are_told_apart_by_what_they_are() -> None:
    known = Known(classification)
    known.learn([example(0, "One.", "positive")], "duplicate")
    known.learn([example(1, "Two.", "positive", "v")], "in_validation")
    parent = example(0, "One.", "positive")
    texts = ["ONE.", "two.", "Three.", "three."]
    copies = known.sifted((parent, Copy(example(0, text, "positive"))) for text in texts)
    assert [copy.fault for copy in copies] == ["unchanged", "in_validation", None, "duplicate"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Great stuff from London, says Anna.", ["Great", "stuff", "from", "says"]),
        ("It broke. Never again!", ["broke", "again"]),
        ("VERY LOUD words", ["words"]),
        ("mail me@some.where or see www.some.where/page", ["mail"]),
        ("size42 with under_score and #hash", ["with"]),
        ("don't blame half-hearted people", ["don't", "blame", "half-hearted", "people"]),
    ],
)
def test_only_ordinary_words_are_replaced(text: str, words: list[str]) -> None:
    places = replaceable(0, text, Letters(), frozenset({"never"}))
    assert [text[place.start : place.end] for place in places] == words


def test_neighbours_end_at_punctuation() -> None:
    places = replaceable(0, "One two, three", Neighbours(), frozenset())
    assert [place.choices[0].lower() for place in places] == ["none two", "one none", "none none"]


def test_case_is_kept() -> None:
    text = "Some words. More words"
    places = replaceable(0, text, Letters(), frozenset())
    assert replaced((text,), places, random.Random(0)) == ("Somesome wordswords. Moremore wordswords",)


@pytest.mark.parametrize(("rate", "count"), [(0.0, 1), (0.15, 1), (0.5, 2), (1.0, 4)])
def test_the_rate_is_of_the_replaceable_words_and_at_least_one(rate: float, count: int) -> None:
    places = replaceable(0, "some more of those words", Letters(), frozenset())
    picked = pick(places, rate, random.Random(0))
    assert len(picked) == count
    assert picked == sorted(picked, key=lambda place: place.start)
    assert pick([], rate, random.Random(0)) == []


def test_the_share_is_met_row_by_row() -> None:
    many = [example(row, "text", "positive") for row in range(2000)]
    chosen = [row["id"] for row in many if is_chosen(row, 0.3, seed=1)]
    assert 500 < len(chosen) < 700
    assert chosen != [row["id"] for row in many if is_chosen(row, 0.3, seed=2)]
    assert not any(is_chosen(row, 0.0, seed=1) for row in many)
    assert all(is_chosen(row, 1.0, seed=1) for row in many)


def test_random_numbers_depend_on_seed_row_and_purpose() -> None:
    row = example(0, "text", "positive")
    drawn = random_of(1, row, "a").random()
    assert drawn == random_of(1, row | {"text": "other"}, "a").random()
    assert len({drawn, random_of(2, row, "a").random(), random_of(1, row, "b").random()}) == 3


@pytest.mark.parametrize(
    ("before", "middle", "after", "fault"),
    [
        ("It is not bad.", "No es malo.", "It isn't bad.", None),
        ("I don't like it.", "Me gusta.", "I like it.", "negation"),
        ("Nobody came.", "Nadie vino.", "No one came.", None),
        ("It took 3 days.", "Tardó tres días.", "It took three days.", "number"),
        ("A blue house.", "Una casa azul.", "A blue casa.", "left_foreign"),
        ("A good hotel.", "Un buen hotel.", "A fine hotel.", None),
        ("Tea!", "", "", "empty"),
        ("One two three four.", "Uno.", "Quite another thing altogether.", "too_different"),
    ],
)
def test_a_back_translation_that_lost_something_is_named(
    before: str, middle: str, after: str, fault: str | None
) -> None:
    assert fault_of((before,), (middle,), (after,), min_kept_share=0.3) == fault


def test_the_kept_share_counts_each_word_once() -> None:
    assert kept_share(("a b b c",), ("b B d",)) == 0.5
    assert kept_share(("...",), ("...",)) == 1.0


@pytest.mark.parametrize(
    ("text", "original", "expected"),
    [
        ("THANKS TO his help", "Thanks to their help", "Thanks to his help"),
        ("I saw NASA", "I saw NASA", "I saw NASA"),
        ("WONDERFUL PLACE", "Lovely spot", "Wonderful place"),
        ("DO NOT BUY", "DO NOT BUY", "DO NOT BUY"),
    ],
)
def test_capitals_are_those_of_the_original(text: str, original: str, expected: str) -> None:
    assert with_case_of(text, original) == expected


def test_what_was_translated_before_a_crash_is_not_translated_again(
    run: Any, rows: Any, make_params: MakeParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces = []

    def translate_then_die(texts: list[str], way: Way, params: Any) -> list[str]:
        pieces.append(way)
        if len(pieces) == 4:  # on the way back of the second piece
            raise KeyboardInterrupt
        return real(texts, way, params)

    real = apertium.translate
    monkeypatch.setattr("stages.augment.back_translation._PIECE", 2)
    monkeypatch.setattr(apertium, "translate", translate_then_die)
    with pytest.raises(KeyboardInterrupt):
        run(*rows, make_params(FULL))
    monkeypatch.setattr(apertium, "translate", real)
    outcome, _, _ = run(*rows, make_params(FULL))
    assert outcome.timings["back_translation.cached"] == 6
    assert outcome.timings["back_translation.translated"] == 4
