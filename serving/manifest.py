"""A bundle's MANIFEST.json, and that its files are those which it names, and no others."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from serving.errors import BundleDamaged

MANIFEST = "MANIFEST.json"
_SHA256 = re.compile("[0-9a-f]{64}")
_OF_A_BUNDLE = re.compile(
    r"README\.md|model\.onnx|model/(config\.json|model\.bin|([a-z]+_)?vocabulary\.json)|[\w-]+\.(json|npy)"
)
Entries = dict[str, dict[str, Any]]


def read_json(path: Path) -> Any:
    """What a JSON file holds. Raises BundleDamaged when it holds none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BundleDamaged(f"{path}: is no JSON: {error}. Fetch the bundle again.") from None


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and entry.keys() == {"bytes", "sha256"}
        and type(entry["bytes"]) is int
        and isinstance(entry["sha256"], str)
        and _SHA256.fullmatch(entry["sha256"]) is not None
    )


def read_entries(folder: Path) -> Entries:
    """What the manifest says of each file: {"bytes", "sha256"}.

    Raises:
        BundleDamaged: it says something else, or not in the very bytes in which it is written.
    """
    manifest = read_json(folder / MANIFEST)
    files = manifest.get("files") if isinstance(manifest, dict) and manifest.keys() == {"files"} else None
    if not isinstance(files, dict) or not all(map(_is_entry, files.values())):
        raise BundleDamaged(f'{folder / MANIFEST}: holds no {{"files": {{name: {{"bytes", "sha256"}}}}}}.')
    written = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    if (folder / MANIFEST).is_symlink() or (folder / MANIFEST).read_bytes() != written.encode("utf-8", "replace"):
        raise BundleDamaged(f"{folder / MANIFEST}: its bytes are not those that were written. Fetch the bundle again.")
    return files


def _fault(path: Path, entry: dict[str, Any]) -> str | None:
    if path.is_symlink():
        return "a link, not the file that was written"
    if not path.is_file():
        return "missing"
    try:
        if path.stat().st_size != entry["bytes"]:
            return f"has {path.stat().st_size} bytes, the manifest says {entry['bytes']}"
        with path.open("rb") as file:
            same = hashlib.file_digest(file, "sha256").hexdigest() == entry["sha256"]
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return None if same else "its SHA-256 is not the manifest's"


def _others(folder: Path, entries: Entries) -> list[str]:
    """What lies in the folder and is neither in the manifest nor a folder of something that is."""
    known = {MANIFEST, *entries}
    known |= {parent.as_posix() for name in known for parent in Path(name).parents}
    return sorted({path.relative_to(folder).as_posix() for path in folder.rglob("*")} - known)


def check_files(folder: Path, needed: str) -> None:
    """Raise BundleDamaged, naming each file, when a bundle is not what its manifest says.

    Args:
        folder: of the bundle.
        needed: a file that it must hold.
    """
    entries = read_entries(folder)
    faults = [f"{needed}: not in the manifest"] if needed not in entries else []
    faults += [f"{name}: not in the manifest" for name in _others(folder, entries) if name != needed]
    for name, entry in sorted(entries.items()):
        fault = _fault(folder / name, entry) if _OF_A_BUNDLE.fullmatch(name) else "no file that a bundle has"
        faults += [f"{name}: {fault}"] if fault else []
    if faults:
        listed = "\n  ".join(faults).encode("utf-8", "backslashreplace").decode("utf-8")
        raise BundleDamaged(f"{folder} is damaged:\n  {listed}\nFetch or build the bundle again.")
