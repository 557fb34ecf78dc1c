"""What an init script starts as a daemon: every form of the options, and calls that start nothing."""

from __future__ import annotations

import pytest

from fixer.formats.init_script import started_daemon
from fixer.formats.shell_words import shell_words


@pytest.mark.parametrize(("line", "expected"), [
    ("start-stop-daemon --start --exec /usr/bin/gunicorn -- -b :8000 a:b", ("/usr/bin/gunicorn -b :8000 a:b", "")),
    ("/sbin/start-stop-daemon -S -x /usr/bin/gunicorn -- a:b", ("/usr/bin/gunicorn a:b", "")),
    ("start-stop-daemon --start --exec=/usr/bin/gunicorn --chdir=/srv/shop", ("/usr/bin/gunicorn", "/srv/shop")),
    ("start-stop-daemon -S -d /srv/shop -c shop:shop -p /run/a.pid -x /opt/a", ("/opt/a", "/srv/shop")),
    ("start-stop-daemon -Sbmq -x /opt/a", ("/opt/a", "")),
    ("start-stop-daemon --start --exec /usr/bin/python3 --startas /opt/a", ("/opt/a", "")),       # what is really run
    ("start-stop-daemon --start --exec /opt/a one two", ("/opt/a one two", "")),
    ("start-stop-daemon --stop --exec /opt/a", None), ("start-stop-daemon -K -p /run/a.pid", None),
    ("start-stop-daemon --start --test --exec /opt/a", None), ("start-stop-daemon --start", None),
    ("start-stop-daemon --exec /opt/a", None), ("start-stop-daemon --start --exec", None),
    ("daemon --pidfile=/run/a.pid /opt/a -p 8000", ("/opt/a -p 8000", "")), ("daemon", None),
    ("exec /opt/a", None), ("", None),
])
def test_the_program_and_its_folder(line: str, expected: tuple[str, str] | None) -> None:
    found = started_daemon(shell_words(line))
    assert (found if found is None else (" ".join(word.text for word in found[0]), found[1])) == expected


def test_a_value_after_an_equals_sign_keeps_its_place() -> None:
    line = "start-stop-daemon --start --exec=/opt/a"
    found = started_daemon(shell_words(line, "/etc/init.d/a", 4, 0))
    assert found is not None
    word = found[0][0].to_argument()
    assert (word.text, word.file, word.line, line[word.start : word.end]) == ("/opt/a", "/etc/init.d/a", 4, "/opt/a")
