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
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serving.answers import Answers, answers_for
from serving.answers.text import pieces
from serving.bundle import load_bundle
from serving.errors import ServingError, TextRefused, WrongUsage
from serving.given import Given, from_lines, from_words
from serving.ordered import ordered_map
from serving.reading import Reading
from serving.runtime import Runtime, usable_cores
from serving.text import CleanText

_LINE_ENDS = re.compile("[\x85\u2028\u2029]")  # some readers end a line there; JSON allows them bare in a string


class Predictor:
    """A bundle that answers."""

    def __init__(self, folder: Path) -> None:
        """Check and load the bundle. Raises ServingError as `load_bundle` and `Runtime` do."""
        bundle = load_bundle(folder)
        self.inputs: list[str] = bundle.settings["inputs"]
        self._answers: Answers = answers_for(bundle.settings)
        self._runtime = Runtime(bundle.model, bundle.tokenizer, bundle.settings)
        self.reader = self._runtime.reader
        self.settings = bundle.settings | {"tokenizer": self.reader.tokenizer}

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

    def stream(self, *texts: str) -> Iterator[str]:
        """The text that is written for one example, piece by piece, each as soon as it is there. Raises TextRefused.

        Raises:
            WrongUsage: the bundle does not write, or looks ahead in several beams.
        """
        writes = self.settings.get("writes")
        if writes is None or writes["beams"] > 1:
            why = "writes by several beams, of which the best is known at the end" if writes else "writes no text"
            raise WrongUsage(f"--stream: this bundle {why}. Leave --stream out.")
        reading, _ = self._read(texts)
        yield from pieces(self._runtime.stream(reading.windows[0]), self.settings)

    def _read(self, texts: tuple[str | bytes, ...]) -> tuple[Reading, tuple[CleanText, ...]]:
        if len(texts) != len(self.inputs):
            raise TextRefused(f"{len(texts)} texts given, {len(self.inputs)} wanted: {', '.join(self.inputs)}")
        return self._runtime.read(texts)

    def _ask(self, texts: tuple[str | bytes, ...]) -> tuple[list[np.ndarray], dict[str, Any]]:
        reading, cleaned = self._read(texts)
        outputs = [self._runtime.run(window) for window in reading.windows]
        kept = getattr(self._answers, "kept", None)  # what a kind of answers keeps of an output, if not all
        if kept is not None:
            outputs = [kept(*pair, self.settings) for pair in zip(outputs, reading.windows, strict=True)]
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


def stream_all(predictor: Predictor, examples: Iterable[Given]) -> int:
    """Print each piece of each answer as soon as it is written, then the answer as a whole; give the exit code."""
    code = 0
    for given in examples:
        try:
            written = predictor.stream(*given.texts.values()) if given.fault is None else iter(())
            for piece in written:
                sys.stdout.buffer.write(json_line({"piece": piece}))
                sys.stdout.buffer.flush()
        except TextRefused:
            pass  # the line of the whole answer says why
        code = max(code, predict_all(predictor, [given], 1))
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
    parser.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="the folder that holds settings.json")
    parser.add_argument(
        "--batch-size",
        type=_positive,
        default=32,
        metavar="N",
        help="texts under way at once (default: 32); the answers are the same for every N",
    )
    parser.add_argument("--json", action="store_true", help="the lines of standard input are JSON objects")
    parser.add_argument(
        "--stream",
        action="store_true",
        help='of a bundle that writes: print each piece as soon as it is there, as {"piece": ...}, before the answer',
    )
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
        given = given_to(predictor.inputs, asked)
        return stream_all(predictor, given) if asked.stream else predict_all(predictor, given, asked.batch_size)
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
