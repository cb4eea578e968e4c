"""English inflection both ways: the lemmas that a word may be a form of, and the same form of another lemma.

Source: the rules and exception lists of morphy(7WN); the spelling rules are those of any English grammar.
"""

import re

from stages.thesauri._wordnet_database import Database

# ending of a form, ending of its lemma, name of the form
_RULES = {
    "noun": (
        ("ses", "s", "plural"),
        ("xes", "x", "plural"),
        ("zes", "z", "plural"),
        ("ches", "ch", "plural"),
        ("shes", "sh", "plural"),
        ("men", "man", "plural"),
        ("ies", "y", "plural"),
        ("s", "", "plural"),
    ),
    "verb": (
        ("ies", "y", "s"),
        ("es", "e", "s"),
        ("es", "", "s"),
        ("s", "", "s"),
        ("ed", "e", "ed"),
        ("ed", "", "ed"),
        ("ied", "y", "ed"),
        ("ing", "e", "ing"),
        ("ing", "", "ing"),
    ),
    "adj": (("er", "", "er"), ("est", "", "est"), ("er", "e", "er"), ("est", "e", "est")),
    "adv": (),
}
_SIBILANT = re.compile("(s|x|z|ch|sh)$")
_CONSONANT_Y = re.compile("[^aeiou]y$")
_ONE_SYLLABLE = re.compile("^[^aeiouy]*[aeiouy]+[^aeiouy]*e?$")
_MAY_DOUBLE = re.compile("[^aeiou][aeiouy][^aeiouywx]$")  # stop, stopped; but visit, visited


def lemmas_of(word: str, part: str, database: Database) -> list[tuple[str, str]]:
    """Each (lemma, name of the form) that a word may be as a part of speech; `base` is the lemma itself."""
    found = [(word, "base")] if database.has(word, part) else []
    irregular = database.lemmas_of_form[part].get(word, ())
    found += [(lemma, _irregular_form(word, part)) for lemma in irregular if lemma != word]
    if not irregular:
        for ending, lemma_ending, form in _RULES[part]:
            lemma = word.removesuffix(ending) + lemma_ending
            if word.endswith(ending) and lemma != word and database.has(lemma, part):
                found.append((lemma, form))
    return list(dict.fromkeys(found))


def inflect(lemma: str, part: str, form: str, database: Database) -> str | None:
    """The form of a lemma, or None where it is not sure how it is spelt."""
    if form == "base":
        return lemma
    irregular = [
        word
        for word in database.forms_of_lemma[part].get(lemma, ())
        if "_" not in word and _irregular_form(word, part) == form
    ]
    if irregular:
        return irregular[0] if len(irregular) == 1 else None  # `began` or `begun`: the sentence would have to tell
    return _regular(lemma, form)


def _irregular_form(word: str, part: str) -> str:
    if part == "noun":
        return "plural"
    if part == "verb":
        return "ing" if word.endswith("ing") else "s" if word.endswith("s") else "ed"
    return "est" if word.endswith("st") else "er"


def _regular(lemma: str, form: str) -> str | None:
    if form == "plural" and lemma.endswith("s") and not lemma.endswith("ss"):
        return None  # `works` is a plural already
    if form in ("plural", "s"):
        if _CONSONANT_Y.search(lemma):
            return lemma[:-1] + "ies"
        return lemma + ("es" if _SIBILANT.search(lemma) else "s")
    if _MAY_DOUBLE.search(lemma) or (form in ("er", "est") and not _ONE_SYLLABLE.match(lemma)):
        return None
    if form == "ing":
        return (lemma[:-1] if re.search("[^eoy]e$", lemma) else lemma) + "ing"
    if _CONSONANT_Y.search(lemma):
        return lemma[:-1] + "i" + form
    return lemma.removesuffix("e") + form
