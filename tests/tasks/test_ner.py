"""The task of named entities."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from serving.answers import spans
from serving.reading import Reader
from serving.text import CleanText
from stages.tasks import ner

ROOT = Path(__file__).parents[2]
LABELS = ["PER", "ORG", "LOC"]
READING = {"max_tokens": 128, "long_texts": "windows", "overlap": 16}
TASK = ner.EntityTagging("ner", LABELS, READING)
SAMPLES = ("ner", "chinese_ner")


def example(text: str, *entities: tuple[int | None, int | None, str]) -> dict[str, Any]:
    named = [{"start": start, "end": end, "label": label} for start, end, label in entities]
    return {"id": "1", "source": "a:1", "parent": "", "made_by": "", "text": text, "entities": named}


def says(*entities: tuple[int, int, str]) -> dict[str, Any]:
    return {"answer": json.dumps([list(entity) for entity in entities]), "confidence": None, "said": {}}


def sample(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (ROOT / f"data/sample/{name}.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """A WordPiece tokenizer so small that most names fall into pieces."""
    found = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    found.normalizer = normalizers.BertNormalizer()
    found.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=900, special_tokens=["[UNK]", "[CLS]", "[SEP]"])
    found.train_from_iterator([row["text"] for name in SAMPLES for row in sample(name)], trainer)
    found.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
    return found


def task_for(max_tokens: int, long_texts: str, overlap: int) -> ner.EntityTagging:
    return ner.EntityTagging("ner", LABELS, {"max_tokens": max_tokens, "long_texts": long_texts, "overlap": overlap})


def certain(expected: list[np.ndarray], tags: int) -> list[np.ndarray]:
    """The outputs of a model that is sure of the expected tags."""
    return [np.where(np.arange(tags) == np.maximum(window, 0)[:, None], 10.0, -10.0) for window in expected]


def test_params_need_a_type_of_entity() -> None:
    options = {"name": "ner", "max_tokens": 128, "long_texts": "head", "overlap": 0, "head": None}
    with pytest.raises(ValidationError, match="at least 1 item"):
        ner.Params(**options, head_from_packages=False, labels=[])
    task = ner.open_task(ner.Params(**options, head_from_packages=False, labels=["PER", "LOC"]))
    assert task.outputs == ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    spans.check(task.settings())


def test_what_is_expected_of_an_example() -> None:
    row = example("Bo saw Ann and Oslo", (15, 19, "LOC"), (0, 2, "PER"), (7, 10, "PER"))
    assert TASK.answer(row) == '[[0, 2, "PER"], [7, 10, "PER"], [15, 19, "LOC"]]'
    assert TASK.classes(row) == ["LOC", "PER"]
    assert TASK.stratum(row) == "LOC PER"
    assert TASK.fixed_spans(row) == ([(0, 2), (7, 10), (15, 19)],)
    assert TASK.answer(example("nobody")) == "[]"


@pytest.mark.parametrize(
    ("entities", "fault"),
    [
        ([(0, 2, "PER"), (3, 7, "LOC")], None),
        ([(0, 2, "PER"), (3, 9, "LOC")], "entities[1]: 3 to 9 is not a span of the text, which has 8 characters"),
        ([(-1, 2, "PER")], "entities[0]: -1 to 2 is not a span of the text, which has 8 characters"),
        ([(7, 3, "PER")], "entities[0]: 7 to 3 is not a span of the text, which has 8 characters"),
        ([(None, 2, "PER")], "entities[0]: start is None and end is 2: both must be positions in the text"),
        ([(2, 2, "PER")], "entities[0]: 2 to 2 is empty"),
        ([(2, 7, "LOC")], "entities[0]: 2 to 7 begins or ends with white space"),
        ([(3, 8, "LOC"), (0, 7, "PER")], "entities[1]: 0 to 7 overlaps entities[0], 3 to 8"),
        ([(0, 2, "PRE")], "entities[0]: label 'PRE' is not in task.labels [PER, ORG, LOC]. Did you mean 'PER'?"),
        ([(0, 2, "")], "entities[0]: no label"),
    ],
)
def test_a_fault_names_its_entity(entities: list[tuple[int, int, str]], fault: str | None) -> None:
    assert TASK.fault(example("Bo Oslo.", *entities)) == fault


def test_all_faults_of_an_example_are_named_together() -> None:
    fault = TASK.fault(example("Bo Oslo.", (0, 90, "PRE"), (3, 3, "LOC")))
    assert fault is not None
    assert [part.split(":")[0] for part in fault.split("; ")] == ["entities[0]", "entities[0]", "entities[1]"]


def test_entities_move_with_the_text_and_what_lies_outside_stays_outside() -> None:
    given = "  Bo \u200b lives in  O\u0308land"
    cleaned = CleanText(given)
    row = example(given, (2, 4, "PER"), (18, 24, "LOC"), (20, 40, "LOC"), (-3, 2, "LOC"))
    moved = TASK.with_texts(row, (cleaned.text,), (cleaned.position,))
    assert moved["text"] == "Bo lives in Öland"
    assert [moved["text"][e["start"] : e["end"]] for e in moved["entities"][:2]] == ["Bo", "Öland"]
    assert len(str(TASK.fault({**moved, "entities": moved["entities"][2:]})).split("; ")) == 2


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("size", [(128, 16), (14, 4)])
def test_what_is_expected_decodes_to_the_entities(name: str, size: tuple[int, int], tokenizer: Tokenizer) -> None:
    task = task_for(size[0], "windows", size[1])
    reader = Reader(tokenizer, task.settings())
    for row in sample(name):
        assert task.fault(row) is None
        windows = reader.read((row["text"],)).windows
        outputs = certain(task.expected(row, windows), len(task.outputs))
        said = spans.answer(outputs, windows, [CleanText(row["text"])], task.settings())
        assert spans.word(said) == task.answer(row)


def test_the_first_piece_of_a_word_is_tagged_and_an_entity_goes_on_in_the_next_window(tokenizer: Tokenizer) -> None:
    row = example("Dr Vera Stanhope-Lim met Oslo", (3, 20, "PER"), (25, 29, "LOC"))
    task = task_for(8, "windows", 1)
    windows = Reader(tokenizer, task.settings()).read((row["text"],)).windows
    tag_of: dict[int, set[str]] = {}
    for window, tags in zip(windows, task.expected(row, windows), strict=True):
        assert len(tags) == len(window.ids)
        seen: set[int] = set()
        for word, tag in zip(window.word_of.tolist(), tags.tolist(), strict=True):
            assert (tag == -100) == (word == -1 or word in seen)
            seen.add(word)
            if tag != -100:
                tag_of.setdefault(word, set()).add(task.outputs[tag])
    assert len(windows) > 1
    assert [tag_of[word] for word in sorted(tag_of)] == [
        {tag} for tag in ("O", "B-PER", "I-PER", "I-PER", "I-PER", "O", "B-LOC")
    ]


def test_an_entity_whose_start_was_cut_away_goes_on(tokenizer: Tokenizer) -> None:
    row = example("So to and of in the Bank of the man in a day", (20, 35, "ORG"))
    task = task_for(12, "head_tail", 0)
    reading = Reader(tokenizer, task.settings()).read((row["text"],))
    (tags,) = task.expected(row, reading.windows)
    assert reading.cut
    assert {task.outputs[tag] for tag in tags.tolist() if tag > 0} == {"I-ORG"}


def test_the_loss_is_the_mean_over_the_words() -> None:
    logits = torch.randn(2, 4, 7, generator=torch.manual_seed(0))
    expected = torch.tensor([[-100, 1, -100, 6], [0, 0, -100, -100]])
    batch = {"expected": expected}
    mean = TASK.loss_sum(logits, batch, None) / TASK.loss_weight(batch, None)
    rows = logits.log_softmax(-1)
    assert mean.item() == pytest.approx(-(rows[0, 1, 1] + rows[0, 3, 6] + rows[1, 0, 0] + rows[1, 1, 0]).item() / 4)
    nothing = {"expected": torch.full((2, 4), -100)}
    assert (TASK.loss_sum(logits, nothing, None) / TASK.loss_weight(nothing, None)).item() == 0


def test_metrics_are_those_of_the_conll_scorer() -> None:
    rows = [
        example("x" * 40, (0, 5, "PER"), (8, 12, "LOC"), (20, 30, "ORG")),
        example("x" * 40),
        example("x" * 40, (3, 9, "PER"), (9, 12, "PER")),
    ]
    found = [
        says((0, 5, "PER"), (8, 13, "LOC"), (13, 15, "LOC"), (20, 30, "PER")),
        says((1, 2, "LOC")),
        says((3, 9, "PER")),
    ]
    metrics = TASK.metrics(rows, found)
    assert metrics["precision"] == pytest.approx(2 / 6)
    assert metrics["recall"] == pytest.approx(2 / 5)
    assert metrics[TASK.primary] == pytest.approx(4 / 11)
    assert TASK.class_scores(rows, found) == {"PER": pytest.approx(4 / 6), "ORG": 0, "LOC": 0}
    assert metrics["macro_f1"] == pytest.approx(4 / 18)
    assert [TASK.rightness(*pair) for pair in zip(rows, found, strict=True)] == [pytest.approx(2 / 7), 0, 2 / 3]
    assert TASK.rightness(rows[1], says()) == 1


def random_spans(seed: int) -> list[list[tuple[int, int, str]]]:
    """Entities of 200 texts of 12 characters, none overlapping another."""
    rng = np.random.default_rng(seed)
    edges = [np.sort(rng.choice(13, size=2 * rng.integers(0, 4), replace=False)).tolist() for _ in range(200)]
    return [
        [(low, high, str(rng.choice(LABELS))) for low, high in zip(one[::2], one[1::2], strict=True)] for one in edges
    ]


def test_metrics_of_any_spans_count_exact_ones() -> None:
    expected, other = random_spans(0), random_spans(1)
    pairs = enumerate(zip(expected, other, strict=True))
    predicted = [right if number % 2 else wrong for number, (right, wrong) in pairs]
    rows = [example("x" * 12, *entities) for entities in expected]
    found = [says(*entities) for entities in predicted]
    hits = sum(len(set(one) & set(other)) for one, other in zip(expected, predicted, strict=True))
    metrics = TASK.metrics(rows, found)
    assert 100 < hits < 200
    assert metrics["precision"] == pytest.approx(hits / sum(map(len, predicted)))
    assert metrics["recall"] == pytest.approx(hits / sum(map(len, expected)))


def test_resamples_lie_around_the_metrics_and_are_paired() -> None:
    expected = random_spans(0)
    rows = [example("x" * 12, *entities) for entities in expected]
    noisy = [says(*(entities if number % 3 else [])) for number, entities in enumerate(expected)]
    exact = [says(*entities) for entities in expected]
    first, second, again = TASK.resample(rows, [noisy, exact, noisy], samples=400, seed=1)
    figures = TASK.metrics(rows, noisy) | {f"f1.{name}": f1 for name, f1 in TASK.class_scores(rows, noisy).items()}
    assert set(first) == set(figures)
    for name, value in figures.items():
        assert np.mean(first[name]) == pytest.approx(value, abs=0.01)
        assert np.array_equal(first[name], again[name])
    assert set(second["f1"]) == {1.0}


def test_the_baseline_looks_up_whole_names_the_longest_first() -> None:
    train = [
        example("New York and York", (0, 8, "LOC"), (13, 17, "ORG")),
        example("York won", (0, 4, "ORG")),
        example("York lost", (0, 4, "LOC")),
        example("May came", (0, 3, "PER")),
        example("May is warm, May is wet"),
        example("成都和杭州", (0, 2, "LOC"), (3, 5, "LOC")),
    ]
    test = [example("In New York, York, Yorkshire and Newby in May"), example("他在杭州和成都")]
    predicted, name = TASK.baseline({"train": train, "validation": [], "test": test}, seed=1)
    assert [json.loads(one["answer"]) for one in predicted] == [
        [[3, 11, "LOC"], [13, 17, "ORG"]],
        [[2, 4, "LOC"], [5, 7, "LOC"]],
    ]
    assert "longest match" in name


def test_the_report_counts_the_kinds_of_error_of_each_type(tmp_path: Path) -> None:
    row = example("x" * 60, (0, 5, "PER"), (8, 12, "LOC"), (20, 30, "ORG"), (32, 36, "ORG"), (40, 44, "PER"))
    found = says((0, 5, "PER"), (8, 12, "ORG"), (20, 28, "ORG"), (31, 36, "LOC"), (50, 55, "LOC"))
    text = TASK.report(tmp_path, [row], [found])
    header, *rows = (tmp_path / "labels.csv").read_text().splitlines()
    assert header == "label,precision,recall,f1,support,exact,wrong type,wrong boundary,both wrong,missed,spurious"
    assert rows == ["PER,1,0.5,0.666667,2,1,0,0,0,1,0", "ORG,0,0,0,2,0,0,1,1,0,0", "LOC,0,0,0,1,0,1,0,0,0,1"]
    assert "| PER | 1.0000 | 0.5000 | 0.6667 | 2 |" in text
    assert "| LOC | 0 | 1 | 0 | 0 | 0 | 1 |" in text


@pytest.mark.parametrize(("name", "rows"), [("ner", 203), ("chinese_ner", 120)])
def test_the_sample_has_each_type_often_and_no_text_twice(name: str, rows: int) -> None:
    found = sample(name)
    assert len({row["text"].casefold() for row in found}) == len(found) == rows
    classes = [TASK.classes(row) for row in found]
    assert all(0.2 < sum(label in one for one in classes) / rows < 0.7 for label in LABELS)
    assert any(not one for one in classes)
