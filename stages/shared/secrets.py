"""Passwords and keys that stand in the parameters: these go into git, MLflow and the model card, so none is taken."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.shared.errors import ParamsError

_NAME = re.compile(r"\$\{\w+\}")
_IN_URL = re.compile(r"^[^:/]+://[^:@/]*:([^@]*)@|[?&](?:password|passwd|pwd)=([^&]*)", re.IGNORECASE)
_WORDS = r"passwords?|passwd|pwd|passphrase|secrets?|credentials?|token|api_?keys?|(?:access|private|secret)_?keys?"
_SECRET = re.compile(rf"(?:^|_)(?:{_WORDS})$")
_OF_TOKENIZERS = re.compile("^(?:bos|eos|pad|unk|mask|cls|sep)_token$")
_KEYED_BY_LABELS = ("ingest.label_names", "train.method.words", "train.method.descriptions")
_ADVICE = (
    "This file goes into git, MLflow and the model card. In the url of a database write ${NAME} in its place, and set "
    "the environment variable of that name; for the hub take it out, and set HF_TOKEN. Change a secret that was "
    "committed."
)


def holds_password(url: str) -> bool:
    """Whether a URL has a password that is not all taken from the environment."""
    return any(_NAME.sub("", match[1] or match[2] or "") for match in _IN_URL.finditer(url))


def _is_secret(key: str) -> bool:
    word = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).replace("-", "_").lower()
    return bool(_SECRET.search(word)) and not _OF_TOKENIZERS.search(word)


def _found(value: Any, where: str, key: str) -> Iterator[str]:
    """Where a secret stands, with what it is, in a value and all that it holds."""
    if isinstance(value, str):
        if value and _is_secret(key):
            yield f"{where}: looks like a secret, which no parameter is"
        elif holds_password(value):
            yield f"{where}: holds a password"
    elif isinstance(value, dict) and where not in _KEYED_BY_LABELS:
        for name, inner in value.items():
            yield from _found(inner, f"{where}.{name}".lstrip("."), str(name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _found(inner, f"{where}.{number}", key)


def refuse_secrets(raw: Any, file: Path) -> None:
    """Raise ParamsError where what a parameters file says holds a password, a key or a token; it names each place."""
    found = [f"{file}: {fault}." for fault in _found(raw, "", "")]
    if found:
        raise ParamsError("\n".join([*found, _ADVICE]))
