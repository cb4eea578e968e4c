"""Damage of what was written is found when it is read, and nothing else; that of DVC's cache is mended as advised."""

from pathlib import Path

import pytest

from tests.torture import damage


@pytest.fixture(params=damage.KINDS)
def written(request: pytest.FixtureRequest, tmp_path: Path) -> damage.Written:
    return damage.KINDS[request.param](tmp_path)


def test_any_change_of_the_bytes_is_found(written: damage.Written) -> None:
    assert damage.bytes_changed(written, 60, seed=7) == (60, 60)


def test_any_change_of_what_files_there_are_is_found(written: damage.Written) -> None:
    times = 2 * len(damage.STRUCTURE)
    assert damage.structure_changed(written, times, seed=7) == (times, times)


def test_every_byte_of_a_manifest_counts(written: damage.Written) -> None:
    manifest = written.folder / "MANIFEST.json"
    content = manifest.read_bytes()
    for place in range(len(content)):
        manifest.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert written.is_refused(), place


@pytest.mark.fault(34)
def test_a_flipped_bit_in_the_cache_of_dvc_is_found_and_mended_as_the_error_advises(tmp_path: Path) -> None:
    assert damage.is_found_and_mended(damage.DvcProject(tmp_path / "project", checks=True))
