"""How far the quantised model is from the float one on the test split."""

from dataclasses import dataclass
from typing import Any

from stages.quantize.answers import Answers
from stages.quantize.checks import Check
from stages.shared.outcome import Metrics
from stages.shared.params import ParityLimits
from stages.tasks import Task


@dataclass(frozen=True)
class Parity:
    """Quantised against float.

    Attributes:
        agreement: fraction of the texts with the same answer.
        primary_change: of the task's primary metric; below 0 where the quantised model is worse.
        worst_class, worst_class_change: the class whose score fell the most, or rose the least.
    """

    agreement: float
    primary_change: float
    worst_class: str
    worst_class_change: float

    def metrics(self) -> Metrics:
        """The figures, by name."""
        return {
            "agreement": self.agreement,
            "primary_change": self.primary_change,
            "worst_class_change": self.worst_class_change,
        }


def compare(expected: Answers, small: Answers, task: Task, task_params: Any) -> Parity:
    """Compare the answers of the float model (`expected`) and of the quantised one, on the same examples."""
    same = [
        one["answer"] == other["answer"] for one, other in zip(expected.predictions, small.predictions, strict=True)
    ]
    before, after = (
        task.metrics(answers.expected, answers.predictions, task_params)[task.PRIMARY] for answers in (expected, small)
    )
    classes_before, classes_after = (
        task.class_scores(answers.expected, answers.predictions, task_params) for answers in (expected, small)
    )
    changes = {name: classes_after[name] - classes_before[name] for name in sorted(classes_before)}
    worst = min(changes, key=lambda name: changes[name])
    return Parity(sum(same) / len(same), after - before, worst, changes[worst])


def parity_checks(parity: Parity, primary: str, limits: ParityLimits) -> list[Check]:
    """What the limits in params.yaml say of it."""
    return [
        Check.at_least("texts with the same answer as the float model", parity.agreement, limits.min_agreement),
        Check.at_most(f"loss of test {primary}", max(0.0, -parity.primary_change), limits.max_primary_drop),
        Check.at_most(
            f"loss of F1 of the worst class, {parity.worst_class}",
            max(0.0, -parity.worst_class_change),
            limits.max_class_drop,
        ),
    ]
