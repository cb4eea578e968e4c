"""How texts are cleaned, and when two of them count as the same."""

import random
import re

import pytest

from serving.text import CleanText, clean, count_stray, matching_key


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\u0007b", "ab"),
        ("  a \r\n\t b\u00a0c ", "a b c"),
        ("\ufeffx\u200by\u202e", "xy"),
        ("cafe\u0301", "café"),
        ("cafe\u200b\u0301", "café"),
        ("👩\u200d🔧", "👩\u200d🔧"),
        ("\u0001 \u0002", ""),
    ],
)
def test_clean(text: str, expected: str) -> None:
    assert clean(text) == expected
    assert clean(clean(text)) == clean(text)


def test_case_spaces_full_width_and_zero_width_do_not_tell_texts_apart() -> None:
    keys = {matching_key(text) for text in ("Not BAD", "not  bad ", "ｎｏｔ ｂａｄ", "no\u200bt ba\u200dd")}
    assert keys == {"not bad"}
    assert matching_key("not bad!") != "not bad"


def test_stray_characters_are_counted_but_line_ends_are_not() -> None:
    assert count_stray("a\u0007\u200b\n\t") == 2


ODD = (
    list("ab e=ka .")  # what others join, or that stays as it is
    + list(" \t\r\n\u00a0\u2000\u3000\x1c\x85\u2028")  # white space of many kinds
    + list("\x00\x07\u200b\u200c\u200d\ufeff\u202e\u00ad\ud800\ue000\u2060")  # what is dropped, and joiners
    + list("\u0301\u0327\u0338\u0316\u0344\u093c\u0345")  # marks of many classes
    + list("éçåÅ\u212b\u1fef\u0958\u0915\u2adc\ufb1d")  # composed ones, and some that NFC takes apart
    + list("\u1100\u1161\u11a8각가\u11a7")  # Hangul, whole and in jamo
    + list("\u09c7\u09be\u0f71\u0f72\u0f73\u0f75\u0f74\u0dd9\u0dcf\u0dca")  # starters that join, marks of class 0
    + list("你👩🔧ｆ\ufb01𝅗𝅥\U0001d15e")
)


def odd_texts(count: int) -> list[str]:
    draw = random.Random(0)
    return ["".join(draw.choices(ODD, k=draw.randrange(1, 24))) for _ in range(count)]


def words_of(text: str) -> list[tuple[int, int]]:
    return [found.span() for found in re.finditer(r"[^ ]+", text)]


def test_each_part_of_a_clean_text_is_found_in_the_given_one() -> None:
    for given in odd_texts(4000):
        cleaned = CleanText(given)
        assert cleaned.text == clean(given)
        spans = [cleaned.span_in_given(place, place + 1) for place in range(len(cleaned.text))]
        assert [start for start, _ in spans] == sorted(start for start, _ in spans)
        assert [end for _, end in spans] == sorted(end for _, end in spans)
        assert len(spans) == cleaned.position(len(given))
        for character, (start, end) in zip(cleaned.text, spans, strict=True):
            shown = given[start:end]
            assert not clean(shown) if character == " " else character in clean(shown), repr(given)
        for word in words_of(cleaned.text):
            start, end = cleaned.span_in_given(*word)
            assert clean(given[start:end]) == clean(cleaned.text[slice(*word)]), repr(given)


def test_positions_lead_back_to_where_they_came_from() -> None:
    for given in odd_texts(2000):
        cleaned = CleanText(given)
        places = [cleaned.position(place) for place in range(len(given) + 1)]
        assert places == sorted(places)
        assert (places[0], places[-1]) == (0, len(cleaned.text))
        for start, end in words_of(cleaned.text):
            assert tuple(map(cleaned.position, cleaned.span_in_given(start, end))) == (start, end), repr(given)


@pytest.mark.parametrize(
    ("given", "found", "shown"),
    [
        ("  say  cafe\u0301\u200b !", "café", "cafe\u0301"),
        ("in\u200bner \u1100\u1161\u11a8 x", "각", "\u1100\u1161\u11a8"),
        ("New \n\t\u200b York", "New York", "New \n\t\u200b York"),
        ("in\u00adner", "inner", "in\u00adner"),
    ],
)
def test_a_found_span_is_shown_as_the_user_wrote_it(given: str, found: str, shown: str) -> None:
    cleaned = CleanText(given)
    start = cleaned.text.index(found)
    assert given[slice(*cleaned.span_in_given(start, start + len(found)))] == shown


def test_a_position_outside_the_text_stays_as_far_outside() -> None:
    cleaned = CleanText(" a\u200bb ")
    assert [cleaned.position(place) for place in (-1, 0, 5, 6, 9)] == [-1, 0, 2, 3, 6]
    assert cleaned.span_in_given(2, 2) == (5, 5)
    assert CleanText("ab").position(7) == 7
