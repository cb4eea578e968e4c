"""Make a smaller model that says what the trained one says, and refuse it where it does not.

in    text/                          .txt files: text without labels to learn from beside the training rows, or none
      validated/*.parquet            one Example per row
      augmented/train.parquet        the training rows with their copies
      model/model/                   the trained model, the teacher
      evaluated/predictions.parquet  what it said of the test split
out   of a student, else nothing beside the metrics:
      model/                         Transformers layout, as of train
      predictions.parquet            what the student said of the test split
      plots/                         loss.csv, validation.csv, as of train
      report.md                      each check: observed, limit, passed or refused
"""

from pathlib import Path

from stages.distill.check import check_distill
from stages.shared.outcome import Outcome
from stages.shared.params import Params
from stages.tasks import task_of

__all__ = ["check_distill", "distill"]


def distill(
    text: Path, validated: Path, augmented: Path, model: Path, evaluated: Path, out: Path, params: Params
) -> Outcome:
    """Make the student that params.yaml asks for, if any, and compare it with its teacher on the test split.

    Raises:
        Refused: it is past a limit; model and report are written all the same.
        ParamsError: no such student can be made of the model. TrainingFailed: the loss is no number any more.
    """
    if params.distill.student is None:
        return Outcome("off: the trained model goes on as it is", {"weights_share": 1.0}, {})
    from stages.distill.making import student_of  # seconds, which nobody waits for where it is off

    check_distill(task_of(params.task), params)
    return student_of(text, validated, augmented, model, evaluated, out, params)
