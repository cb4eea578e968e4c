"""Some test rows, the best and the worst: their ids, and where texts may be shown what was expected and what came."""

from collections.abc import Sequence

from stages.shared.examples import Example
from stages.shared.markdown import table
from stages.tasks import Prediction, Task, asked_of, texts_of

HEADER = ("id", "rightness")
TEXTS = ("input", "expected", "answer")


def _texts_of_row(task: Task, example: Example, prediction: Prediction) -> tuple[str, str, str]:
    """What is asked, what is expected, and what came."""
    expected = task.answer(example) or " / ".join(texts_of(task, example))
    return " / ".join(asked_of(task, example)), expected, str(prediction["answer"])


def samples_part(
    task: Task, examples: Sequence[Example], predicted: Sequence[Prediction], count: int, show_texts: bool
) -> str:
    """The part of the report with so many of the worst and of the best rows by rightness, in Markdown; empty for 0."""
    if not count:
        return ""
    rightness = [task.rightness(*pair) for pair in zip(examples, predicted, strict=True)]
    order = sorted(range(len(examples)), key=lambda place: (rightness[place], place))

    def row(place: int) -> tuple[str, ...]:
        texts = _texts_of_row(task, examples[place], predicted[place]) if show_texts else ()
        return (examples[place]["id"], f"{rightness[place]:.4f}", *texts)

    header = (*HEADER, *(TEXTS if show_texts else ()))
    parts = [("worst", order[:count]), ("best", order[::-1][:count])]
    return "".join(
        f"## The {name} {len(places)} samples\n\n{table(header, map(row, places))}\n" for name, places in parts
    )
