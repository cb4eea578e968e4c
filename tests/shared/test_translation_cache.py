"""The cache of translations: nothing is translated twice, nothing is another engine's, damage costs a warning."""

import logging
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from stages.shared.errors import MachineError
from stages.shared.translation_cache import TranslationCache


def upper(texts: list[str]) -> list[str]:
    return [text.upper() for text in texts]


def refuse(texts: list[str]) -> list[str]:
    raise AssertionError(f"translated again: {texts}")


def test_a_hit_gives_what_the_miss_gave(tmp_path: Path) -> None:
    texts = ["a", "ß 😀", "", "a"]
    with closing(TranslationCache(tmp_path, "engine 1")) as cache:
        made = cache.translated(texts, "there", upper)
        assert (cache.hits, cache.misses) == (1, 3)
    with closing(TranslationCache(tmp_path, "engine 1")) as cache:
        assert cache.translated(texts, "there", refuse) == made == ["A", "SS 😀", "", "A"]
        assert (cache.hits, cache.misses) == (4, 0)


def test_only_what_is_missing_is_translated(tmp_path: Path) -> None:
    asked: list[list[str]] = []

    def translate(texts: list[str]) -> list[str]:
        asked.append(texts)
        return upper(texts)

    with closing(TranslationCache(tmp_path, "engine 1")) as cache:
        cache.translated(["a"], "there", translate)
        assert cache.translated(["b", "a", "b"], "there", translate) == ["B", "A", "B"]
    assert asked == [["a"], ["b"]]


def test_another_way_or_engine_has_its_own(tmp_path: Path) -> None:
    with closing(TranslationCache(tmp_path, "engine 1")) as cache:
        cache.translated(["a"], "there", upper)
        assert cache.translated(["a"], "back", lambda texts: ["back"]) == ["back"]
    with closing(TranslationCache(tmp_path, "engine 2")) as cache:
        assert cache.translated(["a"], "there", lambda texts: ["two"]) == ["two"]


def test_a_damaged_file_is_set_aside_with_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "translations.sqlite").write_bytes(b"no database " * 1000)
    with caplog.at_level(logging.WARNING), closing(TranslationCache(tmp_path, "engine 1")) as cache:
        assert cache.translated(["a"], "there", upper) == ["A"]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "translations.damaged1" in caplog.text
    assert (tmp_path / "translations.damaged1").read_bytes().startswith(b"no database")


def test_damage_while_it_is_open_is_survived(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    texts = [f"text {number}" for number in range(2000)]
    with caplog.at_level(logging.WARNING), closing(TranslationCache(tmp_path, "engine 1")) as cache:
        made = cache.translated(texts, "there", upper)
        file = tmp_path / "translations.sqlite"
        content = bytearray(file.read_bytes())
        content[100:] = b"\xff" * (len(content) - 100)
        file.write_bytes(content)
        with closing(TranslationCache(tmp_path, "engine 1")) as other:
            assert other.translated(texts, "there", upper) == made
    assert "is damaged" in caplog.text


def test_a_flipped_bit_in_a_row_is_a_miss(tmp_path: Path) -> None:
    with closing(TranslationCache(tmp_path, "engine 1")) as cache:
        cache.translated(["a"], "there", upper)
    with closing(sqlite3.connect(tmp_path / "translations.sqlite")) as connection, connection:
        connection.execute("UPDATE translations SET text = 'other'")
    with closing(TranslationCache(tmp_path, "engine 1")) as cache:
        assert cache.translated(["a"], "there", upper) == ["A"]
        assert cache.misses == 1


def test_parallel_runs_share_it(tmp_path: Path) -> None:
    def run(number: int) -> list[str]:
        with closing(TranslationCache(tmp_path, "engine 1")) as cache:
            return cache.translated([f"{number % 4} {each}" for each in range(50)], "there", upper)

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(run, range(16)))
    assert all(result == [f"{number % 4} {each}" for each in range(50)] for number, result in enumerate(results))
    with closing(TranslationCache(tmp_path, "engine 1")) as cache:
        cache.translated([f"{number} {each}" for number in range(4) for each in range(50)], "there", refuse)


def test_a_file_that_cannot_be_opened_is_an_error_not_damage(tmp_path: Path) -> None:
    (tmp_path / "translations.sqlite").mkdir()
    with pytest.raises(MachineError, match="cannot be opened"):
        TranslationCache(tmp_path, "engine 1")
