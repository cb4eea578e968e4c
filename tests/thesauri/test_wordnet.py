"""The synonyms of WordNet: that they mean the same, stand in the same form, and are left out where that is not sure."""

from pathlib import Path

import pytest

import stages.thesauri.wordnet as wordnet_file
from stages.shared.errors import MachineError
from stages.thesauri._english_forms import inflect, lemmas_of
from stages.thesauri._english_words import LEFT_ALONE
from stages.thesauri._wordnet_database import Database
from stages.thesauri.wordnet import Params, WordNet, check, open_thesaurus
from tests.conftest import ROOT, sample_texts


@pytest.fixture(scope="session")
def folder() -> str:
    from ruamel.yaml import YAML

    raw = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    return str(raw["augment"]["synonyms"]["thesaurus"]["folder"])


@pytest.fixture(scope="session")
def database(folder: str) -> Database:
    return Database(Path(folder))


@pytest.fixture(scope="session")
def wordnet(database: Database) -> WordNet:
    return WordNet(database)


@pytest.mark.parametrize(
    ("before", "word", "after", "synonym"),
    [
        ("i", "bought", "it", "purchased"),
        ("a", "big", "box", "large"),
        (None, "bigger", "than", "larger"),
        ("two", "photos", None, "photographs"),
        ("the", "sofa", "is", "couch"),
        ("works", "exactly", "as", "precisely"),
        ("has", "disappeared", None, "vanished"),
        (None, "buying", "it", "purchasing"),
        ("was", "terrible", None, "awful"),
    ],
)
def test_a_synonym_stands_in_the_form_of_the_word(
    wordnet: WordNet, before: str | None, word: str, after: str | None, synonym: str
) -> None:
    assert synonym in wordnet.synonyms(word, before, after)


@pytest.mark.parametrize(
    ("before", "word", "after"),
    [
        (None, "not", None),  # grammar
        ("a", "good", "one"),  # no other word with just that meaning: no `goodness`
        (None, "bad", None),
        ("five", "minutes", None),  # no `mins`
        (None, "forty", None),  # no `twoscore`
        ("the", "lid", "is"),  # no `eyelid`
        ("to", "buy", "up"),  # phrasal
        ("washing", "machine", None),  # an entry of two words
        ("she", "saw", "it"),  # see or saw
        (None, "kwyjibo", None),  # unknown
        (None, "chemist's", None),
        (None, "привет", None),
    ],
)
def test_a_word_is_left_alone_where_that_is_safer(
    wordnet: WordNet, before: str | None, word: str, after: str | None
) -> None:
    assert wordnet.synonyms(word, before, after) == []


def test_no_synonym_is_an_opposite(wordnet: WordNet, database: Database) -> None:
    assert {"bad", "evil"} & set(database.opposites("good", "adj"))
    for word in ("cheap", "big", "slow", "happy", "reliable"):
        assert not set(wordnet.synonyms(word, "is", None)) & database.opposites(word, "adj")


def test_the_article_still_fits(wordnet: WordNet) -> None:
    assert "inexpensive" in wordnet.synonyms("cheap", "the", "one")
    assert wordnet.synonyms("cheap", "a", "one") == []


def test_the_part_of_speech_follows_from_the_word_before(wordnet: WordNet) -> None:
    assert wordnet.synonyms("scream", "the", None) == ["shriek"]
    assert wordnet.synonyms("scream", "will", None) == ["yell"]
    assert wordnet.synonyms("smile", "the", None) == ["grin"]
    assert wordnet.synonyms("smile", None, None) == []  # to smile or a smile


@pytest.mark.parametrize(
    ("word", "part", "found"),
    [
        ("boxes", "noun", ("box", "plural")),
        ("children", "noun", ("child", "plural")),
        ("bought", "verb", ("buy", "ed")),
        ("stopped", "verb", ("stop", "ed")),
        ("bigger", "adj", ("big", "er")),
        ("carries", "verb", ("carry", "s")),
        ("making", "verb", ("make", "ing")),
        ("good", "adj", ("good", "base")),
    ],
)
def test_the_lemma_of_a_form_is_found(database: Database, word: str, part: str, found: tuple[str, str]) -> None:
    assert found in lemmas_of(word, part, database)


@pytest.mark.parametrize(
    ("lemma", "part", "form", "expected"),
    [
        ("child", "noun", "plural", "children"),
        ("box", "noun", "plural", "boxes"),
        ("city", "noun", "plural", "cities"),
        ("works", "noun", "plural", None),
        ("begin", "verb", "ed", None),  # began or begun
        ("buy", "verb", "ed", "bought"),
        ("stop", "verb", "ing", "stopping"),
        ("carry", "verb", "ed", "carried"),
        ("agree", "verb", "ing", "agreeing"),
        ("use", "verb", "ing", "using"),
        ("large", "adj", "er", "larger"),
        ("happy", "adj", "est", "happiest"),
        ("expensive", "adj", "er", None),
    ],
)
def test_a_form_is_spelt_right_or_not_at_all(
    database: Database, lemma: str, part: str, form: str, expected: str | None
) -> None:
    assert inflect(lemma, part, form, database) == expected


def test_a_missing_database_is_named_with_its_package_and_parameter(tmp_path: Path) -> None:
    params = Params(name="wordnet", folder=str(tmp_path))
    for function in (check, open_thesaurus):
        with pytest.raises(MachineError, match=r"data\.adj.*wordnet-base.*augment\.synonyms\.copies to 0"):
            function(params)


def test_what_is_remembered_of_a_word_is_what_is_found_of_it_where_it_stands(wordnet: WordNet) -> None:
    for text, _ in sample_texts(150):
        words = [word for word in text.lower().split() if word.isalpha()]
        for before, word, after in zip([None, *words], words, [*words[1:], None], strict=False):
            telling = before if before in wordnet_file._TELLING else None
            assert wordnet._reading_after(word, before) == wordnet._reading_after(word, telling)
            if not wordnet.knows(word):
                assert (word in LEFT_ALONE or len(word) < 3) or not wordnet._words_like(word, telling)
                assert wordnet.synonyms(word, before, after) == []
