"""transformers' Trainer with its documented way to go on, in processes that are killed as ours are."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from serving.written import sha256_of
from tests.conftest import sample_texts

SAVE_STEPS, UPDATES = 4, 18


def _texts() -> tuple[list[str], list[int]]:
    rows = sample_texts(48)
    names = sorted({label for _, label in rows})
    return [text for text, _ in rows], [names.index(label) for _, label in rows]


def train(base: Path, out: Path, kill_after: int | None, goes_on: bool) -> None:
    """Train with a checkpoint every few updates; SIGKILL after an update, or to the end, and write its hash."""
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        Trainer,
        TrainerCallback,
        TrainingArguments,
        set_seed,
    )

    class Kill(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == kill_after:
                os.kill(os.getpid(), signal.SIGKILL)

    out.mkdir(parents=True, exist_ok=True)
    said = os.open(out / "said.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    set_seed(13)
    tokenizer = AutoTokenizer.from_pretrained(base)
    texts, labels = _texts()
    rows = [{**tokenizer(text, truncation=True), "labels": label} for text, label in zip(texts, labels, strict=True)]
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=3)
    arguments = TrainingArguments(
        output_dir=str(out),
        num_train_epochs=3,
        per_device_train_batch_size=8,
        learning_rate=0.003,
        save_strategy="steps",
        save_steps=SAVE_STEPS,
        save_total_limit=2,
        logging_strategy="no",
        report_to=[],
        seed=13,
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = Trainer(model, arguments, train_dataset=rows, processing_class=tokenizer, callbacks=[Kill()])
    trainer.train(resume_from_checkpoint=goes_on or None)
    trainer.save_model(str(out / "final"))
    (out / "hash").write_text(sha256_of(out / "final/model.safetensors"), encoding="utf-8")


def hash_of(out: Path) -> str | None:
    """Of the weights that came out; None where it did not come to its end."""
    file = out / "hash"
    return file.read_text(encoding="utf-8") if file.is_file() else None


def cut_newest(out: Path, name: str) -> None:
    """Leave half of a file of the newest checkpoint, as a kill inside its write does."""
    newest = max(out.glob("checkpoint-*"), key=lambda path: int(path.name.partition("-")[2]))
    content = (newest / name).read_bytes()
    (newest / name).write_bytes(content[: len(content) // 2])
