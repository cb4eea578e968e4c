"""Training speed against transformers' Trainer with its defaults, and against the products of its matrices alone.

The same weights to begin with, texts, batch size and number of updates, on all cores, in one run; medians. T1, T2: the
Trainer pads to the longest of a batch and draws its batches in random order. T3: it pads to 128 tokens, as the text
classification examples do. T4: it groups by length. T5: the share of our time that the model's own matrix products
take, on real tokens, in the same precision. T7: what the loop adds to forward, backward and step, and what recording
in MLflow adds.

    python -m benchmarks.training [--batches 30] [--rounds 3]
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import torch
from accelerate.state import AcceleratorState
from transformers import (
    AutoModelForSequenceClassification,
    DataCollatorWithPadding,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)
from transformers.utils import logging as transformers_logging

import flows  # noqa: F401  telemetry off
from benchmarks.comparing import Comparison, interleaved, publish, seconds_of
from benchmarks.products import products_of
from benchmarks.texts import AG_NEWS, SST, texts_of_lengths
from stages.shared.base_model import find_base, tokenizer_of
from stages.shared.fitting import Data, History, Learner, Plan, fit
from stages.shared.fitting.dropout import fast_dropout
from stages.shared.fitting.loop import NO_HOOKS, Loop, groups_of_epoch
from stages.shared.fitting.optimizer import make_optimizer, set_learning_rate
from stages.shared.fitting.precision import chosen_precision
from stages.shared.fitting.vocabulary import words_in_use
from stages.shared.lineage import Origin
from stages.shared.models import load_model
from stages.shared.params import Params, load_params
from stages.shared.pipeline import Stage
from stages.shared.progress import reporting_to
from stages.shared.session import process_key
from stages.shared.tracking import Record
from stages.tasks import Batch, task_of

ROOT = Path(__file__).parents[1]
CPU = torch.device("cpu")
RATE = 5e-5
STAGE = Stage("train", "", (), Path("data/train"), frozenset())
UNIT = "examples/s"
OF_STEP = "the rest lies between the products: casts, dropout, norms, GELU, softmax, AdamW; see the profile"


def same_values(params: Params) -> Params:
    """The parameters of the main job with one epoch, unless more is asked for, and the cores of this machine."""
    values = {"epochs": 1, "batch_size": 32, "learning_rate": RATE, "patience": 100}
    return params.model_copy(update={"train": params.train.model_copy(update=values)})


class Job:
    """One data set in memory, and the ways to train on it."""

    def __init__(self, params: Params, quantiles: tuple[int, ...], batches: int) -> None:
        self.params, self.base = params, find_base(params.pretrain).folder
        self.tokenizer, self.task = tokenizer_of(self.base), task_of(params.task)
        count = batches * params.train.batch_size
        texts = texts_of_lengths(self.tokenizer.backend_tokenizer, quantiles, count, seed=1)
        labels = params.task.labels  # type: ignore[attr-defined]
        rows = [
            {"id": str(n), "source": "", "parent": "", "made_by": "", "text": text, "label": labels[n % len(labels)]}
            for n, text in enumerate(texts)
        ]
        settings = self.task.settings()
        reader = self.task.open_reader(self.tokenizer, settings)
        few = rows[:8]
        self.data = Data(
            task=self.task,
            reader=reader,
            settings=settings,
            padding=self.tokenizer.pad_token_id,
            train=self.task.training_items(reader, rows),
            validation=self.task.items(reader, few),
            train_rows=rows,
            validation_rows=few,
            weights=None,
        )
        self.examples = [
            {"input_ids": list(item.rows[0].ids), "labels": int(item.expected)} for item in self.data.train
        ]

    def model(self) -> Any:
        """The base with a new head."""
        torch.manual_seed(1)
        return load_model(self.task, self.base, self.params.task, len(self.tokenizer))

    def ours(self) -> float:
        """Examples a second of `fit`, batching included; that of the one small validation is not."""
        AcceleratorState._reset_state(reset_partial_state=True)
        model, history = self.model(), History()
        fit(model, self.data, Plan(self.params.train, 1, "train"), history)
        return history.examples / history.seconds

    def trainer(self, limit: int | None = None, **options: Any) -> float:
        """Examples a second of the Trainer; `limit` pads to so many tokens and takes the first fifth alone."""
        AcceleratorState._reset_state(reset_partial_state=True)
        examples = self.examples[: len(self.examples) // 5] if limit else self.examples
        padding: dict[str, Any] = {"padding": "max_length", "max_length": limit} if limit else {}
        with tempfile.TemporaryDirectory() as scratch:
            arguments = TrainingArguments(
                output_dir=scratch,
                num_train_epochs=1,
                per_device_train_batch_size=self.params.train.batch_size,
                learning_rate=RATE,
                report_to="none",
                save_strategy="no",
                disable_tqdm=True,
                use_cpu=True,
                **options,
            )
            torch.manual_seed(1)
            model = AutoModelForSequenceClassification.from_pretrained(
                self.base,
                num_labels=len(self.params.task.labels),  # type: ignore[attr-defined]
            )
            collator = DataCollatorWithPadding(self.tokenizer, **padding)
            trainer = Trainer(model=model, args=arguments, train_dataset=examples, data_collator=collator)
            trainer.remove_callback(PrinterCallback)
            started = time.perf_counter()
            trainer.train()
            return len(examples) / (time.perf_counter() - started)

    def loop_share(self) -> float:
        """What the loop takes beyond forward, backward, clipping and step on a batch that is made beforehand: a share.

        Both go through the same updates in turns, each with a model of its own; the median of their pairs counts.
        """
        AcceleratorState._reset_state(reset_partial_state=True)
        plan, (model, other) = Plan(self.params.train, 1, "train"), (self.model(), self.model())
        loop = Loop(model, self.data, plan, History(), NO_HOOKS)
        with (
            fast_dropout(torch.nn.ModuleList([model, other]), CPU),
            words_in_use(model, self.data, plan.values) as loop.words,
            words_in_use(other, self.data, plan.values),
        ):
            step, ratios = self._bare_step(other), []
            for group in groups_of_epoch(self.data.lengths, plan, epoch=0):
                batch = self.data.batch(group[0], (1, 0, 0))
                ratios.append(seconds_of(partial(loop.update, group)) / seconds_of(partial(step, batch)))
        loop.release()
        return statistics.median(ratios) - 1

    def _bare_step(self, model: Any) -> Callable[[Batch], None]:
        values = self.params.train
        optimizer, learner = make_optimizer(model, values), Learner(model, self.task, None)
        set_learning_rate(optimizer, RATE)
        half = chosen_precision(values.precision, CPU) == "bfloat16"
        model.train()

        def step(batch: Batch) -> None:
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
                loss = learner.loss(batch) / learner.weight_of(batch)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), values.max_gradient_norm)
            optimizer.step()
            optimizer.zero_grad()

        return step

    def recorded(self) -> float:
        """The share of the time of `fit` in which its figures are written to MLflow, measured within one run."""
        with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):
            record, spent = Record(), 0.0
            tags = {"temper.host": "speed", "temper.process": process_key(psutil.Process())}
            record.open(Origin("speed", "train", {}, tags, {}))

            def timed(step: int, values: dict[str, float]) -> None:
                nonlocal spent
                spent += seconds_of(lambda: record.live(step, values))

            with reporting_to(timed):
                speed = self.ours()
            spent += seconds_of(lambda: record.end("speed", [STAGE], "FINISHED"))
            return spent / (len(self.data.train) / speed)

    def products(self) -> float:
        """Examples a second if nothing but the matrix products of the encoder were computed, without padding."""
        config = self.model().config
        kind = torch.bfloat16 if chosen_precision(self.params.train.precision, CPU) == "bfloat16" else torch.float32
        groups = groups_of_epoch(self.data.lengths, Plan(self.params.train, 1, "train"), epoch=0)
        works = [products_of([self.data.lengths[i] for i in group[0]], config, kind) for group in groups]
        started = time.perf_counter()
        for work in works:
            work()
        return len(self.data.train) / (time.perf_counter() - started)


def compare(job: Job, news: Job, rounds: int) -> list[Comparison]:
    """All comparisons of training."""
    speeds = interleaved(
        {
            "ours": job.ours,
            "trainer": job.trainer,
            "padded": lambda: job.trainer(limit=128),
            "grouped": lambda: job.trainer(train_sampling_strategy="group_by_length"),
            "loop": job.loop_share,
            "recorded": job.recorded,
            "products": job.products,
            "news, ours": news.ours,
            "news, trainer": news.trainer,
        },
        rounds,
    )
    return [*_against_trainer(speeds), *_of_itself(speeds)]


def _against_trainer(speeds: dict[str, float]) -> Iterator[Comparison]:
    def faster(bar: str, what: str, peer: str, against: str, wanted: float, by: str = "ours") -> Comparison:
        figures = speeds[by], speeds[against]
        return Comparison(bar, what, peer, UNIT, *figures, figures[0] / figures[1], wanted, "more")

    yield faster("T1", "training, SST lengths", "Trainer", "trainer", 2.5)
    yield faster("T2", "training, AG News lengths", "Trainer", "news, trainer", 1.8, "news, ours")
    yield faster("T3", "training, SST lengths", "Trainer, padded to 128", "padded", 8)
    yield faster("T4", "training, SST lengths", "Trainer, group_by_length", "grouped", 1.4)


def _of_itself(speeds: dict[str, float]) -> Iterator[Comparison]:
    def share(bar: str, what: str, peer: str, figure: float, wanted: float) -> Comparison:
        return Comparison(bar, what, peer, "share", figure, 1.0, figure, wanted, "less")

    what, peer = "share of the time that is matrix products on real tokens", "the products alone"
    ours, products = speeds["ours"], speeds["products"]
    yield Comparison("T5", what, peer, UNIT, ours, products, ours / products, 0.55, "more", OF_STEP)
    what, peer = "what the loop adds to an update, the median of pairs in turns", "forward, backward, clipping and step"
    yield share("T7a", what, peer, speeds["loop"], 0.03)
    what, peer = "share of the time in which figures are written to MLflow", "the whole time"
    yield share("T7b", what, peer, speeds["recorded"], 0.01)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=30, help="updates of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    transformers_logging.set_verbosity_error()
    params = same_values(load_params(ROOT / "params.yaml"))
    torch.set_num_threads(params.train.threads)
    job, news = Job(params, SST, asked.batches), Job(params, AG_NEWS, asked.batches // 2)
    comparisons = compare(job, news, asked.rounds)
    precision = chosen_precision(params.train.precision, CPU)
    publish("training", comparisons, threads=params.train.threads, precision=precision, updates=asked.batches)


if __name__ == "__main__":
    main()
