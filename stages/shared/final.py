"""Which model goes on to be quantised: the student, where distill made one, else the one that was trained."""

from pathlib import Path

MODEL = "model"


def final_model(trained: Path, distilled: Path) -> Path:
    """The folder of the model, in Transformers layout, given the outputs of train and of distill."""
    return (distilled if (distilled / MODEL).is_dir() else trained) / MODEL


def final_answers(evaluated: Path, distilled: Path) -> Path:
    """The folder with the model's answers to the test split, given the outputs of evaluate and of distill."""
    return distilled if (distilled / MODEL).is_dir() else evaluated
