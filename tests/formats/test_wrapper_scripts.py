"""Wrapper scripts: what they set, source and start."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixer.formats.shell_words import literal_word
from fixer.formats.wrapper_scripts import ShellRun, is_shell_script, is_start_script, read_script, simple_commands


def run(text: str, env: dict[str, str] | None = None, files: dict[str, bytes] | None = None) -> ShellRun:
    return read_script(text, "/srv/run", {k: literal_word(v) for k, v in (env or {}).items()}, files or {})


def command(text: str, env: dict[str, str] | None = None, files: dict[str, bytes] | None = None) -> list[str]:
    return [w.text for w in run(text, env, files).command or []]


@pytest.mark.parametrize(("text", "expected"), [
    ("exec uvicorn a:b --port 8000", ["exec", "uvicorn", "a:b", "--port", "8000"]),
    ("PORT=81\nuvicorn a --port $PORT", ["uvicorn", "a", "--port", "81"]),
    ("export PORT=81 X=2; uvicorn a --port \"$PORT\" &", ["uvicorn", "a", "--port", "81"]),
    (": \"${PORT:=82}\"\nuvicorn a --port ${PORT}", ["uvicorn", "a", "--port", "82"]),
    ("P=1 uvicorn a --port ${P}", ["uvicorn", "a", "--port", "1"]),
    ("if true; then\n  exec uvicorn a --port 1 # why; not\nfi", ["exec", "uvicorn", "a", "--port", "1"]),
    ("echo 'a; uvicorn b' && uvicorn c || exit 1", ["uvicorn", "c"]),
    ("cat <<EOF >x\nuvicorn z\nEOF\nuvicorn c", ["uvicorn", "c"]),
    ("cat <<EOF\nnever ends", []), ("echo hi", []), ("", []), ("uvicorn a 2>&1", ["uvicorn", "a", "2>&1"]),
    ("x=${y#z}\nuvicorn a", ["uvicorn", "a"]), ("echo don\\'t; uvicorn a", ["uvicorn", "a"]),
])
def test_the_server_in_a_script(text: str, expected: list[str]) -> None:
    assert command("#!/bin/sh\n" + text) == expected


@pytest.mark.parametrize(("text", "expected"), [
    ('exec uvicorn "$@"', ["exec", "uvicorn", "a:b", "--port", "81"]), ('uvicorn $1 --port ${3}', ["uvicorn", "a:b", "--port", "81"]),
    ('shift\nexec uvicorn x:y "$@"', ["exec", "uvicorn", "x:y", "--port", "81"]),
    ('shift 2; exec uvicorn x:y --port $1', ["exec", "uvicorn", "x:y", "--port", "81"]),
    ('set -- uvicorn z:z --port 9\nexec "$@"', ["exec", "uvicorn", "z:z", "--port", "9"]),
    ("set -e; exec uvicorn '$@' \"p$3\"", ["exec", "uvicorn", "$@", "p81"]),
    ('exec uvicorn a --port "${4:-82}"', ["exec", "uvicorn", "a", "--port", "82"]),
])
def test_what_the_script_is_given(text: str, expected: list[str]) -> None:
    given_ = [literal_word(word) for word in ("a:b", "--port", "81")]
    found = read_script("#!/bin/sh\n" + text, "/srv/run", {}, {}, given=given_)
    assert [w.text for w in found.command or []] == expected


def test_what_nobody_gives_stays() -> None:
    assert [[w.text for w in words] for words in run('#!/bin/sh\nset -e\nexec "$@"').other] == [["exec", "$@"]]


DAEMON = """DAEMON=/opt/shop/venv/bin/uvicorn
ARGS="shop:app --port 8123"
PIDFILE=/run/shop.pid
do_start() {
  start-stop-daemon --start --quiet --pidfile $PIDFILE --exec $DAEMON --test > /dev/null || return 1
  start-stop-daemon -S -b -m -p $PIDFILE -d /opt/shop -a $DAEMON --chuid shop -- $ARGS || return 2
}
case "$1" in
  start) do_start ;;
  stop) start-stop-daemon --stop --retry=TERM/30 --pidfile $PIDFILE --exec $DAEMON ;;
esac
"""


def test_what_an_init_script_starts() -> None:
    found = run(DAEMON)
    assert [w.text for w in found.command or []] == ["/opt/shop/venv/bin/uvicorn", "shop:app", "--port", "8123"]
    assert found.directory == "/opt/shop"


@pytest.mark.parametrize("text", [
    "start) daemon --user=shop --pidfile=/run/x uvicorn a --port 1 ;;", "start() { daemon uvicorn a --port 1; }",
    "start ()\n{\n  su - shop -c 'cd /srv; uvicorn a --port 1'\n}", 'su shop -s /bin/sh -c "exec uvicorn a --port 1"',
    'case "$1" in start) uvicorn a --port 1;; stop) killall uvicorn;; esac', "function go { uvicorn a --port 1; }",
    "start-stop-daemon --start --startas=uvicorn a -- --port 1", "setuidgid shop uvicorn a --port 1",
])
def test_the_ways_of_init_scripts(text: str) -> None:
    assert " ".join(command(text)).endswith("uvicorn a --port 1")


@pytest.mark.parametrize("text", [
    "start-stop-daemon --stop --exec /usr/bin/uvicorn", "start-stop-daemon --start --pidfile /run/x",
    "start-stop-daemon -K -x /usr/bin/uvicorn", "daemon", "daemon --check x", "su - shop -c", "start-stop-daemon -p",
])
def test_what_starts_nothing(text: str) -> None:
    assert command(text) == []


def test_a_given_variable_wins_over_a_default() -> None:
    assert command(": ${PORT:=82}\nuvicorn a --port $PORT", {"PORT": "9"})[-1] == "9"
    assert command("uvicorn a --port ${PORT:-82}", {"PORT": "9"})[-1] == "9"


def test_sourced_files_and_folders() -> None:
    found = run("cd /srv\n. conf/env\nuvicorn a --port $PORT", files={"/srv/conf/env": b"PORT=83\n"})
    assert found.sourced == ["/srv/conf/env"] and found.directory == "/srv"
    assert found.command is not None
    place = found.command[-1].to_argument()
    assert (place.text, place.file, place.start) == ("83", "/srv/conf/env", 5)


def test_the_bytes_of_a_default_in_a_script() -> None:
    text = "#!/bin/sh\nexec uvicorn a \\\n  --port \"${PORT:-8200}\"\n"
    words = run(text).command
    assert words is not None
    place = words[-1].to_argument()
    assert text[place.start : place.end] == "8200" and place.line == 3


def test_a_program_that_is_not_known_is_kept_aside() -> None:
    found = run("exec ./server --port 1")
    assert found.command is None and [w.text for w in found.other[0]] == ["exec", "./server", "--port", "1"]


def test_variables_on_the_command_line() -> None:
    assert run("env PORT=7 uvicorn a").env["PORT"].text == "7"


@pytest.mark.parametrize(("data", "expected"), [
    (b"#!/bin/sh\n", True), (b"#!/usr/bin/env bash\n", True), (b"#! /bin/bash -e\n", True), (b"#!/usr/bin/python3\n", False),
    (b"\x7fELF", False), (b"", False),
])
def test_what_a_shell_runs(data: bytes, expected: bool) -> None:
    assert is_shell_script(data) is expected


@given(st.text(alphabet="ab;\n&|'\"\\$#<{}EOF =.", max_size=60))
def test_any_script_is_read_and_offsets_are_true(text: str) -> None:
    for part, at, line in simple_commands(text):
        assert text[at : at + 1] == part[:1] or text[at : at + 2].startswith("<")
        assert line == text.count("\n", 0, at)
    run(text)


def test_each_server_that_a_script_runs_beside_the_rest_is_known() -> None:
    """An entry point script: two servers and a helper in the background, nginx in front."""
    text = """cd /srv/api
API_PORT=8001
gosu app uvicorn api:app --port $API_PORT >>/var/log/api.log 2>&1 &
(cd /srv/web && uvicorn web:app --port 8002) &
uvicorn --version && sleep 1 &
exec nginx -g 'daemon off;'
"""
    found = [(one.directory, [w.text for w in one.command]) for one in run(text).background]
    assert found[0] == ("/srv/api", ["gosu", "app", "uvicorn", "api:app", "--port", "8001", ">>/var/log/api.log", "2>&1"])
    assert run("uvicorn a:b --port 1 && echo up").background == [] and run("exec uvicorn a:b").background == []


@pytest.mark.parametrize(("path", "data", "expected"), [
    ("/usr/local/bin/start-shop", b"#!/bin/sh\n", True), ("/opt/run.sh", b"#! /usr/bin/env bash\n", True),
    ("/opt/run.sh.bak", b"#!/bin/sh\n", False), ("/opt/run.sh", b"#!/usr/bin/python3\n", False), ("/opt/run.sh", b"\x7fELF", False),
    ("/opt/run.sh", b"exec uvicorn a:b\n", False),
])
def test_a_script_that_somebody_may_run(path: str, data: bytes, expected: bool) -> None:
    assert is_start_script(path, data) is expected


@pytest.mark.parametrize(("text", "exported"), [
    ("KEY=1", False), ("export KEY=1", True), ("KEY=1\nexport KEY", True), ("set -a\nKEY=1", True),
    ("set -eua\nKEY=1\nset +a", True), ("set -o allexport; KEY=1", True), ("set -euo allexport; KEY=1", True), ("set -euo pipefail; KEY=1", False), ("set -a\nset +a\nKEY=1", False),
    ("set -- -a\nKEY=1", False), ("declare -x KEY=1", True), ("readonly KEY=1", False), (': "${KEY:=1}"', False),
    (". ./plain", False), (". ./exporting", True), (". ./named", True), (". ./all", True), ("set -a; . ./plain; set +a", True),
    (". ./plain\nexport $(cut -d= -f1 plain)", True), ("KEY=1 uvicorn a", True), ("GIVEN=2\nKEY=1", False),
])
def test_programs_get_of_the_variables_of_a_shell_what_is_exported(text: str, exported: bool) -> None:
    files = {"/srv/plain": b"KEY=1\n", "/srv/exporting": b"export KEY=1\n", "/srv/named": b"KEY=1\nexport OTHER KEY\n",
             "/srv/all": b"set -a\nKEY=1\n"}
    found = read_script(f"#!/bin/sh\n{text}\nuvicorn a", "/srv/run", {"GIVEN": literal_word("1")}, files, directory="/srv")
    assert found.env["KEY"].exported is exported
    assert found.env["GIVEN"].exported, "what a shell was given, its programs get, too"
