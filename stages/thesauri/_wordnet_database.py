"""The files of a WordNet 3 database: lemmas, their senses by frequency, the words of a sense, irregular forms.

Source: the manual pages wndb(5WN), cntlist(5WN), morphy(7WN) of WordNet 3.0
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from stages.shared.errors import MachineError

PARTS = ("noun", "verb", "adj", "adv")
FILES = (
    tuple(f"{kind}.{part}" for part in PARTS for kind in ("index", "data"))
    + tuple(f"{part}.exc" for part in PARTS)
    + ("cntlist.rev",)
)

_PART_OF_TYPE = {"1": "noun", "2": "verb", "3": "adj", "4": "adv", "5": "adj"}  # 5: a satellite adjective


@dataclass(frozen=True)
class Sense:
    """One meaning of a lemma.

    Attributes:
        words: the lemmas that share the meaning, as the database spells them: `_` for a space, capitals in names.
        offset: where the meaning lies in its data file; it identifies the meaning within a part of speech.
        uses: how often the lemma has this meaning in WordNet's tagged texts.
    """

    words: tuple[str, ...]
    offset: str
    uses: int


@contextmanager
def _as_wordnet(folder: Path) -> Iterator[None]:
    """Let what is not as in a WordNet be one error."""
    try:
        yield
    except (OSError, ValueError, IndexError, KeyError) as error:
        raise MachineError(
            f"augment.synonyms.thesaurus.folder: {folder}: is no WordNet 3 database, or a damaged one: {error}. "
            f"Install Debian's package `wordnet-base` again."
        ) from None


class Database:
    """A WordNet database in memory; the meanings of a lemma are looked up once.

    Raises:
        MachineError: a file is not as in a WordNet; of the meanings this shows when one is looked up.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with _as_wordnet(folder):
            self._offsets = {part: _read_index(folder / f"index.{part}") for part in PARTS}
            self._data = {part: (folder / f"data.{part}").read_bytes() for part in PARTS}
            self._uses = _read_uses(folder / "cntlist.rev")
            self.lemmas_of_form = {part: _read_exceptions(folder / f"{part}.exc") for part in PARTS}
        self.forms_of_lemma = {part: _inverted(forms) for part, forms in self.lemmas_of_form.items()}
        self._phrases = frozenset(lemma for lemmas in self._offsets.values() for lemma in lemmas if "_" in lemma)
        self._words_at = lru_cache(maxsize=None)(self._words_of_line)
        self.senses = lru_cache(maxsize=None)(self._senses)
        self.uses = lru_cache(maxsize=None)(self._all_uses)

    def has(self, lemma: str, part: str) -> bool:
        """Whether a lemma, in lower case with `_` for spaces, exists as a part of speech."""
        return lemma in self._offsets[part]

    def has_phrase(self, words: str) -> bool:
        """Whether words joined by `_` are a lemma of any part of speech."""
        return words in self._phrases

    def _senses(self, lemma: str, part: str) -> list[Sense]:
        """The meanings of a lemma, the most frequent first; empty when it is not in the database."""
        offsets = self._offsets[part].get(lemma, "").split()
        return [
            Sense(self._words_at(offset, part), offset, self._uses[lemma, part, number])
            for number, offset in enumerate(offsets, start=1)
        ]

    def _all_uses(self, lemma: str, part: str) -> int:
        """How often a lemma is this part of speech in WordNet's tagged texts."""
        count = len(self._offsets[part].get(lemma, "").split())
        return sum(self._uses[lemma, part, number] for number in range(1, count + 1))

    def opposites(self, lemma: str, part: str) -> frozenset[str]:
        """The lemmas that a lemma's meanings name as their antonyms, for any of the words of the meaning."""
        found: set[str] = set()
        for offset in self._offsets[part].get(lemma, "").split():
            fields = self._line_at(offset, part).split()
            with _as_wordnet(self._folder):
                start = 4 + 2 * int(fields[3], 16)
                pointers = range(start + 1, start + 1 + 4 * int(fields[start]), 4)
                targets = [fields[index + 1] for index in pointers if fields[index] == "!"]
            for target in targets:
                found.update(word.lower() for word in self._words_at(target, part))
        return frozenset(found)

    def _line_at(self, offset: str, part: str) -> str:
        data = self._data[part]
        with _as_wordnet(self._folder):
            start = int(offset)
            return data[start : data.index(b"\n", start)].decode("ascii").split(" | ", 1)[0]

    def _words_of_line(self, offset: str, part: str) -> tuple[str, ...]:
        fields = self._line_at(offset, part).split()
        with _as_wordnet(self._folder):
            count = int(fields[3], 16)
        return tuple(word.split("(")[0] for word in fields[4 : 4 + 2 * count : 2])  # `(a)`: where an adjective stands


def _read_index(path: Path) -> dict[str, str]:
    """Lemma: the offsets of its senses, the most frequent first, space-separated."""
    offsets = {}
    for line in path.read_text(encoding="ascii").splitlines():
        if not line.startswith(" "):  # the licence
            lemma, _, count, _ = line.split(" ", 3)
            offsets[lemma] = " ".join(line.split()[-int(count) :])
    return offsets


def _read_uses(path: Path) -> Counter[tuple[str, str, int]]:
    """(lemma, part of speech, number of the sense): how often it was tagged."""
    uses: Counter[tuple[str, str, int]] = Counter()
    for line in path.read_text(encoding="ascii").splitlines():
        key, number, count = line.split()
        lemma, _, rest = key.partition("%")
        uses[lemma, _PART_OF_TYPE[rest[0]], int(number)] += int(count)
    return uses


def _read_exceptions(path: Path) -> dict[str, tuple[str, ...]]:
    """Irregular form: its lemmas."""
    lines = (line.split() for line in path.read_text(encoding="ascii").splitlines())
    return {form: tuple(lemmas) for form, *lemmas in lines}


def _inverted(lemmas_of_form: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    forms = defaultdict(list)
    for form, lemmas in lemmas_of_form.items():
        for lemma in lemmas:
            forms[lemma].append(form)
    return {lemma: tuple(sorted(found)) for lemma, found in forms.items()}
