"""Some test rows with what was expected and what came, the best and the worst: only where texts may be shown."""

from collections.abc import Sequence

from stages.shared.examples import Example
from stages.shared.markdown import table
from stages.tasks import Prediction, Task, asked_of, texts_of

HEADER = ("input", "expected", "answer", "rightness")


def sample_rows(
    task: Task, examples: Sequence[Example], predicted: Sequence[Prediction], places: Sequence[int]
) -> list[tuple[str, str, str, str]]:
    """What is asked, what is expected, what came, and how right that is, for the rows at these places."""
    return [
        (
            " / ".join(asked_of(task, examples[place])),
            task.answer(examples[place]) or " / ".join(texts_of(task, examples[place])),
            str(predicted[place]["answer"]),
            f"{task.rightness(examples[place], predicted[place]):.4f}",
        )
        for place in places
    ]


def samples_part(task: Task, examples: Sequence[Example], predicted: Sequence[Prediction], count: int) -> str:
    """The part of the report with so many of the worst and of the best rows by rightness, in Markdown; empty for 0."""
    if not count:
        return ""
    rightness = [task.rightness(*pair) for pair in zip(examples, predicted, strict=True)]
    order = sorted(range(len(examples)), key=lambda place: (rightness[place], place))
    worst, best = order[:count], order[::-1][:count]
    parts = [
        f"## The {name} {len(places)} samples\n\n{table(HEADER, sample_rows(task, examples, predicted, places))}\n"
        for name, places in (("worst", worst), ("best", best))
    ]
    return "".join(parts)
