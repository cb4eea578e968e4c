"""Unlabelled text: what is a document, and what is never read."""

import gzip
from pathlib import Path

import pytest

from stages.shared.errors import DataError
from stages.shared.examples import features, write_split
from stages.shared.unlabelled import LONGEST, Text
from tests.conftest import SENTIMENT_COLUMNS


def documents(path: Path, kind: str = "line") -> list[str]:
    return list(Text(path, ("text",), kind, "pretrain.text").read())  # type: ignore[arg-type]


def test_of_a_stages_output_the_training_split_alone_is_read_each_text_once(tmp_path: Path) -> None:
    for split, texts in (("train", ["One.", "Two.", "One."]), ("validation", ["Three."]), ("test", ["Four."])):
        rows = [
            {"id": f"{i}", "source": "", "parent": "", "made_by": "", "text": text, "label": "a"}
            for i, text in enumerate(texts)
        ]
        write_split(tmp_path, split, rows, features(SENTIMENT_COLUMNS))
    assert documents(tmp_path) == ["One.", "Two."]


def test_files_are_read_in_the_order_of_their_names_and_clean(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("\ufeffSecond  line\u200b\n\nThird\n", encoding="utf-8")
    with gzip.open(tmp_path / "a.txt.gz", "wt", encoding="utf-8") as file:
        file.write("First\n")
    (tmp_path / "c.md").write_text("never", encoding="utf-8")
    assert documents(tmp_path) == ["First", "Second line", "Third"]
    assert documents(tmp_path / "b.txt") == ["Second line", "Third"]


def test_a_paragraph_ends_at_an_empty_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n\nOne\nmore\n \n\nTwo\n", encoding="utf-8")
    assert documents(tmp_path, "paragraph") == ["One more", "Two"]


def test_a_line_too_long_to_hold_comes_in_pieces(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("ab " * LONGEST, encoding="utf-8")
    found = documents(tmp_path)
    assert len(found) == 3
    assert sum(document.count("a") for document in found) == LONGEST


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.txt", b"good\nb\xe4d\n", r"a\.txt: near line 1: is not UTF-8"),
        ("a.txt", b"\n \n", "there is no text in it"),
        ("a.md", b"good", "holds neither train.parquet"),
        ("a.txt.gz", b"good", "is no whole gzip file"),
        ("a.txt.gz", gzip.compress(b"good " * 1000, mtime=0)[:-10], "is no whole gzip file"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=words):
        documents(tmp_path)
