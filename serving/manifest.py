"""That the files of a bundle are those which its MANIFEST.json names, and such as a bundle has."""

import json
import re
from pathlib import Path
from typing import Any

from serving.errors import BundleDamaged
from serving.written import faults_of, listed, read_entries

_OF_A_BUNDLE = re.compile(
    r"README\.md|model\.onnx|model/(config\.json|model\.bin|([a-z]+_)?vocabulary\.json)|[\w-]+\.(json|npy)"
)


def read_json(path: Path) -> Any:
    """What a JSON file holds. Raises BundleDamaged when it holds none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BundleDamaged(f"{path}: is no JSON: {error}. Fetch the bundle again.") from None


def check_files(folder: Path, needed: str) -> None:
    """Raise BundleDamaged, naming each file, when a bundle is not what its manifest says.

    Args:
        folder: of the bundle.
        needed: a file that it must hold.
    """
    faults, entries = faults_of(folder), read_entries(folder)
    if entries is not None:
        faults += [f"{name}: no file that a bundle has" for name in sorted(entries) if not _OF_A_BUNDLE.fullmatch(name)]
        if needed not in entries and not (folder / needed).exists():
            faults.append(f"{needed}: missing")
    if faults:
        raise BundleDamaged(f"{folder} is damaged:{listed(faults)}\nFetch or build the bundle again.")
