"""Answer texts with a bundle: python -m serving.predict --bundle DIR [TEXT ...]

Each TEXT, or without any each line of standard input, gives one line of JSON, in order: the text as given, the answer,
and `truncated`, whether some of it was not read; or the text and `error`, when it cannot be answered.

A bundle of several inputs, such as question and context, takes as many TEXTs for each answer. The lines of standard
input are then JSON objects, {"question": "...", "context": "..."}; so are they with --json, where one line must hold a
text that has line ends itself. Other names in the objects are not read. For a bundle that reads pictures a TEXT is the
path of one.
Exit codes: 0 all answered, 2 wrong usage, 3 a damaged bundle or a text that cannot be answered, 4 no bundle.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serving.answers import Answers, answers_for
from serving.bundle import load_bundle
from serving.errors import ServingError, TextRefused
from serving.given import Given, from_lines, from_words
from serving.ordered import ordered_map
from serving.runtime import Runtime, usable_cores

_LINE_ENDS = re.compile("[\x85\u2028\u2029]")  # some readers end a line there; JSON allows them bare in a string


class Predictor:
    """A bundle that answers."""

    def __init__(self, folder: Path) -> None:
        """Check and load the bundle. Raises ServingError as `load_bundle` and `Runtime` do."""
        bundle = load_bundle(folder)
        self.settings = bundle.settings
        self.inputs: list[str] = bundle.settings["inputs"]
        self._answers: Answers = answers_for(bundle.settings)
        self._runtime = Runtime(bundle.model, bundle.tokenizer, bundle.settings)

    def predict(self, *texts: str | bytes) -> dict[str, Any]:
        """The answer to one example, with `truncated`: whether some of it was not read. Raises TextRefused."""
        _, answer = self._ask(texts)
        return answer

    def inspect(self, *texts: str | bytes) -> tuple[list[np.ndarray], str]:
        """The output for each window, and the answer in one line, for a comparison with what was evaluated."""
        outputs, answer = self._ask(texts)
        return outputs, self._answers.word(answer)

    def predict_given(self, given: Given) -> tuple[dict[str, Any], str | None]:
        """The line to print for an example, and why it could not be answered."""
        fault = given.fault
        if fault is None:
            try:
                return {**given.texts, **self.predict(*given.texts.values())}, None
            except TextRefused as error:
                fault = str(error)
        return {**given.shown(), "error": fault}, f"{given.place}: {fault}. Mend or drop it."

    def _ask(self, texts: tuple[str | bytes, ...]) -> tuple[list[np.ndarray], dict[str, Any]]:
        if len(texts) != len(self.inputs):
            raise TextRefused(f"{len(texts)} texts given, {len(self.inputs)} wanted: {', '.join(self.inputs)}")
        reading, cleaned = self._runtime.read(texts)
        outputs = [self._runtime.run(window) for window in reading.windows]
        answer = self._answers.answer(outputs, reading.windows, cleaned, self.settings)
        return outputs, {**answer, "truncated": reading.cut}


def json_line(value: dict[str, Any]) -> bytes:
    """A value as one line of JSON in UTF-8, whatever the locale and whoever splits it into lines."""
    text = json.dumps(value, ensure_ascii=False)
    return _LINE_ENDS.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode("utf-8") + b"\n"


def predict_all(predictor: Predictor, examples: Iterable[Given], at_a_time: int) -> int:
    """Print the answer to each example as soon as it is ready, in order; give the exit code."""
    code = 0
    for line, fault in ordered_map(predictor.predict_given, examples, usable_cores(), at_a_time):
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
    parser.add_argument("--json", action="store_true", help="the lines of standard input are JSON objects")
    parser.add_argument("texts", nargs="*", metavar="TEXT")
    asked = parser.parse_args(words)
    if asked.json and asked.texts:
        parser.error("--json is for the lines of standard input, and TEXTs are given")
    return asked


def given_to(inputs: Sequence[str], asked: argparse.Namespace) -> Iterable[Given]:
    """The examples of the command line, else of standard input. Raises WrongUsage as `from_words` does."""
    if asked.texts:
        return from_words(asked.texts, inputs)
    return from_lines(0, inputs, as_json=asked.json or len(inputs) > 1)


def main(words: list[str]) -> int:
    """The command line; gives the exit code."""
    asked = parse(words)
    try:
        predictor = Predictor(asked.bundle)
        return predict_all(predictor, given_to(predictor.inputs, asked), asked.batch_size)
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
