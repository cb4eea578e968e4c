"""Texts: measured in characters and tokens, compared by their letters."""

from pathlib import Path
from typing import Any

import pandas as pd
from rapidfuzz.distance import Levenshtein

from stages.shared.base_model import base_of
from stages.shared.outcome import Metrics
from stages.shared.params import Params
from stages.tasks import Task
from stages.validate.check import Check, percent
from stages.validate.language import add_language, check_language
from stages.validate.medium import Indices, size_of
from stages.validate.near_duplicates import Matches, find_near_duplicates
from stages.validate.plain_tokenizer import counting_tokenizer
from stages.validate.report import LONG_TEXTS_ARE, lengths
from stages.validate.rows import read_rows
from stages.validate.tables import Tables, long_texts_table
from stages.validate.text_checks import (
    cut_check,
    empty_text_check,
    is_cut,
    language_checks,
    length_check,
    unknown_tokens_check,
)


class Texts:
    """See `stages.validate.medium.Medium`."""

    noun, unit = "text", "characters"

    def __init__(self, task: Task, params: Params) -> None:
        """Raises ParamsError when validate.language.expected is no language that can be recognised."""
        self.task, self.params, self.wanted = task, params, params.validate_
        self.bounds = self.wanted.characters
        self.has_tokenizer = params.pretrain.base is not None  # else it is yet to be made, of this very data
        if self.wanted.language.expected is not None:
            check_language(self.wanted.language.expected)

    def read_rows(self, ingested: Path) -> pd.DataFrame:
        """Adds those of `token_figures`, and language."""
        base = base_of(self.params)
        tokenizer: Any = None if base is None else counting_tokenizer(self.task, base.folder)
        rows = read_rows(ingested, self.task, tokenizer)
        add_language(rows, self.wanted.language.expected, self.wanted.language.sample, self.params.seed)
        return rows

    def near(self, rows: pd.DataFrame, left: Indices, right: Indices) -> Matches:
        """By edit distance."""
        keys, similarity = rows["key"], self.wanted.near_duplicate_similarity
        return find_near_duplicates(keys.iloc[left].tolist(), keys.iloc[right].tolist(), similarity)

    def add_repeated(self, rows: pd.DataFrame) -> None:
        """None: texts that are nearly the same teach something each."""

    def nearness(self, rows: pd.DataFrame, one: int, other: int) -> str:
        """By edit distance."""
        keys = rows["key"]
        return f"similarity {Levenshtein.normalized_similarity(keys.iloc[one], keys.iloc[other]):.3f}"

    def emptiness(self, rows: pd.DataFrame, row: int) -> str:
        """No text."""
        return "no text"

    def row_figures(self, rows: pd.DataFrame) -> dict[str, pd.Series]:
        """characters, tokens, language."""
        tokens = rows["tokens"].astype("Int32").mask(rows["key"].isna().to_numpy())
        return {"characters": size_of(rows, self.bounds), "tokens": tokens, "language": rows["language"]}

    def tables(self, rows: pd.DataFrame) -> Tables:
        """How long texts are."""
        return {"long_texts": long_texts_table(rows, self.task.declared, self.task.limits[0])}

    def figures(self, rows: pd.DataFrame) -> dict[str, list[float]]:
        """The share of tokens that are unknown."""
        return {"unknown_token_share": [float(rows["unknown_tokens"].sum() / max(1, rows["all_tokens"].sum()))]}

    def empty_check(self) -> Check:
        """There is a text."""
        return empty_text_check(self.wanted)

    def size_check(self) -> Check:
        """It is neither too short nor too long."""
        return length_check(self.wanted)

    def other_checks(self) -> list[Check]:
        """Cut texts, unknown tokens, language."""
        checks = language_checks(self.wanted)
        if self.has_tokenizer:
            checks = [unknown_tokens_check(self.wanted), *checks]
        if self.has_tokenizer and is_cut(self.params.task.long_texts):
            checks = [cut_check(self.wanted, self.task.limits[0]), *checks]
        return checks

    def metrics(self, tables: Tables) -> Metrics:
        """The shares of all texts and of their tokens that are cut, and of the texts longer than the model at all."""
        everything, cut = tables["long_texts"].iloc[0], is_cut(self.params.task.long_texts)
        texts, tokens = float(everything["text_share"]), float(everything["token_share"])
        found: Metrics = {}
        if self.has_tokenizer:
            found = {"cut_share": texts if cut else 0.0, "cut_token_share": tokens if cut else 0.0, "long_share": texts}
            found["unknown_token_share"] = float(tables["figures"]["unknown_token_share"].iloc[0])
        languages = tables["rows"]["language"].dropna()
        if len(languages):
            found["language_share"] = float((languages == self.wanted.language.expected).mean())
        return found

    def content(self, tables: Tables) -> dict[str, Any]:
        """Lengths, long texts, languages."""
        languages = tables["rows"]["language"].value_counts().items()
        rows, longest = tables["rows"], self.task.limits[0]
        limits = {"characters": self.bounds.max, **({"tokens": longest} if self.has_tokenizer else {})}
        return {
            "lengths": [lengths(rows[unit], limit, unit) for unit, limit in limits.items()],
            "long_texts": tables["long_texts"].to_dict("records") if self.has_tokenizer else [],
            "long_texts_are": LONG_TEXTS_ARE[self.params.task.long_texts],
            "max_tokens": longest,
            "unknown_token_share": percent(tables["figures"]["unknown_token_share"].iloc[0]),
            "languages": sorted(((str(name), int(n)) for name, n in languages), key=lambda pair: (-pair[1], pair[0])),
        }
