"""The command line: python -m serving.predict."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.errors import TextRefused
from serving.predict import Predictor
from tests.conftest import sample_texts
from tests.quantized import Chain
from tests.serving.handmade import write_bundle
from tests.serving.small import LONG, settings

ROOT = Path(__file__).parents[2]
ALLOWED = {"numpy", "onnxruntime", "tokenizers"}
COMMAND = [sys.executable, "-m", "serving.predict"]

# Runs the command line where nothing but what a server has can be imported, and says what was.
GUARD = f"""
import sys

class Guard:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names | {ALLOWED | {"serving"}!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}: a server does not have it", name=name)

sys.meta_path.insert(0, Guard())
from serving.predict import main
code = main(sys.argv[1:])
print(sorted({{name.partition(".")[0] for name in sys.modules}} - sys.stdlib_module_names), file=sys.stderr)
sys.exit(code)
"""


def run(*words: str | Path, given: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *map(str, words)], input=given, capture_output=True, cwd=ROOT, env=os.environ | environment
    )


def answers(result: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.decode("utf-8").splitlines()]


def test_it_needs_no_library_but_numpy_onnxruntime_and_tokenizers(chain: Chain) -> None:
    command = [sys.executable, "-c", GUARD, "--bundle", str(chain.bundle), "a good one", "a bad one"]
    result = subprocess.run(command, capture_output=True, cwd=ROOT, text=True)
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) == 2
    loaded = set(json.loads(result.stderr.splitlines()[-1].replace("'", '"')))
    assert loaded >= ALLOWED
    assert not loaded & {"torch", "transformers", "datasets", "pandas", "pyarrow", "onnx", "stages", "pydantic"}


def test_texts_are_answered_in_order(chain: Chain) -> None:
    result = run("--bundle", chain.bundle, "a good one", "crème brûlée 😀")
    assert (result.returncode, result.stderr) == (0, b"")
    first, second = answers(result)
    assert (first["text"], second["text"]) == ("a good one", "crème brûlée 😀")
    assert list(first) == ["text", "label", "confidence", "scores", "truncated"]
    assert first["label"] in chain.params.task.labels


def test_lines_are_answered_as_texts_are_in_any_locale(chain: Chain) -> None:
    texts = ["crème brûlée 😀", "not good", "one \u2028 row"]
    lines = run("--bundle", chain.bundle, given="\r\n".join(texts).encode(), LANG="C", LC_ALL="C", TZ="Asia/Tokyo")
    assert lines.stdout == run("--bundle", chain.bundle, *texts).stdout
    assert len(answers(lines)) == 3


def test_the_batch_size_changes_no_byte(chain: Chain) -> None:
    given = "\n".join(text for text, _ in sample_texts(60)).encode()
    one, many = (run("--bundle", chain.bundle, "--batch-size", size, given=given).stdout for size in ("1", "50"))
    assert one == many
    assert one.count(b"\n") == given.count(b"\n") + 1


def test_a_bad_line_is_named_and_the_others_are_answered(chain: Chain) -> None:
    result = run("--bundle", chain.bundle, given=b"good\n\xff\xfe bad\n  \nfine\n")
    assert result.returncode == 3
    assert [("label" in line, line.get("error")) for line in answers(result)] == [
        (True, None),
        (False, "the text is not valid UTF-8"),
        (False, "the text is empty"),
        (True, None),
    ]
    first, second = result.stderr.decode().splitlines()
    assert first.startswith("standard input, line 2: the text is not valid UTF-8")
    assert second.startswith("standard input, line 3: the text is empty")


def test_a_cut_text_is_never_silent(chain: Chain) -> None:
    short, long = answers(run("--bundle", chain.bundle, "good", "good " * 1000))
    assert (short["truncated"], long["truncated"]) == (False, True)


def answerer(folder: Path) -> Path:
    """A bundle for which every answer begins with "two" and ends with "three", if they are there."""
    rules = {"answers": "extract", "inputs": ["question", "context"], "max_answer_tokens": 3}
    none = {"no_answer": True, "no_answer_threshold": 1.0}
    return write_bundle(folder, {"two": [5.0, 0.0], "three": [0.0, 5.0]}, {**rules, **none})


def test_a_question_and_its_context_are_answered_in_the_users_own_text(tmp_path: Path) -> None:
    bundle = answerer(tmp_path / "bundle")
    context = "one  two\u200b\n three"
    words = run("--bundle", bundle, "who is", context, "what", "where is one")
    rows = [{"question": "who is", "context": context, "id": 7}, {"question": "what", "context": "where is one"}]
    lines = run("--bundle", bundle, given="\n".join(map(json.dumps, rows)).encode())
    assert (words.returncode, words.stdout) == (0, lines.stdout), words.stderr
    first, second = answers(words)
    assert list(first) == ["question", "context", "answer", "start", "end", "confidence", "margin", "truncated"]
    assert (first["context"], first["answer"], second["answer"]) == (context, "two\u200b\n three", "")
    assert context[first["start"] : first["end"]] == first["answer"]


def test_a_wrong_line_is_named_with_what_is_missing_and_what_is_wanted(tmp_path: Path) -> None:
    lines = [
        b"who is",
        b'{"question": "who is", "contxt": "one"}',
        b"[1]",
        b'{"question": 1, "context": "\\ud800"}',
        b'{"question": "a", "context": "\\ud800"}',
        b'{"question": "who", "context": "one"}',
    ]
    result = run("--bundle", answerer(tmp_path / "bundle"), given=b"\n".join(lines))
    assert result.returncode == 3
    assert [line.get("error", "").split(":")[0][:34] for line in answers(result)] == [
        "the line is no JSON",
        '`context` is missing. Wanted is {"',
        "the line is no JSON object. Wanted",
        "`question` is no text. Wanted is {",
        "the text is not valid UTF-8",
        "",
    ]
    faults = result.stderr.decode().splitlines()
    wanted = 'Wanted is {"question": "...", "context": "..."}. Mend or drop it.'
    assert faults[1] == f"standard input, line 2: `context` is missing. {wanted}"
    assert [fault.split(":")[0] for fault in faults] == [f"standard input, line {number}" for number in range(1, 6)]


def test_json_lines_may_hold_texts_with_line_ends(chain: Chain) -> None:
    given = json.dumps({"text": "a good\none"}).encode() + b"\nnot good\n"
    good, bad = answers(run("--bundle", chain.bundle, "--json", given=given))
    assert good["text"] == "a good\none"
    assert "label" in good
    assert "no JSON" in str(bad["error"])


def test_entities_of_a_long_text_are_found_in_all_its_windows(tmp_path: Path) -> None:
    table = {"two": [0.0, 9.0, 0.0], "three": [0.0, 0.0, 9.0], "twelve": [0.0, 9.0, 0.0], "five": [9.0, 0.0, 0.0]}
    told = {"answers": "spans", "inputs": ["text"], "tags": ["O", "B-X", "I-X"]}
    given = f" {LONG}".replace(" three", "\n\u200bthree")
    windowed = Predictor(write_bundle(tmp_path / "all", table, {**told, **settings(8, "windows", 2)}))
    found = windowed.predict(given)
    assert [entity["text"] for entity in found["entities"]] == ["two\n\u200bthree", "twelve"]
    assert all(given[entity["start"] : entity["end"]] == entity["text"] for entity in found["entities"])
    assert found["truncated"] is False
    outputs, word = windowed.inspect(LONG)
    assert ([output.shape for output in outputs], word) == ([(7, 3), (7, 3), (8, 3)], '[[4, 13, "X"], [56, 62, "X"]]')
    cut = Predictor(write_bundle(tmp_path / "head", table, {**told, **settings(8)})).predict(given)
    assert ([entity["text"] for entity in cut["entities"]], cut["truncated"]) == (["two\n\u200bthree"], True)


def test_an_index_is_asked(tmp_path: Path) -> None:
    index, candidates = np.eye(2, dtype=np.float32), ["east", "north"]
    told = {"answers": "search", "inputs": ["question"], "top": 1}
    table = {"one": [3.0, 0.0], "two": [0.0, 3.0]}
    folder = write_bundle(tmp_path / "bundle", table, told, {"index": index, "candidates": candidates})
    found = Predictor(folder).predict("two")
    assert found == {
        "answer": "north",
        "confidence": None,
        "candidates": [{"answer": "north", "score": 1.0}],
        "truncated": False,
    }


def test_another_number_of_texts_is_refused(chain: Chain) -> None:
    with pytest.raises(TextRefused, match="2 texts given, 1 wanted: text"):
        Predictor(chain.bundle).predict("one", "two")


def test_a_text_that_is_missing_from_the_last_group_is_named(tmp_path: Path) -> None:
    result = run("--bundle", answerer(tmp_path / "bundle"), "who", "one", "what")
    assert (result.returncode, result.stdout) == (2, b"")
    assert "takes them by 2, question and context. Give the context of the last too." in result.stderr.decode()


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        ([], 2, "--bundle"),
        (["--bundle", "b", "--batch-size", "0"], 2, "invalid number from 1 value: '0'"),
        (["--bundle", "b", "--json", "text"], 2, "--json is for the lines of standard input"),
        (["--bundle", "no/such/folder", "text"], 4, "no/such/folder: no bundle there"),
    ],
)
def test_wrong_usage_and_a_missing_bundle_are_one_message(words: list[str], code: int, why: str) -> None:
    result = run(*words)
    assert result.returncode == code
    assert why in result.stderr.decode()
    assert b"Traceback" not in result.stderr
    assert result.stdout == b""


def test_a_damaged_bundle_answers_nothing(chain: Chain, tmp_path: Path) -> None:
    for path in chain.bundle.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    result = run("--bundle", tmp_path, "text")
    assert (result.returncode, result.stdout) == (3, b"")
    assert "tokenizer.json: has 2 bytes" in result.stderr.decode()


def test_nothing_on_standard_input_is_nothing_to_do(chain: Chain) -> None:
    result = run("--bundle", chain.bundle)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")


def test_an_answer_comes_out_while_the_input_stays_open(chain: Chain) -> None:
    command = [*COMMAND, "--bundle", str(chain.bundle)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdin and process.stdout
        for text in ("first", "second"):
            process.stdin.write(text.encode() + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["text"] == text
        process.stdin.close()
        assert process.wait(timeout=20) == 0


def test_a_reader_who_has_enough_ends_it_quietly(chain: Chain) -> None:
    command = [*COMMAND, "--bundle", str(chain.bundle)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdin.write(b"good\n" * 3)
        process.stdin.flush()
        process.stdout.readline()
        process.stdout.close()
        process.stdin.write(b"good\n" * 50)
        process.stdin.flush()
        assert process.wait(timeout=20) == 0
        assert process.stderr.read() == b""
