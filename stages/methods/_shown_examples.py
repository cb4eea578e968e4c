"""Which training examples are shown to a model that does not train."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

from stages.methods import Start
from stages.shared.errors import ParamsError
from stages.shared.examples import Example


def shown_examples(start: Start, count: int, may_show: Callable[[str], bool] = lambda text: True) -> list[Example]:
    """So many of the user's own training examples of each label, in an order by chance; always the same for a seed.

    Args:
        start: the training, for its examples and seed.
        count: of each label.
        may_show: whether a text may be among them.

    Raises:
        ParamsError: a label has fewer.
    """
    (column,) = start.task.texts
    own = [row for row in start.examples if not row["parent"] and may_show(row[column])] if count else []
    drawn = sorted(own, key=lambda row: blake2b(f"{start.seed}:{row['id']}".encode()).digest())
    chosen: dict[str, list[Example]] = {label: [] for label in start.task.settings()["labels"]}
    for row in drawn:
        if len(chosen[row["label"]]) < count:
            chosen[row["label"]].append(row)
    faults = [f"'{label}' has {len(rows)}" for label, rows in chosen.items() if len(rows) < count]
    if faults:
        raise ParamsError(
            f"train.method.shown_examples: {count}: too few training examples of a label: {', '.join(faults)}. Show "
            f"fewer, or add some."
        )
    shown = {row["id"] for rows in chosen.values() for row in rows}
    return [row for row in drawn if row["id"] in shown]
