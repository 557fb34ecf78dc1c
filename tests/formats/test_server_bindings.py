"""Where commands listen and with how many workers: every dialect, variables, defaults, and the bytes to edit."""

from __future__ import annotations

import pytest

from fixer.formats.server_bindings import bindings_in_python, bindings_of, has_host_option, host_places, workers_of
from fixer.formats.shell_words import Piece, Word, expand_words, literal_word, systemd_words
from fixer.model.facts import Evidence, Known, Unknown

SAID = Evidence("unit", "u:1", "x")


def bound(command: str, **env: str) -> list[tuple[str, int, str | None]]:
    found = bindings_of(systemd_words(command), {k: literal_word(v) for k, v in env.items()}, SAID)
    return [(b.host, b.port, b.unix) for b in found]


@pytest.mark.parametrize(("command", "expected"), [
    ("uvicorn a --host 0.0.0.0 --port 9000", [("0.0.0.0", 9000, None)]),
    ("uvicorn a --port=9000", [("127.0.0.1", 9000, None)]), ("uvicorn a", [("127.0.0.1", 8000, None)]),
    ("uvicorn a --port 1 --port 2", [("127.0.0.1", 2, None)]), ("uvicorn a --uds /run/a.sock", [("0.0.0.0", 0, "/run/a.sock")]),
    ("uvicorn a --port x", []), ("uvicorn a --port 99999", []), ("uvicorn a --host ::1 --port 9", [("::1", 9, None)]),
    ("gunicorn a -b 127.0.0.1:81 -b [::1]:82 --bind unix:/run/g.sock",
     [("127.0.0.1", 81, None), ("::1", 82, None), ("0.0.0.0", 0, "/run/g.sock")]),
    ("/usr/bin/gunicron a --bind 127.0.0.1:81", [("127.0.0.1", 81, None)]), ("/opt/bin/app --port 81", [("0.0.0.0", 81, None)]),
    ("/usr/bin/tunnel -p 81 127.0.0.1:82", []), ("redis-server --port 81", []),
    ("gunicorn a --bind=:81", [("0.0.0.0", 81, None)]), ("gunicorn a", [("127.0.0.1", 8000, None)]),
    ("gunicorn -c gunicorn.conf.py a", []), ("gunicorn --config=a.py -b :81 a", [("0.0.0.0", 81, None)]),
    ("uvicorn a --fd 0", []), ("uvicorn a --fd=3 --port 9", []), ("gunicorn a -b fd://3", []), ("daphne --fd 0 a", []),
    ("gunicorn a -b nonsense", [("127.0.0.1", 8000, None)]), ("hypercorn a --bind 0.0.0.0:1", [("0.0.0.0", 1, None)]),
    ("daphne -b 10.0.0.1 -p 81 a", [("10.0.0.1", 81, None)]), ("daphne -u /run/d.sock a", [("0.0.0.0", 0, "/run/d.sock")]),
    ("python3 manage.py runserver 0.0.0.0:81", [("0.0.0.0", 81, None)]), ("python3 manage.py runserver 81", [("127.0.0.1", 81, None)]),
    ("python3 -m http.server 9000 --bind 127.0.0.1", [("127.0.0.1", 9000, None)]), ("python3 -m http.server", [("0.0.0.0", 8000, None)]),
    ("flask run -p 81", [("127.0.0.1", 81, None)]), ("waitress-serve --listen=*:81 a", [("0.0.0.0", 81, None)]),
    ("waitress-serve a", [("0.0.0.0", 8080, None)]), ("fastapi run --port 81", [("0.0.0.0", 81, None)]),
    ("python3 s.py 127.0.0.1 9100", [("127.0.0.1", 9100, None)]), ("python3 s.py --port 81", [("0.0.0.0", 81, None)]),
    ("python3 s.py --path=/tmp/a_1.sock", [("0.0.0.0", 0, "/tmp/a_1.sock")]), ("python3 s.py --path /srv/data", []),
    ("python3 s.py --retries 9100", []), ("node s.js -p81", [("0.0.0.0", 81, None)]), ("node s.js", []),
    ("/usr/sbin/nginx", []), ("uvicorn -- --port 9", [("127.0.0.1", 8000, None)]), ("java -jar a --listen 127.0.0.1:81", [("127.0.0.1", 81, None)]),
])
def test_options(command: str, expected: list[tuple[str, int, str | None]]) -> None:
    assert bound(command) == expected


@pytest.mark.parametrize(("command", "folder", "expected"), [
    ("gunicorn --bind unix:shop.sock -m 007 wsgi:app", "/srv/shop", "/srv/shop/shop.sock"),
    ("gunicorn -b unix:./run/shop.sock wsgi:app", "/srv/shop", "/srv/shop/run/shop.sock"),
    ("gunicorn --chdir /opt/shop --bind unix:shop.sock wsgi:app", "/srv/shop", "/opt/shop/shop.sock"),
    ("gunicorn --bind unix:/run/shop.sock wsgi:app", "/srv/shop", "/run/shop.sock"),
    ("uvicorn app:app --uds shop.sock", "/srv/shop", "/srv/shop/shop.sock"),
    ("uvicorn app:app --uds shop.sock", "", None), ("gunicorn --bind unix:shop.sock wsgi:app", "", None),
])
def test_a_socket_whose_path_is_meant_from_where_it_starts(command: str, folder: str, expected: str | None) -> None:
    found = bindings_of(systemd_words(command), {}, SAID, folder)
    assert [b.unix for b in found] == ([expected] if expected else [])
    whole = "/run/shop.sock" in command
    assert whole or all(b.start is None for b in found)       # not to be edited by the whole path


@pytest.mark.parametrize(("command", "env", "expected"), [
    ("uvicorn a", {"UVICORN_PORT": "81", "UVICORN_HOST": "0.0.0.0"}, ("0.0.0.0", 81, None)),
    ("uvicorn a --port 82", {"UVICORN_PORT": "81"}, ("127.0.0.1", 82, None)),
    ("uvicorn a", {"PORT": "81"}, ("127.0.0.1", 8000, None)), ("gunicorn a", {"PORT": "81"}, ("0.0.0.0", 81, None)),
    ("node s.js", {"PORT": "81", "HOST": "127.0.0.1"}, ("127.0.0.1", 81, None)), ("flask run", {"FLASK_RUN_PORT": "81"}, ("127.0.0.1", 81, None)),
])
def test_variables(command: str, env: dict[str, str], expected: tuple[str, int, str | None]) -> None:
    assert bound(command, **env) == [expected]


@pytest.mark.parametrize(("command", "arguments", "expected"), [
    ("gunicorn a", "--workers=2 --bind=127.0.0.1:81 -b unix:/run/g.sock", [("127.0.0.1", 81, None), ("0.0.0.0", 0, "/run/g.sock")]),
    ("gunicorn -b :82 a", "--bind=127.0.0.1:81", [("0.0.0.0", 82, None)]), ("gunicorn a", "--preload", [("127.0.0.1", 8000, None)]),
    ("uvicorn a", "--bind=127.0.0.1:81", [("127.0.0.1", 8000, None)]), ("gunicorn a", "--config=a.py", []),
])
def test_the_arguments_that_gunicorn_reads_from_a_variable(
    command: str, arguments: str, expected: list[tuple[str, int, str | None]],
) -> None:
    assert bound(command, GUNICORN_CMD_ARGS=arguments) == expected
    told = workers_of(systemd_words("gunicorn -w 3 a"), {"GUNICORN_CMD_ARGS": literal_word("-w 5")}, SAID)
    assert isinstance(told, Known) and told.value == 3
    (edited, *_) = systemd_words("GUNICORN_CMD_ARGS=--bind=:9000", "/e", 1, 0)
    (binding,) = bindings_of(systemd_words("gunicorn a"), {"GUNICORN_CMD_ARGS": edited.slice(18, 30)}, SAID)
    assert (binding.file, binding.start, binding.end) == ("/e", 26, 30)


@pytest.mark.parametrize("command", [
    "python3 manage.py runserver 127.0.0.1:${PORT}", "python3 -m http.server \"\"", "gunicorn -b 127.0.0.1:$NONE a", "gunicorn -b :${PORT} a",
    "hypercorn --bind unix:app.sock a", "uvicorn --port=${PORT} a",
])
def test_a_place_that_nobody_can_read_is_not_the_default(command: str) -> None:
    assert bindings_of(expand_words(systemd_words(command), {}), {}, SAID) == ()


@pytest.mark.parametrize(("command", "digits"), [
    ("uvicorn a --port 9000", "9000"), ("uvicorn a --port=9000", "9000"), ("gunicorn -b 0.0.0.0:9000", "9000"),
    ("python3 s.py 127.0.0.1 9000", "9000"), ("uvicorn --uds /run/a.sock a", "/run/a.sock"), ("gunicorn -b unix:/run/a.sock", "/run/a.sock"),
])
def test_the_bytes_to_edit(command: str, digits: str) -> None:
    (binding,) = bindings_of(systemd_words(command, "/u", 4, 0), {}, SAID)
    assert binding.file == "/u" and command[binding.start : binding.end] == digits and binding.source.where == "/u:4"


def test_a_default_stands_nowhere() -> None:
    (binding,) = bindings_of(systemd_words("uvicorn a", "/u", 4, 0), {}, SAID)
    assert (binding.file, binding.start, binding.source) == (None, None, SAID)


@pytest.mark.parametrize(("command", "env", "count"), [
    ("uvicorn a --workers 4", {}, 4), ("uvicorn a", {"WEB_CONCURRENCY": "3"}, 3), ("gunicorn -w3 a", {}, 3), ("gunicorn a", {}, 1),
    ("uvicorn a --workers 0", {}, 1), ("uvicorn a --workers many", {}, 1), ("uvicorn a --workers 2", {"WEB_CONCURRENCY": "3"}, 2),
    ("uvicorn a", {"UVICORN_WORKERS": "5", "WEB_CONCURRENCY": "3"}, 5),
])
def test_workers(command: str, env: dict[str, str], count: int) -> None:
    found = workers_of(systemd_words(command), {k: literal_word(v) for k, v in env.items()}, SAID)
    assert isinstance(found, Known) and found.value == count and found.evidence


def test_workers_of_nothing_known() -> None:
    assert isinstance(workers_of(systemd_words("/usr/sbin/nginx"), {}, SAID), Unknown)


@pytest.mark.parametrize(("call", "expected", "digits"), [
    ('uvicorn.run("a:b", host="0.0.0.0", port=9000)', ("0.0.0.0", 9000), b"9000"), ("uvicorn.run(app, port=9000)", ("127.0.0.1", 9000), b"9000"),
    ('uvicorn.run(a, port=int(os.environ.get("PORT", "9000")))', ("127.0.0.1", 9000), b"9000"),
    ('uvicorn.run(a, port=int(os.getenv("PORT", 9000)))', ("127.0.0.1", 9000), b"9000"), ("web.run_app(app, port=9000)", ("0.0.0.0", 9000), b"9000"),
])
def test_a_server_started_by_python(call: str, expected: tuple[str, int], digits: bytes) -> None:
    data = b"import uvicorn\n\n" + call.encode()
    (binding,) = bindings_in_python("/srv/a.py", data, {})
    assert (binding.host, binding.port) == expected and data[binding.start : binding.end] == digits
    assert binding.source.where == "/srv/a.py:3"


@pytest.mark.parametrize(("code", "host", "digits"), [
    ('HOST = os.getenv("HOST", "0.0.0.0")\nPORT = int(os.environ.get("PORT", 8003))\nuvicorn.run("a:b", host=HOST, port=PORT)', "0.0.0.0", b"8003"),
    ('host = os.getenv("HOST") or "0.0.0.0"\nuvicorn.run(a, host=host, port=8003)', "0.0.0.0", b"8003"),
    ("port: int = 8003\nserve(app, port=port)", "0.0.0.0", b"8003"),
    ("uvicorn.run(a, host=settings.host, port=8003)", "", b"8003"),            # only the program knows
    ('uvicorn.run(a, host=os.environ["HOST"], port=8003)', "", b"8003"),
    ('HOST = "a"\nHOST = "b"\nuvicorn.run(a, host=HOST, port=8003)', "", b"8003"),
])
def test_names_that_stand_for_a_host_and_a_port(code: str, host: str, digits: bytes) -> None:
    (binding,) = bindings_in_python("/srv/a.py", code.encode(), {})
    assert (binding.host, binding.port) == (host, 8003) and code.encode()[binding.start : binding.end] == digits


def test_python_that_takes_its_port_from_outside() -> None:
    data = b'uvicorn.run(a, port=int(os.environ["PORT"]))'
    assert [b.port for b in bindings_in_python("/a", data, {"PORT": literal_word("81")})] == [81]
    assert bindings_in_python("/a", data, {}) == () and bindings_in_python("/a", b"print()", {}) == ()
    assert bindings_in_python("/a", b"uvicorn.run(a)", {}) == ()


def test_a_host_and_a_port_of_two_variables_keep_both_places() -> None:
    """A repair of the address edited nothing: it had the port's line only."""
    env = {"ADDR": Word((Piece("127.0.0.1", "/etc/a.env", 7, 90),)), "PORT": Word((Piece("8000", "/etc/a.env", 8, 105),))}
    (one,) = bindings_of(expand_words(systemd_words("gunicorn a -b ${ADDR}:${PORT}"), env), env, SAID)
    assert (one.host, one.port, one.file, one.start, one.end) == ("127.0.0.1", 8000, "/etc/a.env", 105, 109)
    assert one.source.where == "/etc/a.env:8" and one.host_place is not None
    assert (one.host_place.file, one.host_place.line, one.host_place.start, one.host_place.end) == ("/etc/a.env", 7, 90, 99)
    whole = {"BIND": Word((Piece("127.0.0.1:8000", "/etc/a.env", 7, 90),))}
    (other,) = bindings_of(expand_words(systemd_words("gunicorn a -b $BIND"), whole), whole, SAID)
    assert other.host_place is None and other.start == 100


@pytest.mark.parametrize(("command", "hosts"), [
    ("uwsgi --http-socket 127.0.0.1:81 -s [::1]:82 --master", [("127.0.0.1", 81), ("[::1]", 82)]),
    ("uwsgi -H /srv/venv -b 32768 --http=:81", [("", 81)]), ("gunicorn -b127.0.0.1:81 a", [("127.0.0.1", 81)]),
    ("puma -b tcp://127.0.0.1:81", [("127.0.0.1", 81)]), ("daphne -b ::1 -p 81 a", [("::1", 0)]),
    ("waitress-serve --listen=localhost:81 --host 10.0.0.1 a", [("10.0.0.1", 0), ("localhost", 81)]),
    ("sudo -H -u app uvicorn a:b", []), ("flask run -h 127.0.0.1", [("127.0.0.1", 0)]), ("gunicorn -h a", []),
    ("gunicorn -b unix:/run/a.sock -b fd://3 -b 8000 --bind= --bind", []), ("uvicorn --host --port 81", []),
    ("/usr/bin/back --listen 127.0.0.1:81", [("127.0.0.1", 81)]), ("uvicorn a -- --host 127.0.0.1", []),
])
def test_where_the_options_of_each_server_give_a_host(command: str, hosts: list[tuple[str, int]]) -> None:
    argv = command.split()
    found = host_places(argv, "")
    assert [(argv[one.index][one.start:one.end], one.port) for one in found] == hosts


def test_a_command_that_names_no_server_has_the_options_of_the_one_that_runs() -> None:
    words = ["./start", "--http-socket", "127.0.0.1:81"]
    assert len(host_places(words, "uwsgi")) == 1 and host_places(words, "") == ()
    assert has_host_option(["uvicorn", "a:b", "--host"], "") and not has_host_option(["sudo", "-H", "uvicorn", "a:b"], "")
