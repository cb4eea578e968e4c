"""The source of SQL queries: on sqlite, and on a real PostgreSQL server in a temporary folder."""

import os
import pwd
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pg8000.dbapi
import pytest

from stages.shared.errors import DataError, MachineError, ParamsError
from stages.sources import Row, _database
from stages.sources.sql import Params, read

QUERY = "SELECT id, body, mood, part FROM reviews ORDER BY id"
COLUMNS = {"text": "body", "label": "mood"}
REVIEWS = [(1, "Good: 100 % 'fine'.", "high", "train"), (2, "Bad.", "low", "dev"), (3, None, "low", "test")]


def params_of(path: Path, url: str, **options: Any) -> Params:
    raw = {"name": "sql", "path": str(path), "url": url, "columns": COLUMNS, "max_field_characters": 100}
    return Params.model_validate(raw | options)


def rows_of(query: str, path: Path, url: str, **options: Any) -> list[Row]:
    path.write_text(query, encoding="utf-8")
    return list(read(path, params_of(path, url, **options), ("text", "label")))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the query of a test lies."""
    return tmp_path / "train.sql"


@pytest.fixture
def lite(tmp_path: Path) -> str:
    """The URL of a sqlite database with the reviews."""
    with sqlite3.connect(tmp_path / "reviews.db") as connection:
        connection.execute("CREATE TABLE reviews (id INTEGER, body TEXT, mood TEXT, part TEXT)")
        connection.executemany("INSERT INTO reviews VALUES (?, ?, ?, ?)", REVIEWS)
    connection.close()
    return f"sqlite:///{tmp_path}/reviews.db"


def _program(name: str) -> str:
    folders = sorted((str(path) for path in Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(folders)) or _skip(f"there is no {name}")


def _skip(reason: str) -> NoReturn:
    pytest.skip(f"no PostgreSQL server can be started: {reason}")


class Server:
    """A PostgreSQL server of its own, on a free port of this machine, whose user `reader` has a password."""

    def __init__(self, folder: Path, password: str) -> None:
        self.password = password
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        (folder / "password").write_text(password, encoding="utf-8")
        login = ["--username=reader", f"--pwfile={folder}/password", "--auth=scram-sha-256", "--encoding=UTF8"]
        made = self._start([_program("initdb"), f"--pgdata={folder}/data", *login, "--no-sync", "--locale=C"], folder)
        if made.wait(timeout=60):
            _skip((folder / "log").read_text(encoding="utf-8")[-300:])
        dies_with_us = [setpriv, "--pdeathsig", "QUIT"] if (setpriv := shutil.which("setpriv")) else []
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"]
        postgres = [_program("postgres"), "-D", f"{folder}/data", "-p", str(self.port), *options]
        self.process = self._start([*dies_with_us, *postgres], folder)
        self._wait(folder / "log")

    def _start(self, command: list[str], folder: Path) -> "subprocess.Popen[bytes]":
        """Start a program, not as root: PostgreSQL refuses that."""
        user: dict[str, Any] = {}
        if os.getuid() == 0:
            names = {entry.pw_name for entry in pwd.getpwall()}
            name = next((name for name in ("postgres", "nobody") if name in names), None) or _skip("as root")
            user = {"user": name, "group": pwd.getpwnam(name).pw_gid, "extra_groups": []}
        with (folder / "log").open("ab") as log:
            return subprocess.Popen(command, cwd="/", stdout=log, stderr=log, **user)

    def _wait(self, log: Path) -> None:
        for _ in range(600):
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                self.execute("SELECT 1")
                return
            except (OSError, pg8000.dbapi.Error):
                time.sleep(0.05)
        self.stop()
        _skip(log.read_text(encoding="utf-8")[-300:])

    @property
    def url(self) -> str:
        """As params.yaml has it."""
        return "postgresql+pg8000://reader:${TEST_SQL_PASSWORD}@127.0.0.1:" + f"{self.port}/postgres"

    def execute(self, *statements: str) -> None:
        """Run statements in one transaction."""
        login = {"host": "127.0.0.1", "port": self.port, "password": self.password}
        with pg8000.dbapi.connect("reader", database="postgres", **login) as connection:
            for statement in statements:
                connection.cursor().execute(statement)
            connection.commit()

    def stop(self) -> None:
        """Stop at once."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(timeout=30)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        server = Server(folder, "p@ss/w%rd'1")
        try:
            server.execute(
                "CREATE TABLE reviews (id int, body text, mood text, part text)",
                "INSERT INTO reviews VALUES (1, 'Good: 100 % ''fine''.', 'high', 'train'), "
                "(2, 'Bad.', 'low', 'dev'), (3, NULL, 'low', 'test')",
            )
            yield server
        finally:
            server.stop()


@pytest.fixture
def postgres(server: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a PostgreSQL database with the reviews."""
    monkeypatch.setenv("TEST_SQL_PASSWORD", server.password)
    return server.url


@pytest.mark.parametrize("kind", ["lite", "postgres"])
def test_the_rows_come_in_the_order_of_the_query(kind: str, file: Path, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue(kind)
    rows = rows_of(QUERY + ";\n", file, url, columns=COLUMNS | {"id": "id", "split": "part"})
    assert [(row.split, row.place, row.values) for row in rows] == [
        ("train", "train.sql:row 1", {"text": "Good: 100 % 'fine'.", "label": "high", "id": 1}),
        ("validation", "train.sql:row 2", {"text": "Bad.", "label": "low", "id": 2}),
        ("test", "train.sql:row 3", {"text": None, "label": "low", "id": 3}),
    ]


def stream_of(query: str, path: Path, url: str) -> Iterator[Row]:
    path.write_text(query, encoding="utf-8")
    return read(path, params_of(path, url), ("text", "label"))


def test_rows_are_streamed(
    postgres: str, file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What fails late has given its first rows before; the failure is one message."""
    monkeypatch.setattr(_database, "BATCH", 10)
    number = "n::text AS body, (100 / (50 - n) + 0 * random())::text AS mood"  # with random() not before the sort
    rows = stream_of(f"SELECT {number} FROM generate_series(1, 100) AS n ORDER BY n", file, postgres)
    assert [next(rows).values["text"] for _ in range(35)] == [str(number) for number in range(1, 36)]
    with pytest.raises(DataError, match=r"train\.sql: .*the database refuses the query: division by zero\. Mend"):
        list(rows)
    assert not caplog.records


def test_a_connection_that_breaks_is_said(server: Server, postgres: str, file: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(_database, "BATCH", 2)
    rows = stream_of("SELECT n AS body, n AS mood FROM generate_series(1, 100) AS n ORDER BY n", file, postgres)
    next(rows)
    server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    with pytest.raises(MachineError, match=r"train\.sql: .*the connection broke: .*Run it again"):
        list(rows)


def test_nothing_is_written(server: Server, postgres: str, file: Path) -> None:
    server.execute("CREATE TABLE IF NOT EXISTS seen (n int)")
    query = "WITH one AS (INSERT INTO seen VALUES (1) RETURNING n) SELECT n AS body, n AS mood FROM one ORDER BY n"
    with pytest.raises(DataError, match="the database refuses the query"):
        list(stream_of(query, file, postgres))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql+pg8000://reader:${TEST_SQL_WRONG}@127.0.0.1:{port}/postgres", "password authentication failed"),
        ("postgresql+pg8000://reader:${TEST_SQL_WRONG}@127.0.0.1:1/postgres", "cannot connect"),
        ("postgresql+pg8000://reader@127.0.0.1:{port}/postgres?password=${TEST_SQL_WRONG}&ssl_on=1", "cannot connect"),
    ],
)
def test_no_connection_is_one_message_without_the_password(
    url: str, message: str, server: Server, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_SQL_WRONG", "p@ss/zebra%1")
    with pytest.raises(MachineError, match=message) as error:
        rows_of(QUERY, file, url.replace("{port}", str(server.port)))
    assert "zebra" not in str(error.value)
    assert "ingest.source.url" in str(error.value)


def test_a_whole_url_may_come_from_the_environment(lite: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SQL_URL", lite)
    assert len(rows_of(QUERY, file, "${TEST_SQL_URL}")) == 3
    monkeypatch.delenv("TEST_SQL_URL")
    with pytest.raises(MachineError, match=r"ingest\.source\.url: the environment has no TEST_SQL_URL\."):
        rows_of(QUERY, file, "${TEST_SQL_URL}")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT body, mood FROM reviews", "has no ORDER BY"),
        ("SELECT body, mood FROM (SELECT * FROM reviews ORDER BY id) AS r -- ORDER BY id", "has no ORDER BY"),
        ("SELECT body, ' ORDER BY x' AS mood FROM reviews", "has no ORDER BY"),
        ("DELETE FROM reviews", "it begins with 'DELETE', not with SELECT"),
        ("-- nothing yet", "it begins with '', not"),
        ("SELECT 1; DROP TABLE reviews; SELECT 2 ORDER BY 1", "more than one statement"),
        ("SELECT body, mod FROM reviews ORDER BY id", "the database refuses the query: no such column: mod"),
        ("SELECT body, mood AS mode FROM reviews ORDER BY id", "no column 'mood' .* Did you mean 'mode'"),
        ("SELECT body, mood FROM reviews WHERE id > 9 ORDER BY id", "the query gives no rows"),
        ("SELECT printf('%200d', id) AS body, mood FROM reviews ORDER BY id", "row 1: column 'body' holds 200 char"),
    ],
)
def test_a_query_that_is_of_no_use_is_an_error(query: str, message: str, lite: str, file: Path) -> None:
    with pytest.raises(DataError, match=message):
        rows_of(query, file, lite)


def test_a_comment_a_bracket_or_a_with_may_begin_a_query(lite: str, file: Path) -> None:
    for start in ("-- all of it; really\nSELECT", "/* ; */ WITH r AS (SELECT 1) SELECT"):
        assert len(rows_of(f"{start} body, mood FROM reviews ORDER BY id; -- the end\n", file, lite)) == 3


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("sqlite:////nowhere/x.db", MachineError, "no such file"),
        ("no url", ParamsError, "is no URL of a database"),
        ("sqlight:///x.db", ParamsError, "'sqlight' is no database and driver"),
        ("postgresql+psycopg2://me@h/d", MachineError, "needs the Python package 'psycopg2'"),
    ],
)
def test_a_wrong_url_is_an_error(url: str, error: type[Exception], message: str, file: Path) -> None:
    with pytest.raises(error, match=message):
        rows_of(QUERY, file, url)


def test_the_columns_must_be_those_of_the_task(lite: str, file: Path) -> None:
    with pytest.raises(ParamsError, match="does not say which column is 'label'"):
        rows_of(QUERY, file, lite, columns={"text": "body"})
