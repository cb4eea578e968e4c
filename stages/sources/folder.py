"""Rows from a folder of files, as pictures: a folder for each label, which may lie below a folder for each split."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from stages.shared.errors import DataError, MachineError, ParamsError
from stages.shared.params import SPLITS, Split
from stages.shared.plugins import nearest
from stages.shared.sections import Choice
from stages.sources import Row

GIVES = ("image", "label")
FolderName = Annotated[str, StringConstraints(pattern=r"^[^/\\.][^/\\]*$")]


class Params(Choice):
    """Options of the source.

    Attributes:
        path: the folder.
        splits: the folder of each split, as {train: train, test: test}; {}: the labels' folders lie in `path` itself.
        endings: of the files that are rows, in small letters; another file, unless it is hidden, is a row at fault.
    """

    name: Literal["folder"]
    path: str = Field(min_length=1)
    splits: dict[Split, FolderName]
    endings: list[Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+$")]] = Field(min_length=1)


def _roots(path: Path, splits: Mapping[Split, str]) -> dict[str, Path]:
    """Split, or "all": its folder, in the order of the splits.

    Raises:
        MachineError: one is missing. ParamsError: a folder is there that `splits` does not name.
    """
    if not path.is_dir():
        raise MachineError(f"{path}: no such folder. Set ingest.source.path to the one that holds the files.")
    there = sorted(entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not splits:
        unsaid = [name for name in there if name in SPLITS]
        if unsaid:
            raise ParamsError(
                f"ingest.source.splits: {path} holds {', '.join(unsaid)}: say which folder is which split, as "
                f"{{{', '.join(f'{name}: {name}' for name in unsaid)}}}."
            )
        return {"all": path}
    missing = [name for name in splits.values() if name not in there]
    if missing:
        raise MachineError(
            f"{path / missing[0]}: no such folder.{nearest(missing[0], there)} Folders there: {', '.join(there[:20])}. "
            f"Correct ingest.source.splits."
        )
    others = [name for name in there if name not in splits.values()]
    if others:
        raise ParamsError(
            f"ingest.source.splits: {path} also holds {', '.join(others[:20])}. Name each folder's split, or take what "
            f"is none out of {path}."
        )
    return {split: path / splits[split] for split in SPLITS if split in splits}


def _files(root: Path) -> Iterator[Path]:
    """The files below a folder but hidden ones, in the order of their names.

    Raises:
        DataError: a folder there is a link, or cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename}: cannot be read: {error.strerror}. Grant access, or take it away.")

    for folder, inner, names in os.walk(root, onerror=refuse):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        links = [name for name in inner if (Path(folder) / name).is_symlink()]
        if links:
            raise DataError(
                f"{Path(folder) / links[0]}: a link to a folder, which DVC does not watch. Copy the folder."
            )
        yield from (Path(folder) / name for name in sorted(names) if not name.startswith("."))


def _fault(parts: tuple[str, ...], endings: list[str]) -> str | None:
    """Why a file is no row, given its path below the folder of its split; else None."""
    if len(parts) < 2:
        return "lies in no folder of a label"
    ending = Path(parts[-1]).suffix.removeprefix(".").lower()
    return None if ending in endings else f"its ending is none of ingest.source.endings, {', '.join(endings)}"


def read(path: Path, params: Params, wanted: tuple[str, ...]) -> Iterator[Row]:
    """Stream the rows: of each file its path, and as its label the folder that it lies in, below its split's.

    Raises:
        ParamsError: the task wants more than that, or `splits` does not fit. MachineError: a folder is missing.
        DataError: a folder is a link, cannot be read, or holds no file.
    """
    missing = [name for name in wanted if name not in GIVES]
    if missing:
        raise ParamsError(
            f"ingest.source.name: folder: gives {' and '.join(GIVES)}, and the task needs {', '.join(missing)} too. "
            f"Choose the source `file`."
        )
    for split, root in _roots(path, params.splits).items():
        is_empty = True
        for file in _files(root):
            is_empty = False
            parts = file.relative_to(root).parts
            place = file.relative_to(path).as_posix()
            yield Row(split, place, {"image": place, "label": parts[0]}, _fault(parts, params.endings), path)
        if is_empty:
            raise DataError(f"{root}: holds no files. Check ingest.source.path, or fill the folder.")
