"""Files on disk: written whole or not at all, synced, and what is said where they cannot be written."""

import errno
import os
import re
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

from stages.shared.errors import MachineError

OF_THE_DISK = (errno.EIO, errno.EROFS)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SIGNS_OF_FULL = re.compile(
    "|".join(
        [
            *(re.escape(os.strerror(number)) for number in _FULL),
            *(rf"os error {number}\b" for number in _FULL),  # libraries written in Rust
            r"\d requested and \d+ written",  # numpy
            "database or disk is full",  # SQLite
        ]
    )
)


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk itself."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL or not path.is_dir():  # some network file systems sync no folders
            raise
    finally:
        os.close(handle)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: beside it first, synced, then renamed over what was there.

    Raises:
        MachineError: it cannot be written; what was there is as it was.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        try:
            beside.write_bytes(content)
            sync(beside)
            beside.replace(path)
            sync(path.parent)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise cannot_write(path, error, len(content)) from error


def _chain(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def is_full(error: BaseException) -> bool:
    """Whether an error comes of a full disk, a used up quota or a limit on the size of files."""
    return any(
        (isinstance(link, OSError) and link.errno in _FULL) or _SIGNS_OF_FULL.search(str(link)) is not None
        for link in _chain(error)
    )


def in_words(size: int) -> str:
    """A size as "12.3 MB", or "123 bytes"."""
    return f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size:,} bytes"


def free_bytes(folder: Path) -> int:
    """What may be written to the disk of a folder, or of the nearest one above it that there is."""
    place = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    limit, free = resource.getrlimit(resource.RLIMIT_FSIZE)[0], shutil.disk_usage(place).free
    return free if limit == resource.RLIM_INFINITY else min(free, limit)


def no_room(path: Path, needed: str, free: int) -> MachineError:
    """The error for what does not fit on the disk."""
    return MachineError(
        f"{path}: no room on the disk: needs {needed}, has {in_words(free)}. Free some, or raise the quota or the "
        f"limit on the size of files; what was there before is as it was."
    )


def require_room(path: Path, needed: int) -> None:
    """Raise MachineError when fewer bytes are free than are about to be written to a path."""
    free = free_bytes(path.parent)
    if free < needed:
        raise no_room(path, in_words(needed), free)


def no_room_for_the_rest(path: Path, written: Path, error: BaseException) -> MachineError:
    """The error for an output that a disk has no room for, given the folder of what was written of it so far."""
    places = [str(link.filename) for link in _chain(error) if isinstance(link, OSError) and link.filename]
    full = Path(places[0]) if places and not places[0].startswith(str(written)) else path
    room = size_of(written) + free_bytes(full.parent)
    return no_room(full, f"more than {in_words(room)}", room)


def cannot_write(path: Path, error: OSError, needed: int) -> MachineError:
    """The error for a file or folder that cannot be written, given its size or what was written of it so far."""
    if is_full(error):
        return no_room(path, in_words(needed), free_bytes(path.parent))
    return MachineError(
        f"{path}: cannot be written: {error.strerror or error}. Grant the right to write there, or free the place."
    )


def size_of(folder: Path) -> int:
    """The bytes of a file, or of all files in a folder."""
    if folder.is_file():
        return folder.stat().st_size
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def remove_folder(folder: Path) -> None:
    """Remove a folder, if there is one.

    Raises:
        MachineError: something of it cannot be removed.
    """
    try:
        if folder.is_symlink() or folder.is_file():
            folder.unlink()
        elif folder.exists():
            shutil.rmtree(folder)
    except FileNotFoundError:  # another process was quicker
        remove_folder(folder)
    except OSError as error:
        raise MachineError(
            f"{error.filename or folder}: cannot be removed: {error.strerror or error}. Remove {folder} by hand."
        ) from error
