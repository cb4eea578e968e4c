"""What is wrong with settings, said once."""

from collections.abc import Iterable
from typing import Any

from serving.errors import BundleDamaged


def refuse(faults: Iterable[str | None]) -> None:
    """Raise BundleDamaged with all that is wrong; None is nothing."""
    found = [fault for fault in faults if fault]
    if found:
        raise BundleDamaged(f"settings.json: {'; '.join(found)}. Build the bundle again.")


def is_number(value: Any) -> bool:
    """Whether it is a number, and not true or false."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def fault_of_words(settings: dict[str, Any], name: str, at_least: int) -> str | None:
    """Why a setting is no list of that many different words, in the order of the model's outputs, or None."""
    words = settings.get(name)
    if isinstance(words, list) and all(isinstance(word, str) for word in words) and at_least <= len(set(words)):
        return None if len(set(words)) == len(words) else f"`{name}` has a word twice"
    return f"`{name}` must be {at_least} or more words, in the order of the model's outputs"
