"""What stands in the place of a tokenizer where a model reads no words."""

from pathlib import Path
from typing import Any


class NoWords:
    """No word, no padding, nothing to save."""

    pad_token_id = None
    name_or_path = ""

    def __init__(self) -> None:
        self.init_kwargs: dict[str, Any] = {}

    def __len__(self) -> int:
        return 0

    def save_pretrained(self, folder: Path) -> None:
        """Write nothing."""
