"""Answer texts with a bundle: python -m serving.predict --bundle DIR [TEXT ...]

Each TEXT, or without any each line of standard input, gives one line of JSON, in order:
{"text", "label", "confidence", "scores", "truncated"}, or {"text", "error"} for a text that cannot be answered.
Exit codes: 0 all answered, 2 wrong usage, 3 a damaged bundle or a text that cannot be answered, 4 no bundle.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from serving.answers import Answers, answers_for
from serving.bundle import load_bundle
from serving.errors import ServingError, TextRefused
from serving.ordered import ordered_map
from serving.runtime import Runtime, usable_cores

_CHUNK = 1 << 16  # bytes asked of standard input at once; fewer come when fewer are there
_LINE_ENDS = re.compile("[\x85\u2028\u2029]")  # some readers end a line there; JSON allows them bare in a string


@dataclass(frozen=True)
class Given:
    """A text as it was given, and where."""

    place: str
    text: str


def lines_of(descriptor: int) -> Iterator[bytes]:
    """The lines of an open file as they arrive, without LF or CRLF; an unfinished last line counts."""
    rest = b""
    while chunk := os.read(descriptor, _CHUNK):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line.removesuffix(b"\r") for line in whole)
    if rest:
        yield rest


def given_texts(words: list[str], descriptor: int) -> Iterator[Given]:
    """The texts of the command line, else the lines of standard input; bytes that are no UTF-8 stay as surrogates."""
    if words:
        yield from (Given(f"text {number}", word) for number, word in enumerate(words, start=1))
        return
    for number, line in enumerate(lines_of(descriptor), start=1):
        yield Given(f"standard input, line {number}", line.decode("utf-8", errors="surrogateescape"))


class Predictor:
    """A bundle that answers."""

    def __init__(self, folder: Path) -> None:
        """Check and load the bundle. Raises ServingError as `load_bundle` and `Runtime` do."""
        bundle = load_bundle(folder)
        self.settings = bundle.settings
        self._answers: Answers = answers_for(bundle.settings)
        self._runtime = Runtime(bundle.model, bundle.tokenizer, bundle.settings["max_tokens"])

    def predict(self, *texts: str) -> dict[str, Any]:
        """The answer to one example, with `truncated`: whether its end was not read. Raises TextRefused."""
        result = self._runtime.run(*texts)
        return {**self._answers.answer(result.logits, self.settings), "truncated": result.truncated}

    def inspect(self, *texts: str) -> tuple[np.ndarray, str]:
        """The logits of one example and the answer as one word, for a comparison with what was evaluated."""
        logits = self._runtime.run(*texts).logits
        return logits, self._answers.word(self._answers.answer(logits, self.settings))

    def predict_given(self, given: Given) -> tuple[dict[str, Any], str | None]:
        """The line to print for a text, and why it could not be answered."""
        try:
            return {"text": given.text, **self.predict(given.text)}, None
        except TextRefused as error:
            shown = given.text.encode("utf-8", errors="surrogateescape").decode("utf-8", errors="replace")
            return {"text": shown, "error": str(error)}, f"{given.place}: {error}. Mend or drop it."


def json_line(value: dict[str, Any]) -> bytes:
    """A value as one line of JSON in UTF-8, whatever the locale and whoever splits it into lines."""
    text = json.dumps(value, ensure_ascii=False)
    return _LINE_ENDS.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode("utf-8") + b"\n"


def predict_all(predictor: Predictor, texts: Iterable[Given], at_a_time: int) -> int:
    """Print the answer to each text as soon as it is ready, in order; give the exit code."""
    code = 0
    for line, fault in ordered_map(predictor.predict_given, texts, usable_cores(), at_a_time):
        sys.stdout.buffer.write(json_line(line))
        sys.stdout.buffer.flush()
        if fault:
            code = TextRefused.exit_code
            print(fault, file=sys.stderr)
    return code


def _positive(word: str) -> int:
    number = int(word)
    if number < 1:
        raise ValueError
    return number


_positive.__name__ = "number from 1"  # as argparse names it to the user


def parse(words: list[str]) -> argparse.Namespace:
    """The command line, checked; exits with 2 when it is wrong."""
    what, _, rest = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m serving.predict",
        description=what,
        epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="the folder that holds model.onnx")
    parser.add_argument(
        "--batch-size",
        type=_positive,
        default=32,
        metavar="N",
        help="texts under way at once (default: 32); the answers are the same for every N",
    )
    parser.add_argument("texts", nargs="*", metavar="TEXT")
    return parser.parse_args(words)


def main(words: list[str]) -> int:
    """The command line; gives the exit code."""
    asked = parse(words)
    try:
        predictor = Predictor(asked.bundle)
        return predict_all(predictor, given_texts(asked.texts, descriptor=0), asked.batch_size)
    except ServingError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # whoever read the answers has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
