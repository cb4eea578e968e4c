"""How texts are cleaned, and when two of them count as the same."""

import pytest

from serving.text import clean, count_stray, matching_key


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
