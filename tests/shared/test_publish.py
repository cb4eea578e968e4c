"""A folder is published whole or not at all, and damage is found when it is read."""

from pathlib import Path

import pytest

from stages.shared.errors import DataError, Refused
from stages.shared.publish import check_manifest, published


def write(out: Path, text: str) -> None:
    with published(out) as folder:
        (folder / "inner").mkdir()
        (folder / "inner/file.txt").write_text(text, encoding="utf-8")


def test_a_published_folder_is_whole(tmp_path: Path) -> None:
    write(tmp_path / "out", "one")
    check_manifest(tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


def test_after_an_exception_the_last_good_is_untouched(tmp_path: Path) -> None:
    write(tmp_path / "out", "one")
    with pytest.raises(RuntimeError), published(tmp_path / "out") as folder:
        (folder / "file.txt").write_text("half", encoding="utf-8")
        raise RuntimeError
    check_manifest(tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


def test_what_a_gate_refused_is_kept_beside_until_it_passes(tmp_path: Path) -> None:
    with pytest.raises(Refused), published(tmp_path / "out") as folder:
        (folder / "report.md").write_text("why", encoding="utf-8")
        raise Refused
    assert (tmp_path / "out.refused/report.md").read_text(encoding="utf-8") == "why"
    assert not (tmp_path / "out").exists()
    write(tmp_path / "out", "good")
    assert not (tmp_path / "out.refused").exists()


def flip(path: Path) -> None:
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (lambda out: flip(out / "inner/file.txt"), "inner/file.txt: its bytes"),
        (lambda out: (out / "inner/file.txt").unlink(), "inner/file.txt: missing"),
        (lambda out: (out / "extra").write_text("x"), "extra: not in the manifest"),
        (lambda out: (out / "MANIFEST.json").unlink(), "no MANIFEST.json"),
    ],
)
def test_damage_is_found(tmp_path: Path, damage: object, word: str) -> None:
    write(tmp_path / "out", "one")
    damage(tmp_path / "out")  # type: ignore[operator]
    with pytest.raises(DataError, match=word):
        check_manifest(tmp_path / "out")
