"""A folder is published whole or not at all, and damage is found when it is read."""

import json
import os
from pathlib import Path

import pytest

from stages.shared.errors import DataError, MachineError, Refused
from stages.shared.publish import check_manifest, mend, published, write_json


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


def become_link(path: Path) -> None:
    """Let a link stand in the place of what it leads to."""
    path.rename(path.parents[1] / "elsewhere")
    path.symlink_to(path.parents[1] / "elsewhere")


def flip(path: Path) -> None:
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (lambda out: flip(out / "inner/file.txt"), "inner/file.txt: its bytes"),
        (lambda out: (out / "inner/file.txt").unlink(), "inner/file.txt: missing"),
        (lambda out: (out / "extra").write_text("x"), "extra: not in the manifest"),
        (lambda out: (out / "more/empty").mkdir(parents=True), "more/empty: not in the manifest"),
        (lambda out: (out / "MANIFEST.json").unlink(), "no MANIFEST.json"),
        (lambda out: become_link(out / "inner/file.txt"), "inner/file.txt: a link"),
        (lambda out: become_link(out / "inner"), "inner: a link"),
        (lambda out: become_link(out / "MANIFEST.json"), "MANIFEST.json: its bytes"),
        (lambda out: os.mkfifo(out / "pipe"), "pipe: a link or a device"),
    ],
)
def test_damage_is_found(tmp_path: Path, damage: object, word: str) -> None:
    write(tmp_path / "out", "one")
    damage(tmp_path / "out")  # type: ignore[operator]
    with pytest.raises(DataError, match=word):
        check_manifest(tmp_path / "out")


@pytest.mark.parametrize(
    "change",
    [
        lambda told: json.dumps(told),
        lambda told: json.dumps(told, indent=2, sort_keys=True),
        lambda told: json.dumps(told, indent=2, sort_keys=True) + "\n\n",
        lambda told: json.dumps(told | {"more": 1}, indent=2, sort_keys=True) + "\n",
        lambda told: json.dumps({"files": {"inner/file.txt": {"bytes": 3}}}, indent=2, sort_keys=True) + "\n",
        lambda told: json.dumps({"files": []}, indent=2) + "\n",
        lambda told: "[" * 100_000,
        lambda told: "{",
        lambda told: "",
        lambda told: "\0",
    ],
)
def test_a_manifest_that_is_not_as_it_was_written_is_one_error(tmp_path: Path, change: object) -> None:
    write(tmp_path / "out", "one")
    manifest = tmp_path / "out/MANIFEST.json"
    manifest.write_text(change(json.loads(manifest.read_text())), encoding="utf-8")  # type: ignore[operator]
    with pytest.raises(DataError, match=r"MANIFEST\.json: its bytes"):
        check_manifest(tmp_path / "out")


def test_folders_without_files_are_not_published(tmp_path: Path) -> None:
    with published(tmp_path / "out") as folder:
        (folder / "one/two").mkdir(parents=True)
        (folder / "file").write_text("x", encoding="utf-8")
    check_manifest(tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["MANIFEST.json", "file"]


def test_a_link_is_not_published(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="link: neither a file nor a folder"), published(tmp_path / "out") as folder:
        (folder / "link").symlink_to(tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_kill_between_the_two_renames_is_mended(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path / "out", "one")
    (tmp_path / "out").rename(tmp_path / ".out.replaced")
    mend(tmp_path / "out")
    check_manifest(tmp_path / "out")
    assert "was killed" in caplog.text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_a_kill_after_the_two_renames_leaves_nothing_behind(tmp_path: Path) -> None:
    write(tmp_path / "out", "two")
    write(tmp_path / ".out.replaced", "one")
    mend(tmp_path / "out")
    assert (tmp_path / "out/inner/file.txt").read_text(encoding="utf-8") == "two"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_a_file_in_the_place_of_the_output_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine", encoding="utf-8")
    with pytest.raises(MachineError, match="out: a file or a link"), published(tmp_path / "out"):
        raise AssertionError
    assert (tmp_path / "out").read_text(encoding="utf-8") == "mine"


def test_a_json_file_is_written_whole(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"b": object()})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"b": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
