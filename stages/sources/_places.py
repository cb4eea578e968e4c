"""Where the files of the splits lie: one file with all rows, or a folder with a file, or several, for each split."""

from collections.abc import Mapping
from pathlib import Path

from stages.shared.errors import MachineError, ParamsError
from stages.shared.params import SPLITS, Split
from stages.shared.plugins import nearest


def existing(path: Path) -> Path:
    """The path, if a file is there.

    Raises:
        MachineError: there is none; the message names the files of its folder and the nearest.
    """
    if path.is_file():
        return path
    there = sorted(entry.name for entry in path.parent.iterdir()) if path.parent.is_dir() else []
    listed = f" Files there: {', '.join(there[:20])}." if there else f" There is no folder {path.parent} either."
    raise MachineError(f"{path}: no such file.{nearest(path.name, there)}{listed} Name it rightly in ingest.source.")


def _in_folder(folder: Path, files: Mapping[Split, str]) -> dict[str, Path]:
    """The path that each split has in a folder, in the order of the splits.

    Raises:
        ParamsError: no split is named, or a path lies outside the folder.
    """
    if not files:
        there = ", ".join(sorted(entry.name for entry in folder.iterdir())[:20])
        raise ParamsError(
            f"ingest.source.files: {folder} is a folder: say which file is which split, "
            f"as {{train: train.csv, test: test.csv}}. It holds: {there}."
        )
    outside = [name for name in files.values() if not (folder / name).resolve().is_relative_to(folder.resolve())]
    if outside:
        raise ParamsError(f"ingest.source.files: {', '.join(outside)}: lies outside {folder}, which DVC watches.")
    return {split: folder / files[split] for split in SPLITS if split in files}


def whole_files(path: Path, files: Mapping[Split, str]) -> dict[str, Path]:
    """Split, or "all": its file.

    Raises:
        ParamsError: `path` and `files` do not go together. MachineError: a file is missing.
    """
    if path.is_dir():
        return {split: existing(file) for split, file in _in_folder(path, files).items()}
    existing(path)
    if files:
        raise ParamsError(f"ingest.source.files: {path} is a file, so files must be {{}}. Name its folder in path.")
    return {"all": path}


def parallel_files(path: Path, files: Mapping[Split, str], endings: list[str]) -> dict[str, dict[str, Path]]:
    """Split, or "all": the file of each ending, as `train.en` or `train.en.gz`.

    Args:
        path: a folder.
        files: for each split what its files are called before the ending; without any, the folder holds one such set.
        endings: such as `en` and `de`.

    Raises:
        ParamsError: `path` is no folder, or holds several sets of which none is named. MachineError: a file is missing.
    """
    if path.is_file():
        raise ParamsError(f"ingest.source.path: {path} is a file; parallel files lie in a folder, which path names.")
    if not path.is_dir():
        raise MachineError(f"{path}: no such folder. Set ingest.source.path to the one that holds the parallel files.")
    stems = _in_folder(path, files) if files else {"all": path / _only_stem(path, endings)}
    return {split: {ending: _packed_or_plain(stem, ending) for ending in endings} for split, stem in stems.items()}


def _only_stem(folder: Path, endings: list[str]) -> str:
    there = {entry.name.removesuffix(".gz") for entry in folder.iterdir()}
    starts = [{name.removesuffix(f".{ending}") for name in there if name.endswith(f".{ending}")} for ending in endings]
    stems = sorted(set.intersection(*starts))
    if len(stems) == 1:
        return stems[0]
    found = f"several sets of files: {', '.join(stems[:20])}" if stems else f"no file each of {', '.join(endings)}"
    raise ParamsError(
        f"ingest.source.files: {folder} holds {found}. Say what the files of each split are called before their "
        f"ending, as {{train: train}} for train.{endings[0]}."
    )


def _packed_or_plain(stem: Path, ending: str) -> Path:
    plain = stem.with_name(f"{stem.name}.{ending}")
    packed = stem.with_name(f"{stem.name}.{ending}.gz")
    if plain.is_file() and packed.is_file():
        raise ParamsError(f"ingest.source.files: both {plain} and {packed.name} are there. Take one of them away.")
    return packed if packed.is_file() else existing(plain)
