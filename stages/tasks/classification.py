"""One label for one text: sentiment, intent, topic.

torch, transformers and scikit-learn are imported where they are used: every stage reads this file for its Params.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from datasets import Value
from pydantic import Field, model_validator

from stages.shared.csv_files import write_csv
from stages.shared.examples import Example
from stages.shared.markdown import table
from stages.shared.outcome import Metrics
from stages.shared.plugins import nearest
from stages.shared.sections import Choice
from stages.tasks import Batch, Prediction

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

COLUMNS = {"text": Value("string"), "label": Value("string")}
PRIMARY = "macro_f1"

_AVERAGES = ("macro", "weighted")
_PROTECTED = """
    no not nor never none nobody nothing nowhere neither cannot without hardly barely scarcely rarely seldom lack lacks
    n't don't doesn't didn't isn't aren't wasn't weren't won't wouldn't can't couldn't shouldn't hasn't haven't hadn't
    dont doesnt didnt isnt arent wasnt werent wont wouldnt cant couldnt shouldnt hasnt havent hadnt ain't aint
    but however although though yet except despite unless instead only just too enough almost even still
    more most less least few fewer little much many very better best worse worst good bad
    could should would might must may if
"""


class Params(Choice):
    """Options of the task: its labels, in the order of the model's outputs, and how long a text may be."""

    name: Literal["classification"]
    labels: list[Annotated[str, Field(min_length=1)]] = Field(min_length=2)
    max_tokens: int = Field(ge=3)

    @model_validator(mode="after")
    def _labels_differ(self) -> Self:
        twice = sorted({label for label in self.labels if self.labels.count(label) > 1})
        if twice:
            raise ValueError(f"labels: {', '.join(twice)} given more than once")
        return self


def texts(example: Example) -> tuple[str, ...]:
    """The one text."""
    return (example["text"],)


def with_texts(example: Example, texts: tuple[str, ...]) -> Example:
    """The same example with another text."""
    (text,) = texts
    return {**example, "text": text}


def answer(example: Example) -> str:
    """The label."""
    return str(example["label"])


def answers(params: Params) -> list[str]:
    """The labels."""
    return list(params.labels)


def fault(example: Example, params: Params) -> str | None:
    """Why the label cannot be used, with the nearest known one, else None."""
    label = example["label"]
    if label in params.labels:
        return None
    if not label:
        return "no label"
    return f"label '{label}' is not in task.labels [{', '.join(params.labels)}].{nearest(label, params.labels)}"


def protected_words() -> frozenset[str]:
    """Negations, contrasts, degrees and plain judgements: to swap one may turn the label round."""
    return frozenset(_PROTECTED.split())


def encode(tokenizer: PreTrainedTokenizerBase, examples: Sequence[Example], params: Params) -> list[dict[str, Any]]:
    """Token ids, cut at `max_tokens`, and the label's index: {"input_ids": list[int], "expected": int}."""
    index = {label: position for position, label in enumerate(params.labels)}
    encoded = tokenizer(
        [example["text"] for example in examples],
        truncation=True,
        max_length=params.max_tokens,
        return_attention_mask=False,
        return_token_type_ids=False,
    )["input_ids"]
    return [
        {"input_ids": ids, "expected": index[example["label"]]} for ids, example in zip(encoded, examples, strict=True)
    ]


def collate(encoded: Sequence[dict[str, Any]], tokenizer: PreTrainedTokenizerBase) -> Batch:
    """Pad to the longest: "input_ids", "attention_mask" (batch, tokens) and "expected" (batch,)."""
    import torch

    longest = max(len(row["input_ids"]) for row in encoded)
    input_ids = np.full((len(encoded), longest), tokenizer.pad_token_id or 0, dtype=np.int64)
    attention_mask = np.zeros((len(encoded), longest), dtype=np.int64)
    for position, row in enumerate(encoded):
        input_ids[position, : len(row["input_ids"])] = row["input_ids"]
        attention_mask[position, : len(row["input_ids"])] = 1
    return {
        "input_ids": torch.from_numpy(input_ids),
        "attention_mask": torch.from_numpy(attention_mask),
        "expected": torch.tensor([row["expected"] for row in encoded]),
    }


def load_model(base: Path, params: Params) -> PreTrainedModel:
    """The base with a classification head of one output per label; a new head is drawn from torch's seed."""
    from transformers import AutoModelForSequenceClassification, logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # that a new head is new is no news
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    model: PreTrainedModel = AutoModelForSequenceClassification.from_pretrained(
        str(base),
        id2label=dict(enumerate(params.labels)),
        label2id={label: position for position, label in enumerate(params.labels)},
        ignore_mismatched_sizes=True,
        local_files_only=True,
        use_safetensors=True,
        dtype="float32",
    )
    return model


def class_weights(examples: Sequence[Example], params: Params) -> torch.Tensor:
    """Balanced weights, shape (classes,): rows / (classes x rows of the class); 0 for a class without rows."""
    import torch

    labels = [example["label"] for example in examples]
    rows = torch.tensor([labels.count(label) for label in params.labels], dtype=torch.float32)
    return torch.where(rows > 0, len(labels) / (len(params.labels) * rows.clamp(min=1)), 0.0)


def loss_sum(logits: torch.Tensor, expected: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
    """The summed cross entropy of a batch, a scalar in nats, each example times the weight of its class."""
    from torch.nn.functional import cross_entropy

    return cross_entropy(logits, expected, weight=weights, reduction="sum")


def loss_weight(expected: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
    """The examples of a batch, or the sum of their class weights, a scalar."""
    return expected.new_tensor(len(expected)) if weights is None else weights[expected].sum()


def decode(logits: np.ndarray, params: Params) -> list[Prediction]:
    """The likeliest label of each row of logits (rows, classes), and its probability."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    probabilities = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
    best = probabilities.argmax(axis=1)
    return [
        {"answer": params.labels[column], "confidence": float(row[column])}
        for column, row in zip(best.tolist(), probabilities, strict=True)
    ]


def metrics(expected: Sequence[str], predicted: Sequence[Prediction], params: Params) -> Metrics:
    """Accuracy, and macro and weighted precision, recall and F1: fractions in [0, 1]; 0 where 0 is divided by 0."""
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    answers = [prediction["answer"] for prediction in predicted]
    found = {"accuracy": float(accuracy_score(expected, answers))}
    for average in _AVERAGES:
        scores = precision_recall_fscore_support(
            expected, answers, labels=params.labels, average=average, zero_division=0
        )
        found |= {f"{average}_{name}": float(scores[i]) for i, name in enumerate(("precision", "recall", "f1"))}
    return found


def class_scores(expected: Sequence[str], predicted: Sequence[Prediction], params: Params) -> Metrics:
    """The F1 of each label."""
    from sklearn.metrics import f1_score

    answers = [prediction["answer"] for prediction in predicted]
    scores = f1_score(expected, answers, labels=params.labels, average=None, zero_division=0)
    return {label: float(score) for label, score in zip(params.labels, scores, strict=True)}


def bundle_settings(params: Params) -> dict[str, Any]:
    """What the server needs to know of the task."""
    return {"task": params.name, "labels": params.labels, "max_tokens": params.max_tokens}


def resample(
    expected: Sequence[str], models: Sequence[Sequence[Prediction]], params: Params, samples: int, seed: int
) -> list[dict[str, np.ndarray]]:
    """Accuracy, macro, weighted and per-label F1 of each model in resamples of the rows that are the same for all."""
    from stages.shared.bootstrap import resampled_scores

    answers = [_indices([prediction["answer"] for prediction in predicted], params) for predicted in models]
    return resampled_scores(_indices(expected, params), answers, params.labels, samples, seed)


def baseline(splits: Mapping[str, Sequence[Example]], params: Params, seed: int) -> tuple[list[Prediction], str]:
    """What TF-IDF with logistic regression answers on the test rows, and the setting that validation chose."""
    from stages.shared.linear_baseline import fit_baseline

    parts = {name: ([row["text"] for row in rows], [row["label"] for row in rows]) for name, rows in splits.items()}
    fitted = fit_baseline(parts["train"], parts["validation"], seed)
    return fitted.predict(parts["test"][0]), str(fitted.setting)


def report(out: Path, expected: Sequence[str], predicted: Sequence[Prediction], params: Params) -> str:
    """Write the confusion matrix as plots/confusion.csv and a picture; give it and the labels' scores as Markdown."""
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    from stages.shared.confusion import confusion_table, draw_confusion

    answers = [prediction["answer"] for prediction in predicted]
    write_csv(out / "plots/confusion.csv", ("expected", "predicted"), zip(expected, answers, strict=True))
    matrix = confusion_matrix(expected, answers, labels=params.labels)
    draw_confusion(matrix, params.labels, out / "pictures/confusion.png")
    columns = precision_recall_fscore_support(expected, answers, labels=params.labels, zero_division=0)
    rows = list(zip(params.labels, *(column.tolist() for column in columns), strict=True))
    header = ("label", "precision", "recall", "f1", "support")
    write_csv(out / "labels.csv", header, rows)
    return f"## Labels\n\n{table(header, rows)}\n## Confusion\n\n{confusion_table(matrix, params.labels)}"


def _indices(answers: Sequence[str], params: Params) -> np.ndarray:
    index = {label: position for position, label in enumerate(params.labels)}
    return np.array([index[answer] for answer in answers], dtype=np.intp)
