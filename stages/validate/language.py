"""Which language a sample of the texts is in."""

import numpy as np
import pandas as pd
from lingua import IsoCode639_1, Language, LanguageDetectorBuilder

from stages.shared.errors import ParamsError

# Chosen among, beside the expected one. With all 75 that lingua knows, short English texts are taken for Zulu or
# Latin, and it takes several times as long.
WIDESPREAD = (
    *("ar", "cs", "de", "en", "es", "fr", "hi", "id", "it", "ja"),
    *("ko", "nl", "pl", "pt", "ru", "sv", "tr", "uk", "vi", "zh"),
)
MIN_CHARACTERS = 12  # below, a guess says nothing: "ok" is taken for Czech


def _iso_of(language: Language) -> str:
    return str(language.iso_code_639_1.name).lower()


def check_language(expected: str) -> None:
    """Raise ParamsError when the language is none that can be recognised."""
    known = sorted(_iso_of(language) for language in Language.all())
    if expected not in known:
        raise ParamsError(
            f"validate.language.expected: '{expected}' is no language that can be recognised. "
            f"Give an ISO 639-1 code ({', '.join(known)}), or null to leave the language unchecked."
        )


def languages_of(texts: list[str], expected: str) -> list[str | None]:
    """The ISO 639-1 code of each text; None where there is nothing to recognise, as in a text of digits."""
    codes = sorted({*WIDESPREAD, expected})
    chosen = [getattr(IsoCode639_1, code.upper()) for code in codes]
    # low accuracy: a tenth of the time and memory, and hardly less often right on texts of a sentence or more
    detector = LanguageDetectorBuilder.from_iso_codes_639_1(*chosen).with_low_accuracy_mode().build()
    found = [detector.detect_language_of(text) for text in texts]
    return [None if language is None else _iso_of(language) for language in found]


def add_language(rows: pd.DataFrame, expected: str | None, sample: int, seed: int) -> None:
    """Add the column `language` to the rows: of a seeded sample of those long enough, null for all others."""
    rows["language"] = pd.Series(None, index=rows.index, dtype="str")
    candidates = np.flatnonzero((rows["key"].str.len() >= MIN_CHARACTERS).to_numpy(dtype=bool, na_value=False))
    if expected is None or not len(candidates):
        return
    chosen = np.sort(np.random.default_rng(seed).permutation(candidates)[:sample])
    rows.loc[rows.index[chosen], "language"] = languages_of(rows["key"].iloc[chosen].tolist(), expected)
