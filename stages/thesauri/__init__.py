"""Where synonyms come from. A thesaurus is a file of this folder that has:

class Params(Choice)             its options in params.yaml
def open_thesaurus(params)       a Thesaurus
def check(params)                raises MachineError when what it needs is not installed
"""

from typing import Protocol


class Thesaurus(Protocol):
    """Synonyms, by word and part of speech."""

    def knows(self, word: str) -> bool:
        """Whether `synonyms` may be other than empty for a word, in lower case, somewhere."""
        ...

    def synonyms(self, word: str, before: str | None, after: str | None) -> list[str]:
        """Other words for `word` (lower case), sorted, best first, empty when it is better left alone.

        Args:
            word: the word as it stands, in lower case.
            before, after: its neighbours in lower case, for the part of speech; None at an end.
        """
        ...
