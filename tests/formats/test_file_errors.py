"""The path that a program could not use: each way in which the last lines name it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.formats.file_errors import (
    absolute_path,
    inaccessible_path,
    inaccessible_path_at,
    inaccessible_socket_at,
    inaccessible_tls_at,
    is_write_error,
    last_frame,
    unnamed_paths_at,
)
from fixer.model.facts import Known
from tests.causes.snapshot_builders import binding, container_service, service

DENIED = "PermissionError: [Errno 13] Permission denied"
DATABASE = "sqlite3.OperationalError: unable to open database file"


@pytest.mark.parametrize(("text", "expected"), [
    ("FileNotFoundError: [Errno 2] No such file or directory: '/etc/shop/key'", ("/etc/shop/key", "2")),
    ("app.errors.ConfigError: [Errno 13] Permission denied: '/srv/a'", ("/srv/a", "13")),
    ("OSError: [Errno 30] Read-only file system: '/srv/log'", ("/srv/log", "30")),
    ("OSError: [Errno 98] Address already in use: '/run/a.sock'", None),
    ("FileNotFoundError: [Errno 2] No such file or directory: 'relative'", None),
    ("Error: '/var/log/a.log' isn't writable [PermissionError(13, 'Permission denied')]", ("/var/log/a.log", "PermissionError")),
    ("Error: EACCES: permission denied, open '/srv/data.json'", ("/srv/data.json", "EACCES")),
    ("Error: EISDIR: illegal operation on a directory, open '/srv/a'", ("/srv/a", "EISDIR")),
    ("Uncaught Error: ENOENT: no such file or directory, open '/srv/a'", ("/srv/a", "ENOENT")),
    ("python3: can't open file '/srv/shop/main.py': [Errno 2] No such file or directory", ("/srv/shop/main.py", "2")),
    ("/srv/venv/bin/python: can't open file '/srv/main.py': [Errno 13] Permission denied", ("/srv/main.py", "13")),
    ("warning: can't open file '/srv/cache.db', starting without it", None),
    ("Error: can't chdir to 'shop'", ("shop", "ENOENT")), ("Error: 'gunicorn.conf.py' doesn't exist", ("gunicorn.conf.py", "ENOENT")),
    ("Error: Invalid value for '--env-file': Path '.env' does not exist.", (".env", "ENOENT")),
    ("FileNotFoundError: [Errno 2] No usable temporary directory found in ['/tmp', '/var/tmp']", ("/tmp/badgateway-new", "TEMP")),
    ("INFO: FileNotFoundError: [Errno 2] No such file or directory: '/etc/shop/key'", None),
    ("", None),
])
def test_a_line_that_names_its_path(text: str, expected: tuple[str, str] | None) -> None:
    assert inaccessible_path(text) == expected


@pytest.mark.parametrize(("above", "last", "expected"), [
    (["    db = sqlite3.connect('/srv/shop.db')"], DATABASE, ("/srv/shop.db", "CANTOPEN")),
    (['    connect("file:/srv/shop.db?mode=rw", uri=True)'], "sqlite3.OperationalError: attempt to write a readonly database",
     ("/srv/shop.db", "READONLY")),
    (["    connect('/srv/old.db')", "    connect('/srv/new.db')"], DATABASE, ("/srv/new.db", "CANTOPEN")),     # the nearest
    (["    connect('/srv/shop.db')", *["x"] * 8], DATABASE, None),                                           # too far above
    (["    connect(path)"], DATABASE, None),
    (["    connect('/srv/shop.db')"], "sqlite3.OperationalError: no such table: users", None),
])
def test_a_database_is_named_by_the_call_above(above: list[str], last: str, expected: tuple[str, str] | None) -> None:
    assert inaccessible_path_at([*above, last], len(above)) == expected


A, B, NONE = ("/run/a.sock",), ("/run/b.sock",), ((), "")
UWSGI = "Wed Dec  2 18:49:21 2026 - {}(): {} [core/socket.c line 230]"


@pytest.mark.parametrize(("lines", "told", "expected"), [
    (["[2026] connection to /run/a.sock failed: [Errno 13] Permission denied"], A, (A, "13")),
    (["[2026] connection to /run/a.sock failed: [Errno 13] Permission denied"], B, NONE),
    (["[2026] connection to /run/a.sock failed: [Errno 30] Read-only file system"], A, (A, "30")),
    (["    create_unix_server(path)", "OSError: [Errno 30] Read-only file system"], A, (A, "30")),
    (["    sock.bind(path)", DENIED], A, (A, "13")),
    (["    sock.bind(path)", DENIED], A + B, NONE),         # which of them is not known
    (["    open(path)", DENIED], A, NONE),
    (["Unable to check or remove stale UNIX socket '/run/a.sock': PermissionError(13, 'Permission denied')"], A, (A, "13")),
    (["2026-12-02 20:41:07,072 CRITICAL Listen failure: [Errno 13] Permission denied: b'/run/a.sock.lock'"], A, (A, "13")),
    (["2026-12-02 20:41:07,072 CRITICAL Listen failure: [Errno 2] No such file or directory: b'/run/a.sock'"], A, (A, "2")),
    (["Listen failure: Couldn't listen on 127.0.0.1:8000: [Errno 98] Address already in use."], A, NONE),
    ([UWSGI.format("error removing unix socket, unlink", "Permission denied")], A + B, (A + B, "13")),
    ([UWSGI.format("bind", "No such file or directory").partition(" - ")[2]], A, (A, "2")),
    ([UWSGI.format("bind", "Address already in use")], A, NONE),
])
def test_a_socket_that_could_not_be_made(lines: list[str], told: tuple[str, ...], expected: tuple[tuple[str, ...], str]) -> None:
    own = Known(tuple(replace(binding(0), unix=path) for path in told))
    assert inaccessible_socket_at(lines, len(lines) - 1, service(bindings=own)) == expected


def test_key_and_certificate_come_from_the_command_the_key_first() -> None:
    lines = ['  File "uvicorn/config.py", line 9', "    context.load_cert_chain(certfile, keyfile)", DENIED]
    argv = ["uvicorn", "a:b", "--ssl-certfile", "/etc/tls/cert.pem", "--ssl-keyfile=/etc/tls/key.pem", "--ssl-ca-certs", "relative.pem"]
    assert inaccessible_tls_at(lines, 2, argv) == (("/etc/tls/key.pem", "/etc/tls/cert.pem"), "13")
    assert inaccessible_tls_at([lines[0], "    open(path)", DENIED], 2, argv) == ((), "")
    assert inaccessible_tls_at([*lines[:2], "ValueError: x"], 2, argv) == ((), "")


def test_the_last_frame_is_the_innermost_call() -> None:
    lines = ['  File "a.py", line 1', "    outer()", '  File "b.py", line 2', "    inner(", "        x)", DENIED]
    assert last_frame(lines, 5) == lines[2:5]
    assert last_frame(["a", DENIED], 1) == []


@pytest.mark.parametrize(("text", "writes"), [
    ("Error: EACCES: permission denied, mkdir '/srv/a'", True), ("Error: EACCES: permission denied, open '/srv/a'", False),
    (DATABASE, True), ("Error: '/var/log/a.log' isn't writable [PermissionError(", True), (DENIED, False),
])
def test_whether_a_line_says_that_it_was_to_be_written(text: str, writes: bool) -> None:
    assert is_write_error(text) is writes


def test_a_relative_path_counts_from_the_folder_of_the_service() -> None:
    shop = service(unit_changes={"working_directory": "/srv/shop"})
    assert absolute_path("conf/app.ini", shop) == "/srv/shop/conf/app.ini"
    assert absolute_path("/etc/app.ini", shop) == "/etc/app.ini"
    assert absolute_path("app.ini", service(unit_changes={"working_directory": "~"})) == "app.ini"
    assert absolute_path("app.ini", container_service()) == "app.ini"


@pytest.mark.parametrize(("text", "mounts", "expected"), [
    ("Error: EISDIR: illegal operation on a directory, read", ("/a/words.json", "/a", "/b/x.toml"), ("/a/words.json", "/b/x.toml")),
    ("Error: EISDIR: illegal operation on a directory, read", ("/a",), ()),
    ("Error: EPIPE: broken pipe, write", ("/a/words.json",), ()),
])
def test_a_folder_without_a_name_is_one_of_the_mounted_files(text: str, mounts: tuple[str, ...], expected: tuple[str, ...]) -> None:
    box = {"mounts": tuple((f"/host{at}", at, False) for at in mounts)}
    assert unnamed_paths_at([text], 0, container_service(box=box)) == (expected, "EISDIR" if expected else "")
    assert unnamed_paths_at([text], 0, service()) == ((), "")
