"""How far a smaller model is from the one that it was made of, on the test split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stages.shared.answers import Answers
from stages.shared.checks import Check
from stages.shared.examples import Example
from stages.shared.outcome import Metrics
from stages.shared.params import ParityLimits

if TYPE_CHECKING:
    from stages.tasks import Task


@dataclass(frozen=True)
class Parity:
    """A smaller model against a larger one.

    Attributes:
        agreement: fraction of the texts with the same answer.
        primary_change: of the task's primary metric; below 0 where the smaller model is worse.
        worst_class, worst_class_change: the class whose score fell the most, or rose the least; None without classes.
    """

    agreement: float
    primary_change: float
    worst_class: str | None
    worst_class_change: float | None

    def metrics(self) -> Metrics:
        """The figures, by name."""
        figures = {
            "agreement": self.agreement,
            "primary_change": self.primary_change,
            "worst_class_change": self.worst_class_change,
        }
        return {name: value for name, value in figures.items() if value is not None}


def compare(before: Answers, after: Answers, examples: Sequence[Example], task: Task) -> Parity:
    """Compare the answers of the larger model (`before`) and of the smaller one, on the same examples."""
    same = [task.agrees(one, other) for one, other in zip(before.predictions, after.predictions, strict=True)]
    both = before.predictions, after.predictions
    primary_before, primary_after = (task.metrics(examples, predicted)[task.primary] for predicted in both)
    classes_before, classes_after = (task.class_scores(examples, predicted) for predicted in both)
    changes = {name: classes_after[name] - classes_before[name] for name in sorted(classes_before)}
    worst = min(changes, key=lambda name: changes[name], default=None)
    change = None if worst is None else changes[worst]
    return Parity(sum(same) / len(same), primary_after - primary_before, worst, change)


def parity_checks(parity: Parity, primary: str, limits: ParityLimits, larger: str) -> list[Check]:
    """What the limits in params.yaml say of it; `larger` is what the larger model is called."""
    checks = [
        Check.at_least(f"examples with the same answer as the {larger}", parity.agreement, limits.min_agreement),
        Check.at_most(f"loss of test {primary}", max(0.0, -parity.primary_change), limits.max_primary_drop),
    ]
    if parity.worst_class_change is not None:
        name = f"loss of F1 of the worst class, {parity.worst_class}"
        checks.append(Check.at_most(name, max(0.0, -parity.worst_class_change), limits.max_class_drop))
    return checks
