"""Read a bundle: check every file against MANIFEST.json, then its settings."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from serving.cutting import LONG_TEXTS
from serving.errors import BundleDamaged, BundleMissing
from serving.manifest import check_files, read_json
from serving.pictures import fault_of_pictures
from serving.written import MANIFEST, read_entries

FORMAT = 3  # of settings.json, of the cleaning in serving/text.py, and of the model's inputs and output
TOKENIZER, SETTINGS = "tokenizer.json", "settings.json"


@dataclass(frozen=True)
class Bundle:
    """A checked bundle: where its files lie, and how its model is asked."""

    model: Path
    tokenizer: Path
    settings: dict[str, Any]


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_list_of_words(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_word, value))


def _is_name(value: Any) -> bool:
    return _is_word(value) and Path(value).name == value


def _is_inputs(value: Any) -> bool:
    return _is_list_of_words(value) and len(value) == len(set(value)) <= 2


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_Needs: TypeAlias = dict[str, tuple[Callable[[Any], bool], str]]
_NEEDED: _Needs = {
    "task": (_is_word, "a word"),
    "answers": (_is_word, "a word"),
    "model": (_is_name, "the name of a file or folder beside it"),
    "inputs": (_is_inputs, "the names of one or two texts, in order"),
}
_NEEDED_OF_TEXTS: _Needs = {
    "max_tokens": (_is_number, "a number"),
    "long_texts": (LONG_TEXTS.__contains__, f"one of {', '.join(LONG_TEXTS)}"),
    "overlap": (_is_number, "a number"),
}


def _check_settings(settings: Any, path: Path) -> dict[str, Any]:
    if not isinstance(settings, dict) or settings.get("format") != FORMAT:
        found = settings.get("format") if isinstance(settings, dict) else None
        raise BundleDamaged(f"{path}: format {found!r}: this code reads format {FORMAT}. Use the code of its release.")
    needed = _NEEDED if "pictures" in settings else _NEEDED | _NEEDED_OF_TEXTS
    faults = [
        f"`{name}` is {json.dumps(settings.get(name))}, it must be {wanted}"
        for name, (is_fit, wanted) in needed.items()
        if not is_fit(settings.get(name))
    ]
    listed = {name.partition("/")[0] for name in read_entries(path.parent) or {}}
    if settings.get("model") not in listed:
        faults.append(f"{settings.get('model')} is not in the manifest")
    if "pictures" in settings:
        faults += [fault] if (fault := fault_of_pictures(settings["pictures"])) else []
    elif TOKENIZER not in listed:
        faults.append(f"{TOKENIZER} is not in the manifest")
    extras = settings.get("extras", [])
    if extras and not _is_list_of_words(extras):
        faults.append(f"`extras` is {json.dumps(extras)}, it must be the names of files")
    if faults:
        raise BundleDamaged(f"{path}: {'; '.join(faults)}. Build the bundle again.")
    return settings


def _read_extra(path: Path) -> Any:
    """An array of a .npy file, or what a .json file holds."""
    if path.suffix == ".json":
        return read_json(path)
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise BundleDamaged(f"{path}: is no array that can be read: {error}. Fetch the bundle again.") from None


def _read_extras(folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """What an answer needs beside the settings, by the name of the file it lies in."""
    names: list[str] = settings.get("extras", [])
    listed = read_entries(folder) or {}
    faults = [f"{name}: not in the manifest" for name in names if name not in listed]
    faults += [f"{name}: not the name of a file beside it" for name in names if Path(name).name != name]
    faults += [f"{name}: neither .npy nor .json" for name in names if Path(name).suffix not in (".npy", ".json")]
    faults += [f"{name}: `{Path(name).stem}` is a setting already" for name in names if Path(name).stem in settings]
    known = {SETTINGS, TOKENIZER, *names}
    faults += [
        f"{name}: in the manifest, and not among the extras"
        for name in listed
        if Path(name).suffix in (".npy", ".json") and "/" not in name and name not in known
    ]
    if faults:
        raise BundleDamaged(f"{folder / SETTINGS}: extras:\n  " + "\n  ".join(faults) + "\nBuild the bundle again.")
    return {Path(name).stem: _read_extra(folder / name) for name in names}


def load_bundle(folder: Path) -> Bundle:
    """Check a bundle, file by file, and read its settings, with what lies in files of its own among them.

    Raises:
        BundleMissing: there is none. BundleDamaged: it is not whole, or of another format; all faults at once.
    """
    if not (folder / MANIFEST).is_file():
        raise BundleMissing(f"{folder}: no bundle there: no {MANIFEST}. Give the folder that holds {SETTINGS}.")
    check_files(folder, SETTINGS)
    settings = _check_settings(read_json(folder / SETTINGS), folder / SETTINGS)
    return Bundle(folder / settings["model"], folder / TOKENIZER, settings | _read_extras(folder, settings))
