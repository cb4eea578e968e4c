"""The augment stage: copies that keep answer and sense, of training rows alone, the same whatever else there is."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyarrow.parquet import read_table

from stages.augment import augment, check
from stages.augment.copies import Change, copy_of
from stages.shared.errors import DataError, MachineError, ParamsError
from stages.shared.examples import Example, features, write_split
from stages.shared.outcome import Outcome
from stages.shared.params import Params
from stages.tasks import task_of
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


def example(row: int, text: str, label: str, split: str = "t") -> Example:
    base = {"id": f"{split}{row}", "source": f"file.csv:{row + 2}", "parent": "", "made_by": ""}
    return base | {"text": text, "label": label}


def write_rows(folder: Path, train: list[Example], validation: list[Example], params: Params) -> Path:
    folder.mkdir(parents=True)
    columns = features(task_of(params.task).columns)
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
        outcome = augment(write_rows(tmp_path / f"in{number}", train, validation, params), out, params)
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


TASK: dict[str, Any] = {"max_tokens": 32, "long_texts": "head", "overlap": 0, "head": None, "head_from_packages": False}
NER = {"task": TASK | {"name": "ner", "labels": ["PER", "LOC"]}}
QA = {"task": TASK | {"name": "qa", "no_answer": False, "max_answer_tokens": 8, "rules": "squad"}}


def span_row(row: int, text: str, *names: str) -> Example:
    spans = [{"start": text.index(name), "end": text.index(name) + len(name), "label": "PER"} for name in names]
    return {name: value for name, value in example(row, text, "").items() if name != "label"} | {"entities": spans}


def test_spans_move_with_the_words_around_them_and_are_never_touched(run: Any, make_params: MakeParams) -> None:
    text = "I finally bought a large sofa and a big lamp, and the doctor usually purchased what the shop had."
    spans = ["large sofa", "doctor", "shop"]
    parent = span_row(0, text, *spans)
    values = {"augment.synonyms.copies": 5, "augment.synonyms.rate": 1.0}
    _, (_, *copies), _ = run([parent], [], make_params(NER | NO_BACK | values))
    assert copies
    for copy in copies:
        assert [copy["text"][one["start"] : one["end"]] for one in copy["entities"]] == spans
        assert copy["entities"] != parent["entities"]


def test_of_several_texts_one_is_changed_and_a_paraphrase_is_of_one_that_may_be(
    run: Any, make_params: MakeParams
) -> None:
    context = "The large shop sells cheap sofas and beds. It opens at nine in the morning."
    base = {"source": "s", "parent": "", "made_by": ""}
    answer = {"text": "sofas and beds", "start": context.index("sofas")}
    rows = [
        {**base, "id": f"q{number}", "question": f"What does {who} usually buy there?", "context": context}
        | {"answers": [answer, answer | {"text": "sofas"}]}
        for number, who in enumerate(("a student", "the old man", "everyone"))
    ]
    _, written, _ = run(rows, [], make_params(QA | FULL | {"augment.synonyms.copies": 4}))
    parents = {row["id"]: row for row in rows}
    changed = set()
    for copy in written[3:]:
        parent, way = parents[copy["parent"]], copy["made_by"].split(":")[0]
        different = [name for name in ("question", "context") if copy[name] != parent[name]]
        assert len(different) == 1
        changed.add((way, *different))
        assert all(copy["context"].startswith(one["text"], one["start"]) for one in copy["answers"])
        assert [one["text"] for one in copy["answers"]] == ["sofas and beds", "sofas"]
    assert changed == {("synonyms", "question"), ("synonyms", "context"), ("back_translation", "question")}


def test_a_task_that_cannot_be_paraphrased_says_so_before_anything_runs(make_params: MakeParams) -> None:
    with pytest.raises(ParamsError, match=r"augment\.back_translation\.copies: 1: the task 'ner' has no text .* to 0"):
        check(make_params(NER))
    check(make_params(NER | NO_BACK))


def test_a_copy_whose_spans_went_astray_is_a_fault_of_ours(make_params: MakeParams) -> None:
    task, parent = task_of(make_params(NER).task), span_row(0, "the shop", "shop")
    with pytest.raises(RuntimeError, match=r"'t0': a copy by me has \[\['hop'\]\] where the row has \[\['shop'\]\]"):
        copy_of(parent, task, Change(0, "the shop", lambda place: place + (place == 4)), "x", "me")


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
