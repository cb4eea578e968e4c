"""Find a plug-in by its name: a plug-in is a file of its folder, and only the chosen file is imported."""

import difflib
import importlib
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[1]


def names_of(folder: str) -> list[str]:
    """The plug-ins of a folder of stages/, such as `sources`: its files, sorted."""
    return sorted(path.stem for path in (ROOT / folder).glob("*.py") if not path.stem.startswith("_"))


def nearest(word: str, known: list[str]) -> str:
    """` Did you mean 'x'?` for the known name nearest to `word`, else nothing."""
    match = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    found = "".join(match).encode("utf-8", "backslashreplace").decode("utf-8")  # a name of the data may hold anything
    return f" Did you mean '{found}'?" if match else ""


def load(folder: str, name: str) -> ModuleType:
    """Import the plug-in `name` of a folder of stages/.

    Raises:
        ValueError: there is no such file; the message lists the files there are and the nearest.
    """
    known = names_of(folder)
    if name not in known:
        raise ValueError(f"'{name}' is not a file of stages/{folder}/ {known}.{nearest(name, known)}")
    return importlib.import_module(f"stages.{folder}.{name}")
