"""Passwords, keys and tokens have no place in the parameters."""

from pathlib import Path
from typing import Any

import pytest

from stages.shared.errors import ParamsError
from stages.shared.params import check_raw, read_raw
from tests.conftest import ROOT, set_values

SQL = {"name": "sql", "path": "query.sql", "columns": {"text": "a", "label": "b"}, "max_field_characters": 100}
FILE = Path("params.yaml")


def refusal(values: dict[str, Any]) -> str:
    """The error of the bundled parameters with some dotted keys set."""
    raw = read_raw(ROOT / "params.yaml")
    set_values(raw, values)
    with pytest.raises(ParamsError) as error:
        check_raw(raw, FILE)
    return str(error.value)


@pytest.mark.parametrize(
    "key",
    [
        "ingest.source.token",
        "ingest.source.password",
        "ingest.source.aws_secret_access_key",
        "ingest.source.apiKey",
        "pretrain.hf_token",
        "package.client-secret",
        "credentials",
    ],
)
def test_a_key_that_looks_like_a_secret_is_refused_and_its_value_not_shown(key: str) -> None:
    message = refusal({key: "zebra-1234"})
    assert f"params.yaml: {key}: looks like a secret" in message
    assert "environment" in message
    assert "zebra" not in message


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+pg8000://me:zebra@host/d",
        "mysql://me:${A}zebra@h/d",
        "x+y://h/d?user=me&password=zebra",
        "https://me:zebra@files.example/rows.csv",
    ],
)
@pytest.mark.parametrize("where", ["ingest.source", "pretrain"])
def test_a_password_in_a_url_is_refused_wherever_it_stands_and_not_shown(url: str, where: str) -> None:
    values = {"ingest.source": {**SQL, "url": url}} if where == "ingest.source" else {"pretrain.text": url}
    message = refusal(values)
    assert f"params.yaml: {where}.{'url' if where == 'ingest.source' else 'text'}: holds a password." in message
    assert "${NAME}" in message
    assert "zebra" not in message


def test_all_secrets_are_named_at_once() -> None:
    message = refusal({"ingest.source.token": "zebra", "pretrain.text": "https://a:zebra@b/c", "seed": "wrong"})
    assert [line.split(": ")[1] for line in message.splitlines()[:-1]] == ["ingest.source.token", "pretrain.text"]


@pytest.mark.parametrize(
    "values",
    [
        {"ingest.source": {**SQL, "url": "postgresql+pg8000://me:${DB_PASSWORD}@host/d"}},
        {"ingest.source": {**SQL, "url": "${DB_URL}"}},
        {"ingest.label_names": {"password": "negative", "token": "positive"}},
        {"pretrain.base": None, "pretrain.from_scratch": {"tokenizer": None, "model": {"bos_token": "<s>"}}},
    ],
)
def test_what_comes_from_the_environment_and_words_of_the_data_are_no_secrets(values: dict[str, Any]) -> None:
    raw = read_raw(ROOT / "params.yaml")
    set_values(raw, {"pretrain.sha256": None, **values})
    check_raw(raw, FILE)
