"""Translation by Apertium, a rule-based engine that runs offline, as one process pipeline for many texts.

Texts go in as Apertium's own stream format, each ended by a NUL, at which every part of the pipeline flushes and
starts afresh: no text can run into the next. Each also carries its number as a blank, which must come back with it.
The tagger alone remembers across a NUL (it adds each unknown ambiguity class that it meets), so that a translation
would depend on the texts before it and a cached one on another run's: it is started anew for each text.

Source: Forcada et al. 2011, Apertium: a free/open-source platform for rule-based machine translation;
https://wiki.apertium.org/wiki/Apertium_stream_format
"""

import hashlib
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Literal

import psutil
from pydantic import Field

from serving.text import clean
from stages.shared.errors import MachineError
from stages.shared.plugins import nearest
from stages.shared.sections import Choice
from stages.translators import Way

_REMEDY = "Install Debian's package `apertium-eng-spa`, or set augment.back_translation.copies to 0."
_RESERVED = re.compile(r"[\[\]{}^$/\\@<>]")  # of the stream format: a backslash takes their meaning
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_LOOSE_STOP = re.compile(r" +([.,;:!?])(?=\s|$)")
_SENTENCE_END = ".[]"  # what Apertium's own deformatter adds, so that the last word is seen as the last
_FRESH_FOR_EACH = "while IFS= read -r -d '' text; do {} <<< \"$text\" || exit 1; printf '\\0'; done"
_PATIENCE = 60  # seconds for a pipeline to start on a busy machine
_PATIENCE_EACH = 0.5  # seconds for one text; it needs about 0.01


class Params(Choice):
    """Options: the Apertium modes of the two ways."""

    name: Literal["apertium"]
    there: str = Field(pattern=r"^[A-Za-z_]+-[A-Za-z_]+$")
    back: str = Field(pattern=r"^[A-Za-z_]+-[A-Za-z_]+$")


def name(params: Params) -> str:
    """As in `apertium:eng-spa:spa-eng`."""
    return f"apertium:{params.there}:{params.back}"


def check(params: Params) -> None:
    """Raise MachineError when the program or one of the two modes is not installed."""
    folder = _modes_folder()
    known = sorted(path.stem for path in folder.glob("*.mode"))
    for key, mode in (("there", params.there), ("back", params.back)):
        if mode not in known:
            raise MachineError(
                f"augment.back_translation.translator.{key}: Apertium has no mode '{mode}' "
                f"(installed: {', '.join(known) or 'none'}).{nearest(mode, known)} {_REMEDY}"
            )


def version(params: Params) -> str:
    """The version of the program, and a hash of the rules and dictionaries of both ways."""
    check(params)
    return f"{_program_version(_program())} {_hash_of_modes(_modes_folder(), params.there, params.back)}"


def translate(texts: list[str], way: Way, params: Params) -> list[str]:
    """Translate each text; white space becomes single spaces, unknown words stay as they are.

    One pipeline a CPU, each with its share of the texts.

    Raises:
        MachineError: the program is missing, fails, takes too long, or gives back other texts than it was given.
    """
    mode = params.there if way == "there" else params.back
    check(params)
    cleaned = [clean(text) for text in texts]
    size = max(1, -(-len(texts) // len(os.sched_getaffinity(0))))
    shares = [cleaned[start : start + size] for start in range(0, len(cleaned), size)]
    with ThreadPoolExecutor(max_workers=max(1, len(shares))) as pool:
        return [text for share in pool.map(lambda share: _translate(share, mode), shares) for text in share]


def _translate(texts: list[str], mode: str) -> list[str]:
    stream = "".join(f"[#{i}]{_RESERVED.sub(_escape, text)}{_SENTENCE_END}\0" for i, text in enumerate(texts))
    command = [
        "bash",
        "-o",
        "pipefail",
        "-c",
        _pipeline((_modes_folder() / f"{mode}.mode").read_text(encoding="utf-8")),
    ]
    patience = _PATIENCE + _PATIENCE_EACH * len(texts)
    parts = _run(command, stream.encode(), patience, f"Apertium, mode {mode},").decode("utf-8", "replace").split("\0")
    for number in range(len(texts)):
        if number >= len(parts) or not parts[number].startswith(f"[#{number}]"):
            raise MachineError(f"Apertium, mode {mode}: lost its place at text {number + 1} of {len(texts)}. {_REMEDY}")
    return [_plain(part, text) for part, text in zip(parts, texts, strict=False)]


def _pipeline(mode: str) -> str:
    """The shell pipeline of a mode's file, flushing at each NUL, without marks on unknown words."""
    commands = []
    for command in mode.replace("$1", "-n").replace("$2", "").split("|"):
        program, _, arguments = command.strip().partition(" ")
        is_tagger = program.endswith("apertium-tagger")
        commands.append(_FRESH_FOR_EACH.format(command.strip()) if is_tagger else f"{program} -z {arguments}")
    return " | ".join(commands)


def _escape(match: re.Match[str]) -> str:
    return "\\" + match.group()


def _plain(part: str, text: str) -> str:
    """What the user reads of one piece of the stream: without its number, added full stop and escapes."""
    if not text:
        return ""
    translated = part[part.index("]") + 1 :].replace(_SENTENCE_END, "", 1)
    translated = clean(_ESCAPED.sub(r"\1", translated))
    return translated if _LOOSE_STOP.search(text) else _LOOSE_STOP.sub(r"\1", translated)


def _run(command: list[str], stream: bytes, patience: float, name: str) -> bytes:
    """Run a command to its end. It stays in this process's group, so that who ends the stage ends it too."""
    folder = str(Path(_program()).parent)
    # in another locale than this it reads and writes other bytes
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "PATH": f"{folder}:{os.environ.get('PATH', '')}"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment) as process:
        try:
            output, errors = process.communicate(stream, timeout=patience)
        except subprocess.TimeoutExpired:
            raise MachineError(f"{name} took more than {patience:.0f} seconds. {_REMEDY}") from None
        finally:
            if process.poll() is None:
                _kill(process.pid)
    if process.returncode:
        said = errors.decode("utf-8", "replace").strip()
        raise MachineError(f"{name} failed with code {process.returncode}: {said}. {_REMEDY}")
    return output


def _kill(pid: int) -> None:
    """End a process that is still running, and all that it started."""
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _program() -> str:
    program = shutil.which("apertium")
    if program is None:
        raise MachineError(f"augment.back_translation.translator: the program `apertium` is not installed. {_REMEDY}")
    return program


def _modes_folder() -> Path:
    """Where the installed modes lie: beside the program, unless Apertium's own variable says otherwise."""
    beside = Path(_program()).parent.parent / "share" / "apertium"
    return Path(os.environ.get("APERTIUM_DATADIR", beside)) / "modes"


@lru_cache
def _program_version(program: str) -> str:
    return _run([program, "-V"], b"", _PATIENCE, "`apertium -V`").decode("utf-8", "replace").strip()


@lru_cache
def _hash_of_modes(folder: Path, *modes: str) -> str:
    """The SHA-256 of the modes' files and of every file that they name."""
    digest = hashlib.sha256()
    for mode in modes:
        content = (folder / f"{mode}.mode").read_text(encoding="utf-8")
        digest.update(content.encode())
        for path in re.findall(r"'([^']+)'", content):
            digest.update(Path(path).read_bytes())
    return digest.hexdigest()
