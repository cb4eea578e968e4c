"""The command line: python -m serving.predict."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import sample_texts
from tests.quantized import Chain

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


def answers(result: subprocess.CompletedProcess[bytes]) -> list[dict[str, object]]:
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


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        ([], 2, "--bundle"),
        (["--bundle", "b", "--batch-size", "0"], 2, "invalid number from 1 value: '0'"),
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
