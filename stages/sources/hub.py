"""Rows of a data set of the Hugging Face hub at a pinned commit, or of a local folder in the hub's layout.

It is read through `datasets`, streamed, and no code of the data set is ever run.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Self

from datasets import ClassLabel, IterableDataset, List, load_dataset, load_dataset_builder
from pydantic import Field, model_validator
from ruamel.yaml import YAML

from stages.shared.errors import DataError, MachineError, ParamsError
from stages.shared.params import SPLITS, Split
from stages.shared.plugins import nearest
from stages.shared.sections import Choice
from stages.sources import Row
from stages.sources._answers import answers_from
from stages.sources._conll import Tags, WrongTag, text_and_entities
from stages.sources._records import check_asked, check_columns, text_fault

_COMMIT = re.compile("[0-9a-f]{40}")


class Params(Choice):
    """Options of the source: which data set, at which commit, and what its splits and columns are called.

    `path` is what DVC watches: the local folder, or `stages/sources/hub.py` for a data set that its commit pins. Where
    `text` is a list of tokens and `entities` one of their tags, `tags` says how they are read; else it is null.
    """

    name: Literal["hub"]
    path: str = Field(min_length=1)
    dataset: str = Field(min_length=1)
    config: str | None
    revision: str | None
    splits: dict[Split, str] = Field(min_length=1)
    tags: Tags | None
    columns: dict[str, str] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_pinned(self) -> Self:
        local = Path(self.dataset).is_dir()
        if local and Path(self.path).resolve() != Path(self.dataset).resolve():
            raise ValueError(f"path: '{self.path}' is not the folder '{self.dataset}', so DVC would miss its changes")
        if local and self.revision is not None:
            raise ValueError(f"revision: '{self.dataset}' is a folder, which has none; set it to null")
        if local or _COMMIT.fullmatch(self.revision or ""):
            return self
        if self.dataset.startswith((".", "/", "~")):
            raise ValueError(f"dataset: no folder '{self.dataset}'")
        raise ValueError(
            f"revision: {self.revision!r}: the data set '{self.dataset}' needs the 40-digit commit of its repository, "
            f"so that the data is the same tomorrow. Copy it from the data set's page, or name a folder in dataset."
        )


def _unreadable(params: Params, error: Exception) -> DataError | MachineError:
    cause = f"'{params.dataset}' cannot be read: {type(error).__name__}: {str(error)[:500]}"
    if Path(params.dataset).is_dir():
        return DataError(f"ingest.source.dataset: {cause}. Mend the folder, or use the source `file`.")
    return MachineError(
        f"ingest.source.dataset: {cause}. Is the hub to be reached, and are HF_HUB_OFFLINE and HF_ENDPOINT as they "
        f"should be? Without a hub, copy the data set to a folder and name that in dataset and path."
    )


def _words_in(value: Any) -> Iterator[str]:
    """Every text in nested lists and mappings."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _words_in(inner)


def _check_cards(params: Params) -> None:
    """Raise DataError when what a local folder says of itself leads to another server, before anybody goes there."""
    for name, pattern in (("README.md", r"---\n(.*?)\n---"), (".huggingface.yaml", "(.*)")):
        card = Path(params.dataset) / name
        text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
        match = re.match(pattern, text.replace("\r\n", "\n"), re.DOTALL)
        told = YAML(typ="safe", pure=True).load(match[1]) if match else None
        places = told.get("configs") if isinstance(told, dict) else None
        if led := [word for word in _words_in(places) if "://" in word]:
            raise _elsewhere(params, led[0])


def _elsewhere(params: Params, file: str) -> DataError:
    return DataError(
        f"ingest.source.dataset: '{params.dataset}' leads to {file}, which is not of it. Put the file there, and mend "
        f"its README.md, which names it."
    )


def _check_places(params: Params, data_files: Mapping[str, Iterable[str]]) -> None:
    """Raise DataError when the data set's own card leads to files that are not of the data set."""
    folder = Path(params.dataset).resolve()
    for file in sorted({str(file) for files in data_files.values() for file in files}):
        is_own = file.startswith("hf://") or (folder.is_dir() and Path(file).resolve().is_relative_to(folder))
        if not is_own:
            raise _elsewhere(params, file)


def _open(params: Params) -> dict[str, IterableDataset]:
    """The splits of the data set, by the names that it gives them.

    Raises:
        MachineError: the hub cannot be reached, or does not have it. DataError: the folder cannot be read.
    """
    try:
        _check_cards(params)
        builder = load_dataset_builder(params.dataset, name=params.config, revision=params.revision)
        _check_places(params, builder.config.data_files or {})
        # read by pandas, a CSV file would lose the words "null" and "NA"
        options = {"keep_default_na": False} if hasattr(builder.config, "keep_default_na") else {}
        opened = load_dataset(params.dataset, name=params.config, revision=params.revision, streaming=True, **options)
    except DataError:
        raise
    except Exception as error:  # datasets and the hub's client raise a dozen kinds, none of them for the user
        raise _unreadable(params, error) from None
    return dict(opened)


def _plain(value: Any, feature: Any) -> Any:
    """A value as a file would have it: the name of a class, not its number, also in lists."""
    if isinstance(feature, List) and isinstance(value, list):
        return [_plain(item, feature.feature) for item in value]
    if isinstance(feature, ClassLabel) and isinstance(value, int):
        return feature.int2str(value) if 0 <= value < feature.num_classes else None
    return value


def _in_one_form(values: dict[str, Any], tags: Tags | None) -> dict[str, Any]:
    """The values with entities and answers as a task has them.

    Raises:
        ValueError: a tag is wrong, or answers are none.
    """
    if tags and "entities" in values:
        tokens, given = values["text"], values["entities"]
        if not isinstance(tokens, list) or not isinstance(given, list) or len(tokens) != len(given):
            raise ValueError("text and entities: are no lists of as many tokens as tags (see ingest.source.tags)")
        try:
            return {**values, **text_and_entities(tokens, list(map(str, given)), tags.scheme, tags.joiner)}
        except WrongTag as error:
            raise ValueError(f"token {error.index + 1}: {error}") from None
    return {**values, "answers": answers_from(values["answers"])} if "answers" in values else values


def _rows(split: str, name: str, rows: IterableDataset, params: Params) -> Iterator[Row]:
    kinds, number = rows.features or {}, 0
    for number, item in enumerate(_items(rows, params), start=1):
        if number == 1:
            check_columns(f"{params.dataset}, split '{name}'", list(item), params.columns)
        values = {wanted: _plain(item.get(column), kinds.get(column)) for wanted, column in params.columns.items()}
        fault = text_fault(values, "utf-8")
        try:
            values = _in_one_form(values, params.tags)
        except ValueError as error:
            fault = fault or str(error)
        yield Row(split, f"{Path(params.dataset).name}@{name}:row {number}", values, fault)
    if not number:
        raise DataError(f"{params.dataset}: the split '{name}' holds no rows. Name another in ingest.source.splits.")


def _items(rows: IterableDataset, params: Params) -> Iterator[dict[str, Any]]:
    try:
        yield from rows
    except Exception as error:  # the same dozen kinds, while the data is fetched
        raise _unreadable(params, error) from None


def read(path: Path, params: Params, wanted: tuple[str, ...]) -> Iterator[Row]:
    """Stream the rows of the data set's splits, in the order train, validation, test.

    Args:
        path: what DVC watches.
        params: the source's options.
        wanted: the columns that the task asks for.

    Raises:
        ParamsError: `columns` or `splits` name what is not there. MachineError: the hub cannot be reached.
        DataError: the data set has other columns, or cannot be read.
    """
    check_asked(params.columns, wanted, ("id",))
    opened = _open(params)
    wrong = [
        f"ingest.source.splits.{split}: no split '{name}' in {params.dataset}.{nearest(name, list(opened))} "
        f"It has: {', '.join(opened)}."
        for split, name in params.splits.items()
        if name not in opened
    ]
    if wrong:
        raise ParamsError("\n".join(wrong))
    for split in SPLITS:
        if split in params.splits:
            yield from _rows(split, params.splits[split], opened[params.splits[split]], params)
