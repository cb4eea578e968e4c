"""A template of what a language model reads: "{examples}{text} It was [MASK]."."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

TEXT, EXAMPLES, MASK = "{text}", "{examples}", "[MASK]"
_FIELD = re.compile(r"\{[^{}]*\}")


def template_faults(template: str, masked: bool, shows: bool) -> list[str]:
    """Everything that is wrong with a template.

    Args:
        template: as the user wrote it.
        masked: it is for a masked language model.
        shows: examples are shown in it.
    """
    unknown = sorted(set(_FIELD.findall(template)) - {TEXT, EXAMPLES})
    faults = [f"{field} is none of {TEXT} and {EXAMPLES}" for field in unknown]
    if template.count(TEXT) != 1:
        faults.append(f"{TEXT} must be there once")
    if template.count(EXAMPLES) > 1 or (shows and EXAMPLES not in template):
        faults.append(f"{EXAMPLES} must be there once where shown_examples is not 0")
    asked = template.partition(EXAMPLES)[2] if EXAMPLES in template else template
    if TEXT in template and TEXT not in asked:
        faults.append(f"{EXAMPLES} must stand before {TEXT}")
    if template.count(MASK) != masked or asked.count(MASK) != template.count(MASK):
        faults.append(f"{MASK} must be there once, after any {EXAMPLES}" if masked else f"{MASK} is for masked_lm only")
    return faults


@dataclass(frozen=True)
class Template:
    """The parts of a template without faults.

    Attributes:
        opening: what is said once, at the start.
        before, after: what stands around each text; in a masked one `[MASK]` is in one of them.
    """

    opening: str
    before: str
    after: str

    @classmethod
    def parsed(cls, template: str) -> Self:
        """The parts of a template."""
        opening, _, asked = template.rpartition(EXAMPLES)
        before, _, after = asked.partition(TEXT)
        return cls(opening, before, after)

    @property
    def word_follows(self) -> str:
        """What the template has right before the label's word, after the text if the word is there."""
        before, found, _ = self.before.partition(MASK)
        return before if found else self.after.partition(MASK)[0]

    def filled(self, text: str, word: str) -> str:
        """What an example that is shown reads as, with a line end."""
        if MASK in self.before + self.after:
            return f"{self.before.replace(MASK, word)}{text}{self.after.replace(MASK, word)}\n"
        return f"{self.before}{text}{self.after}{word}\n"

    def frame(self, shown: Sequence[tuple[str, str]], mask: str) -> tuple[str, str]:
        """What stands before and after the text that is asked about.

        Args:
            shown: text and word of each example that is shown.
            mask: the tokenizer's own mask token; "" for a causal model, whose template then ends without space: it
                goes with the word, as tokenizers have it.
        """
        before = self.opening + "".join(self.filled(*example) for example in shown) + self.before.replace(MASK, mask)
        return before, self.after.replace(MASK, mask) if mask else self.after.rstrip()
