"""What runs that were killed left half-written."""

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from flows.doctoring import Finding
from flows.doctoring.living import at_work
from stages.shared.publish import mend
from stages.shared.workspace import clone_root, state_folder

PLACES = {
    "data": (".*.partial",),
    ".temper": (".*.partial", "*.tmp", ".*.tmp"),
    ".dvc/cache": ("*.tmp",),
    ".dvc/tmp": ("*.tmp",),
    ".dvc/tmp/exps/standalone": ("tmp*",),
}


def look() -> Iterator[Finding]:
    """Nothing while anybody works here: what is half-written may be theirs."""
    if next(at_work(), None) is not None:
        return
    for aside in Path("data").glob(".*.replaced"):
        out = aside.with_name(aside.name.removeprefix(".").removesuffix(".replaced"))
        yield Finding(f"{aside}: left by a run that was about to replace {out}", "Run its stage.", partial(mend, out))
    found = {path for place, names in PLACES.items() for name in names for path in _below(Path(place), name)}
    for path in sorted({*found, *state_folder("scratch").iterdir()}):
        place = path.relative_to(clone_root()) if path.is_absolute() else path
        yield Finding(f"{place}: left by a run that is gone", f"Remove {place}.", partial(_remove, path))


def _below(place: Path, name: str) -> Iterator[Path]:
    return place.glob(name) if place.name == "standalone" else place.rglob(name)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
