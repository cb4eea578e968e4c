"""The options that every task on texts has."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from stages.shared.sections import Choice

_HEAD = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def _differ(labels: list[str]) -> list[str]:
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)} given more than once")
    return labels


Labels = Annotated[list[Annotated[str, Field(min_length=1)]], AfterValidator(_differ)]


class TextParams(Choice):
    """How long a text may be, what becomes of a longer one, and the user's own head, if any.

    Attributes:
        max_tokens: tokens that the model reads at once, special ones included.
        long_texts: what it reads of a longer text: its head, its head and tail, or all of it in windows.
        overlap: tokens that two neighbouring windows share.
        head: `package.module:Class` of a head to use instead of the usual one, or null.
        head_from_packages: whether that module may lie outside this folder, as in an installed package.
    """

    max_tokens: int = Field(ge=3)
    long_texts: Literal["head", "head_tail", "windows"]
    overlap: int = Field(ge=0)
    head: str | None
    head_from_packages: bool

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.overlap > self.max_tokens // 2:
            raise ValueError(f"overlap: {self.overlap} is more than half of max_tokens, {self.max_tokens}")
        if self.head is not None and not _HEAD.fullmatch(self.head):
            raise ValueError(f"head: '{self.head}' is not of the form package.module:Class")
        return self

    def reading(self) -> dict[str, Any]:
        """How texts are read, as `serving.reading.Reader` wants to know it."""
        return {"max_tokens": self.max_tokens, "long_texts": self.long_texts, "overlap": self.overlap}
