"""The tokenizer of a BERT, to count by, read from its files; transformers would import torch for it, for seconds."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from stages.tasks import Task

NAMES = ("BertTokenizer", "BertTokenizerFast")
SPECIAL = {
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}
MORE_TOKENS = ("added_tokens_decoder", "additional_special_tokens", "extra_special_tokens")  # in a configuration


class PlainTokenizer:
    """As much of transformers' tokenizers as counting needs, with their names."""

    def __init__(self, tokenizer: Tokenizer, unknown: str) -> None:
        self.backend_tokenizer = tokenizer
        self.unk_token_id: int | None = tokenizer.token_to_id(unknown)

    def num_special_tokens_to_add(self, pair: bool) -> int:
        """How many special tokens go around a text, or around two."""
        count: int = self.backend_tokenizer.num_special_tokens_to_add(pair)
        return count


def _read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return found


def _is_special(token: dict[str, Any]) -> bool:
    flags = {name: value for name, value in token.items() if name not in ("id", "content")}
    return flags == {"special": True, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False}


def is_plain_bert(config: dict[str, Any], whole: dict[str, Any]) -> bool:
    """Whether transformers would make of the files the very tokenizer that `tokenizer.json` says.

    Args:
        config: tokenizer_config.json, from which transformers builds a BERT's tokenizer anew.
        whole: tokenizer.json.

    Source: BertTokenizer of transformers 5.
    """
    if config.get("tokenizer_class") not in NAMES or any(config.get(name) for name in MORE_TOKENS):
        return False
    special = {name: config.get(name, value) for name, value in SPECIAL.items()}
    if not all(isinstance(token, str) for token in special.values()):
        return False
    model = {name: value for name, value in whole.get("model", {}).items() if name != "vocab"}
    added = whole.get("added_tokens", [])
    post = whole.get("post_processor") or {}
    return (
        model
        == {
            "type": "WordPiece",
            "unk_token": special["unk_token"],
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
        }
        and whole.get("normalizer")
        == {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": config.get("tokenize_chinese_chars", True),
            "strip_accents": config.get("strip_accents"),
            "lowercase": config.get("do_lower_case", True),
        }
        and whole.get("pre_tokenizer") == {"type": "BertPreTokenizer"}
        and {token["content"] for token in added} == set(special.values())
        and all(_is_special(token) for token in added)
        and (len(post.get("single", [])), len(post.get("pair", []))) == (3, 5)
    )


def open_plain(folder: Path, marks: Sequence[str]) -> PlainTokenizer | None:
    """The tokenizer in a model's folder, with the marks in its vocabulary; None where it is no plain one of a BERT."""
    config, whole = (_read(folder / name) for name in ("tokenizer_config.json", "tokenizer.json"))
    if not is_plain_bert(config, whole):
        return None
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.add_special_tokens([mark for mark in marks if tokenizer.token_to_id(mark) is None])
    return PlainTokenizer(tokenizer, config.get("unk_token", SPECIAL["unk_token"]))


def counting_tokenizer(task: Task, folder: Path) -> Any:
    """The task's tokenizer in a base's folder, to count by. Raises MachineError where there is none."""
    plain = open_plain(folder, task.marks)
    return task.open_tokenizer(folder) if plain is None else plain
