"""The student as the stage gives it on: made, compared with its teacher, written, refused or not."""

import time
from pathlib import Path

from stages.distill.student import Made, make_student
from stages.distill.timing import texts_per_second
from stages.shared.answering import write_settings
from stages.shared.answers import write_answers
from stages.shared.checks import checks_table, figures_list, refuse_failed
from stages.shared.examples import read_split
from stages.shared.fitting import make_repeatable
from stages.shared.held_out import Splits, answer_all, answers_of, figures_of
from stages.shared.model_files import WEIGHTS
from stages.shared.models import load_model, write_model
from stages.shared.outcome import Metrics, Outcome
from stages.shared.params import SPLITS, Params, Student
from stages.shared.parity import compare, parity_checks
from stages.shared.resources import peak_memory
from stages.shared.same import COMPARED, TOLERANCE, require_same, say
from stages.tasks import Task, task_of


def _write(made: Made, out: Path, task: Task, params: Params) -> None:
    """Write the student, and see that what is loaded says the same."""
    folder, data = out / "model", made.data
    made.history.write(out / "plots", task.primary)
    write_model(made.model, made.tokenizer, folder)
    write_settings(folder, made.settings)
    saved = load_model(task, folder, params.task, len(made.tokenizer))
    few = data.validation[:COMPARED]
    said, again = (say(data.task, one, few, data.padding) for one in (made.model, saved))
    require_same(said, again, "distill: the student that was saved says something else than the one made", TOLERANCE)


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob(WEIGHTS))


def student_of(
    text: Path, validated: Path, augmented: Path, model: Path, evaluated: Path, out: Path, params: Params
) -> Outcome:
    """Make the student that params.yaml asks for, and compare it with its teacher on the test split.

    Raises:
        Refused: it is past a limit; model and report are written all the same.
        ParamsError: no such student can be made of the model. TrainingFailed: the loss is no number any more.
    """
    started, wanted, task = time.perf_counter(), params.distill.student, task_of(params.task)
    assert wanted is not None  # distill makes no student where none is asked for
    make_repeatable(params.seed, wanted.threads)
    splits: Splits = {split: list(read_split(validated, split)) for split in SPLITS}
    before = answers_of(evaluated, splits["test"])
    made = make_student(text, augmented, model / "model", params, wanted)
    _write(made, out, task, params)
    after, _ = answer_all(made.data.task, out / "model", splits, params)
    parity = compare(before, after, splits["test"], task)
    checks = parity_checks(parity, task.primary, wanted.limits, "trained model")
    metrics = figures_of(after, splits["test"], task, params) | parity.metrics() | made.figures
    metrics["size_ratio"] = _bytes(out / "model") / _bytes(model / "model")
    write_answers(out / "predictions.parquet", after)
    (out / "report.md").write_text(
        f"# Student\n\n{checks_table(checks)}\n\n## Figures on the test split\n\n{figures_list(metrics)}\n",
        encoding="utf-8",
    )
    refuse_failed(
        checks,
        "the student is not the trained model any more",
        "Try more layers or epochs, text without labels in distill.text, or other distill.student.limits.",
    )
    timings = texts_per_second(task, {"trained": model / "model", "student": out / "model"}, splits["test"], params)
    timings |= {"seconds": time.perf_counter() - started, "peak_memory_megabytes": peak_memory() / 1e6}
    return Outcome(_summary(metrics, wanted, task.primary), metrics, timings)


def _summary(metrics: Metrics, wanted: Student, primary: str) -> str:
    return (
        f"{metrics['layers']:.0f} layers, {metrics['weights_share']:.0%} of the weights; test {primary} "
        f"{metrics[f'test.{primary}']:.4f} ({metrics['primary_change']:+.4f}), same answer as the trained model for "
        f"{metrics['agreement']:.1%} of the examples"
    )
