"""The task of relations between two marked entities."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.metrics import f1_score

from stages.tasks import relations

ROOT = Path(__file__).parents[2]
LABELS = ["part_of", "none", "causes"]
OPTIONS: dict[str, Any] = {
    "name": "relations",
    "labels": LABELS,
    "max_tokens": 32,
    "long_texts": "head",
    "overlap": 0,
    "head": None,
    "head_from_packages": False,
}
TASK = relations.open_task(relations.Params(**OPTIONS, no_relation="none"))
GOOD = "The <e1>lid</e1> of the <e2>jar</e2>"


def example(text: str = GOOD, label: str = "part_of") -> dict[str, str]:
    return {"id": "1", "source": "a:1", "parent": "", "made_by": "", "text": text, "label": label}


def test_no_relation_must_be_one_of_the_labels() -> None:
    with pytest.raises(ValidationError, match=r"no_relation: 'other' is not in labels \[part_of, none, causes\]"):
        relations.Params(**OPTIONS, no_relation="other")
    assert relations.Params(**OPTIONS, no_relation=None).no_relation is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (GOOD, None),
        ("<e2>jar</e2> with <e1>lid</e1>", None),
        ("The <e1>lid</e1> of the jar", "mark <e2> is there 0 times, not once; mark </e2> is there 0 times, not once"),
        (GOOD + "</e1>", "mark </e1> is there 2 times, not once"),
        ("The </e1>lid<e1> of the <e2>jar</e2>", "mark </e1> comes before <e1>"),
        ("The <e1>lid</e1> of the <e2> </e2>", "nothing stands between <e2> and </e2>"),
        ("The <e1>lid <e2>of</e1> the jar</e2>", "the two marked entities overlap"),
        ("The <e1>lid of <e2>a</e2></e1> jar", "the two marked entities overlap"),
    ],
)
def test_a_fault_of_the_marks_is_named(text: str, fault: str | None) -> None:
    assert TASK.fault(example(text)) == fault


def test_faults_of_marks_and_label_are_named_together() -> None:
    fault = TASK.fault(example("The <e1></e1> of the <e2>jar</e2>", "cause"))
    assert fault == (
        "nothing stands between <e1> and </e1>; "
        "label 'cause' is not in task.labels [part_of, none, causes]. Did you mean 'causes'?"
    )


def test_the_entities_with_their_marks_are_fixed_and_each_mark_is_a_word() -> None:
    (fixed,) = TASK.fixed_spans(example("A <e2>jar</e2> and its <e1>lid</e1>."))
    assert fixed == [(2, 14), (23, 35)]
    assert TASK.marks == ["<e1>", "</e1>", "<e2>", "</e2>"]
    assert TASK.paraphrased == ()
    assert TASK.asked == ("text",)


def test_the_metrics_leave_out_no_relation_and_resamples_lie_around_them() -> None:
    rng = np.random.default_rng(0)
    expected, other = (rng.choice(LABELS, size=400, p=[0.3, 0.5, 0.2]).tolist() for _ in range(2))
    answers = [one if number % 2 else two for number, (one, two) in enumerate(zip(expected, other, strict=True))]
    rows = [example(label=label) for label in expected]
    predicted = [{"answer": answer} for answer in answers]
    found = TASK.metrics(rows, predicted)
    scored = ["part_of", "causes"]
    for average in ("micro", "macro"):
        f1 = f1_score(expected, answers, labels=scored, average=average)
        assert found[f"{average}_f1"] == pytest.approx(f1)
    assert found[TASK.primary] < found["accuracy"]
    classes = TASK.class_scores(rows, predicted)
    assert list(classes) == scored
    one, again = TASK.resample(rows, [predicted, predicted], samples=300, seed=1)
    for name, value in (found | {f"f1.{label}": f1 for label, f1 in classes.items()}).items():
        if name in one:
            assert np.mean(one[name]) == pytest.approx(value, abs=0.01)
            assert np.array_equal(one[name], again[name])
    assert {"accuracy", "micro_f1", "macro_f1", "f1.causes", "f1.part_of"} <= set(one)
    assert "f1.none" not in one


def test_without_such_a_label_all_count() -> None:
    task = relations.open_task(relations.Params(**OPTIONS, no_relation=None))
    rows = [example(label=label) for label in LABELS]
    found = task.metrics(rows, [{"answer": "part_of"}] * 3)
    assert found["micro_f1"] == found["accuracy"] == pytest.approx(1 / 3)
    assert list(task.class_scores(rows, [{"answer": "part_of"}] * 3)) == LABELS


def test_the_baseline_sees_which_entity_is_which() -> None:
    def rows(*pairs: tuple[str, str]) -> list[dict[str, str]]:
        return [example(text, label) for text, label in pairs]

    train = rows(
        *[(f"the <e1>{word}</e1> and the <e2>{word}</e2>", "causes") for word in ("a", "b", "c")],
        *[(f"the <e2>{word}</e2> and the <e1>{word}</e1>", "part_of") for word in ("a", "b", "c")],
    )
    test = rows(("the <e2>d</e2> and the <e1>d</e1>", "none"), ("the <e1>d</e1> and the <e2>d</e2>", "none"))
    predicted, _ = TASK.baseline({"train": train, "validation": train, "test": test}, seed=1)
    assert [one["answer"] for one in predicted] == ["part_of", "causes"]


def test_the_report_has_every_label(tmp_path: Path) -> None:
    text = TASK.report(tmp_path, [example(), example(label="none")], [{"answer": "none"}] * 2)
    assert (tmp_path / "labels.csv").read_text().splitlines()[1:] == [
        "part_of,0,0,0,1",
        "none,0.5,1,0.666667,1",
        "causes,0,0,0,0",
    ]
    assert "none" in text


def test_the_sample_is_balanced_and_without_faults() -> None:
    lines = (ROOT / "data/sample/relations.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    labels = Counter(row["label"] for row in rows)
    task = relations.open_task(relations.Params(**{**OPTIONS, "labels": sorted(labels)}, no_relation="no_relation"))
    assert len(rows) == len({row["text"].casefold() for row in rows}) == 160
    assert set(labels.values()) == {32}
    assert not [row for row in rows if task.fault(row)]
