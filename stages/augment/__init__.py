"""Add copies of training rows: of texts by synonyms, and by a translation there and back; of pictures in other forms.

in    validated/train.parquet, validation.parquet   one Example per row; the test split is not read
out   train.parquet                                 the rows, then their copies, each with its parent's expected answer
      validation.parquet                            the same rows
      report.md                                     of a trial: what the copies bring, and which are left out
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path

from datasets import Dataset
from pyarrow.parquet import read_table

from stages.augment.back_translation import back_translated
from stages.augment.copies import Copy, Known, check_parents
from stages.augment.pictures import with_pictures
from stages.augment.synonyms import with_synonyms
from stages.augment.trial import Verdict, check_trial, metrics_of, report_of, try_copies
from stages.shared import plugins
from stages.shared.errors import ParamsError, TemperError
from stages.shared.examples import Example, features, read_split, write_split
from stages.shared.outcome import Metrics, Outcome
from stages.shared.params import Params
from stages.tasks import task_of

WAYS = {  # of making copies, by what examples are made of, each with what is said of it
    "text": {"synonyms": "{} copies by synonyms", "back_translation": "{} by back-translation"},
    "picture": {"pictures": "{} copies of pictures"},
}


def check(params: Params) -> None:
    """Raise one error that names all that is missing or impossible. What is turned off is not needed.

    Raises:
        ParamsError: the task has no text that a translation may replace, or copies are asked for that are not for it.
        MachineError: thesaurus or translator are missing.
    """
    wanted = []
    if params.augment.synonyms.copies:
        wanted.append(("thesauri", params.augment.synonyms.thesaurus))
    if params.augment.back_translation.copies:
        wanted.append(("translators", params.augment.back_translation.translator))
    problems: list[TemperError] = [*_unfit(params)]
    try:
        check_trial(task_of(params.task), params)
    except TemperError as error:
        problems.append(error)
    for folder, choice in wanted:
        try:
            plugins.load(folder, choice.name).check(choice)
        except TemperError as error:
            problems.append(error)
    if problems:
        raise type(problems[0])("\n".join(str(problem) for problem in problems))


def _unfit(params: Params) -> Iterator[ParamsError]:
    """What is turned on and is not for the task."""
    task, wanted = task_of(params.task), params.augment
    copies = {name: getattr(wanted, name).copies for name in ("synonyms", "back_translation", "pictures")}
    others = ("synonyms", "back_translation") if task.medium == "picture" else ("pictures",)
    for name in others:
        if copies[name]:
            made_of = "pictures, not of texts" if task.medium == "picture" else "texts, not of pictures"
            yield ParamsError(
                f"augment.{name}.copies: {copies[name]}: the examples of the task '{params.task.name}' are made of "
                f"{made_of}. Set augment.{name}.copies to 0."
            )
    if copies["back_translation"] and task.medium == "text" and not task.paraphrased:
        yield ParamsError(
            f"augment.back_translation.copies: {copies['back_translation']}: the task '{params.task.name}' has no text "
            f"that a translation could replace, as what is expected hangs on the very words. Set "
            f"augment.back_translation.copies to 0; synonyms are possible."
        )


def augment(validated: Path, out: Path, params: Params) -> Outcome:
    """Write the training rows with their copies, and the validation rows as they are.

    Raises:
        MachineError: a program or a file that an augmentation needs is missing.
        DataError: a training row stands in the validation split too, or an id stands twice.
    """
    check(params)
    task = task_of(params.task)
    train, validation = read_split(validated, "train"), read_split(validated, "validation")
    known = Known(task)
    known.learn(train, "duplicate")
    known.learn(validation, "in_validation")
    tally = Tally()
    copies = chain(
        tally.timed("synonyms", known.sifted(with_synonyms(train, task, params))),
        tally.timed("back_translation", known.sifted(back_translated(train, task, params, tally.timings))),
        tally.timed("pictures", known.sifted(with_pictures(train, task, params))),
    )
    columns, kept = features(task.columns), tally.kept(copies)
    verdicts: dict[str, Verdict] = {}
    if params.augment.trial:
        made: dict[str, list[Example]] = {way: [] for way in WAYS[task.medium]}
        for how, row in kept:
            made[how].append(row)
        verdicts = try_copies(task, list(train), list(validation), made, params)
        (out / "report.md").write_text(report_of(verdicts), encoding="utf-8")
        harmful = [how for how, verdict in verdicts.items() if verdict.harms]
        tally.leave_out(harmful)
        kept = ((how, row) for how, rows in made.items() if how not in harmful for row in rows)
    write_split(out, "train", chain(train, (row for _, row in kept)), columns)
    write_split(out, "validation", validation, columns)
    written = read_table(out / "train.parquet", columns=["id", "parent"]).to_pylist()
    check_parents(written, train["id"], validation["id"])
    return _outcome(train, validation, tally, WAYS[task.medium], verdicts)


class Tally:
    """What became of the copies, and how long making them took."""

    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.timings: Metrics = {}
        self._changed: defaultdict[str, float] = defaultdict(float)

    def timed(self, how: str, copies: Iterator[Copy]) -> Iterator[tuple[str, Copy]]:
        """The copies with the name of how they are made, while the seconds that this takes are counted."""
        start = time.monotonic()
        for copy in copies:
            yield how, copy
        self.timings[f"{how}.seconds"] = time.monotonic() - start

    def kept(self, copies: Iterator[tuple[str, Copy]]) -> Iterator[tuple[str, Example]]:
        """The copies that are kept, each with how it was made; each copy is counted."""
        for how, copy in copies:
            if copy.fault:
                self.dropped[f"{how}.{copy.fault}"] += 1
            else:
                self.rows[how] += 1
                self._changed[how] += copy.changed
                yield how, copy.example

    def leave_out(self, ways: Iterable[str]) -> None:
        """Count the copies of these ways as dropped, after all."""
        for how in ways:
            self.dropped[f"{how}.harmful"] = self.rows.pop(how, 0)

    def changed(self, how: str) -> float:
        """The fraction of a copy's words that its parent does not have, in the mean; 0 without copies."""
        return round(self._changed[how] / self.rows[how], 6) if self.rows[how] else 0.0


def _outcome(
    train: Dataset, validation: Dataset, tally: Tally, ways: Mapping[str, str], verdicts: Mapping[str, Verdict]
) -> Outcome:
    metrics: Metrics = {"rows.original": len(train), "rows.validation": len(validation)}
    metrics |= {f"rows.{how}": tally.rows[how] for how in ways}
    metrics |= {f"words_changed.{how}": tally.changed(how) for how in ways if how != "pictures"}
    metrics |= {f"dropped.{how}": sum(n for r, n in tally.dropped.items() if r.startswith(f"{how}.")) for how in ways}
    metrics |= {f"dropped.{reason}": count for reason, count in sorted(tally.dropped.items())}
    metrics |= metrics_of(verdicts)
    copies = ", ".join(said.format(tally.rows[how]) for how, said in ways.items())
    summary = f"{len(train)} training rows, {copies}, {sum(tally.dropped.values())} copies dropped"
    return Outcome(summary=summary, metrics=metrics, timings=tally.timings)
