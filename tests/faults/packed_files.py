"""Hostile archives and folders: bombs, nests, ways out of the folder, cut ones, and files that change while read."""

import gzip
import io
import os
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from tests.drawn import LABELS, drawn, encoded
from tests.faults.cases import FORMS, Case, Fault, Must, content_of, good_rows, written

ESCAPED = "/escaped-from-an-archive.csv"
_UNPACK = "Unpack or export it"


def _zipped(names: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in names.items():
            archive.writestr(name, content)
    return stream.getvalue()


def _tarred(member: tarfile.TarInfo, content: bytes = b"") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def _member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def _packed(content: Callable[[bytes], bytes], *words: str) -> Any:
    """A case whose file is made of the rows of a good one."""

    def make(folder: Path, form: str, draw: Random) -> Case:
        good = content_of(form, good_rows())
        return Case(written(folder, form, content(good)), Must("E", words))

    return make


def _bomb(folder: Path, form: str, draw: Random) -> Case:
    line = b"a" * 90_000
    rows = {"csv": line + b",positive\n", "jsonl": b'{"text": "%s", "label": "positive"}\n' % line}
    packed = gzip.compress({"csv": b"text,label\n"}.get(form, b"") + rows[form] * 500, 9, mtime=0)
    return Case(written(folder, form, packed, ".gz"), Must("E", ("unpacks to more than 200 times its size",)))


def _cut(pack: Callable[[bytes], bytes], *words: str) -> Any:
    def make(folder: Path, form: str, draw: Random) -> Case:
        whole = pack(content_of(form, good_rows()))
        return Case(written(folder, form, whole[: draw.randrange(20, len(whole) - 1)]), Must("E", words))

    return make


def _flipped(folder: Path, form: str, draw: Random) -> Case:
    packed = bytearray(gzip.compress(content_of(form, good_rows()), mtime=0))
    packed[draw.randrange(len(packed) - 8, len(packed))] ^= 1 << draw.randrange(8)  # of its checksum
    return Case(written(folder, form, bytes(packed)), Must("E", ("cut or damaged",)))


def _gzipped_as_due(folder: Path, form: str, draw: Random) -> Case:
    rows = good_rows()
    return Case(written(folder, form, gzip.compress(content_of(form, rows)), ".gz"), Must("R"), rows)


def _changing(folder: Path, form: str, draw: Random) -> Case:
    rows = [(f"{text} {number}", label) for number in range(100) for text, label in good_rows()]
    path = written(folder, form, content_of(form, rows))
    last = content_of(form, rows[:1]).splitlines()[-1] + b"\n"

    @contextmanager
    def appended() -> Iterator[None]:
        done = threading.Event()

        def write() -> None:
            while not done.is_set():
                if form == "parquet":
                    os.utime(path)
                else:
                    with path.open("ab") as file:
                        file.write(last)
                time.sleep(0.001)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            yield
        finally:
            done.set()
            writer.join()

    return Case(path, Must("E", ("changed while it was read",)), during=appended)


def _folder_of_pictures(folder: Path, draw: Random) -> Path:
    root = folder / "pictures"
    for number in range(60):
        label = LABELS[number % 2]
        (root / label).mkdir(parents=True, exist_ok=True)
        (root / label / f"{number:03}.png").write_bytes(encoded(drawn(number, label)))
    (folder / "secret.png").write_bytes(encoded(drawn(99, "dark")))
    return root


def _in_folder(place: Callable[[Path, Path], None], must: Must) -> Any:
    """A case of pictures among which `place`, given their folder and one outside of it, has put something."""

    def make(folder: Path, form: str, draw: Random) -> Case:
        root = _folder_of_pictures(folder, draw)
        place(root, folder)
        options = {"ingest.source.splits": {}, "ingest.source.endings": ["png"], "task.labels": LABELS}
        return Case(root, must, options=options, recipe="recipes/images.yaml")

    return make


_ESCAPING = {
    "..": _tarred(_member("../../escaped.csv"), b"text,label\n"),
    "an absolute path": _tarred(_member(ESCAPED), b"text,label\n"),
    "a link": _tarred(_member("rows.csv", tarfile.SYMTYPE, "../../escaped.csv")),
    "a hard link": _tarred(_member("rows.csv", tarfile.LNKTYPE, "../../escaped.csv")),
    "a device": _tarred(_member("rows.csv", tarfile.CHRTYPE)),
}
_INSIDE_GZIP = ("csv", "jsonl")

FAULTS = [
    Fault(22, "the file changes while it is read", ("csv", "jsonl", "parquet"), _changing),
    Fault(23, "gzip bomb", _INSIDE_GZIP, _bomb),
    Fault(23, "zip bomb", ("csv",), _packed(lambda _: _zipped({"rows.csv": bytes(50_000_000)}), _UNPACK)),
    Fault(23, "gzip in gzip", _INSIDE_GZIP, _packed(lambda good: gzip.compress(gzip.compress(good)), "gzipped twice")),
    Fault(23, "zip in gzip", _INSIDE_GZIP, _packed(lambda good: gzip.compress(_zipped({"a": good})), "zip", _UNPACK)),
    Fault(23, "zip in zip", ("csv",), _packed(lambda good: _zipped({"a.zip": _zipped({"a": good})}), "zip", _UNPACK)),
    *(
        Fault(24, f"tar with {what}", FORMS[:1], _packed(lambda _, it=it: it, "tar", _UNPACK))
        for what, it in _ESCAPING.items()
    ),
    *(
        Fault(24, f"tar.gz with {what}", FORMS[:1], _packed(lambda _, it=it: gzip.compress(it), "tar", _UNPACK))
        for what, it in _ESCAPING.items()
    ),
    Fault(24, "zip with ..", ("csv",), _packed(lambda good: _zipped({"../../escaped.csv": good}), "zip", _UNPACK)),
    Fault(
        24,
        "a link to a folder",
        ("folder",),
        _in_folder(lambda root, out: (root / LABELS[0] / "more").symlink_to(out), Must("E", ("a link to a folder",))),
    ),
    Fault(
        24,
        "a link to a file outside",
        ("folder",),
        _in_folder(
            lambda root, out: (root / LABELS[0] / "link.png").symlink_to(out / "secret.png"),
            Must("Q", ("lies outside",), aside=1),
        ),
    ),
    Fault(
        24,
        "a pipe",
        ("folder",),
        _in_folder(lambda root, _: os.mkfifo(root / LABELS[0] / "pipe.png"), Must("Q", ("it is no file",), aside=1)),
    ),
    Fault(25, "gzip as it should be", FORMS, _gzipped_as_due),
    Fault(25, "cut gzip", FORMS, _cut(gzip.compress, "cut or damaged")),
    Fault(25, "flipped bit in gzip", FORMS, _flipped),
    Fault(25, "cut Parquet", ("parquet",), _cut(lambda good: good, "no Parquet file, or is cut")),
    Fault(25, "cut zip", ("csv",), _cut(lambda good: _zipped({"a": good}), "zip", _UNPACK)),
    Fault(25, "cut tar.gz", ("csv",), _cut(lambda good: gzip.compress(_tarred(_member("a"), good)), "rows.csv: ")),
]
