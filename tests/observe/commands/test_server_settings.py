"""Tests of fixer/observe/commands/server_settings.py."""

from __future__ import annotations

import pytest

from fixer.model.facts import Known
from tests.observe.services_builders import back


@pytest.mark.parametrize(("said", "told"), [
    ("bind = address\n", []), ("bind = f\"127.0.0.1:{os.environ['PORT']}\"\n", []),
    ("bind = os.environ.get('BIND', '127.0.0.1:81')\n", []), ("bind = [\n    '127.0.0.1:81',   # here\n    \":82\",\n]\n", [81, 82]),
    ("bind = ':81'\nbind = ':82'  # since May\n", [82]), ("# bind = ':81'\nbinding = ':82'\n", [8000]),
])
def test_where_the_settings_of_gunicorn_bind(said: str, told: list[int]) -> None:
    """What is told in more than plain words is not known: the server's default it is not."""
    found = back("ExecStart=gunicorn a", files={"/gunicorn.conf.py": said}).bindings
    assert isinstance(found, Known) and [b.port for b in found.value] == told


@pytest.mark.parametrize(("command", "said", "told"), [
    ("--ini /etc/a.ini", "[uwsgi]\nmodule = a\nsocket = 127.0.0.1:81\n", [(81, None)]),
    ("--ini=/etc/a.ini", "[uwsgi]\n# socket = :80\nsocket = /run/a.sock\nhttp-socket = :82\n", [(0, "/run/a.sock"), (82, None)]),
    ("/etc/a.ini", "[other]\nsocket = :80\n[uwsgi]\nsocket=:81\n", [(81, None)]),
    ("--ini /etc/a.ini", "[uwsgi]\nsocket = /run/%n.sock\n", [(0, "/run/a.sock")]),
    ("--ini /etc/a.ini", "[uwsgi]\nsocket = /run/%(base).sock\n", []), ("--ini /etc/a.ini", "[uwsgi]\nmodule = a\n", []),
    ("--socket :83 --ini /etc/a.ini", "[uwsgi]\nsocket = :81\n", [(83, None)]),
    ("--ini /etc/a.ini", "[uwsgi]\nsocket = a.sock\n", [(0, "/srv/a/a.sock")]),
    ("--ini /etc/a.ini", "[uwsgi]\nchdir = /opt/a\nsocket = a.sock\n", [(0, "/opt/a/a.sock")]),
    ("--ini /etc/a.ini", "[uwsgi]\nchdir = %d\nsocket = a.sock\n", []),
])
def test_where_the_ini_file_of_uwsgi_puts_its_sockets(command: str, said: str, told: list[tuple[int, str | None]]) -> None:
    found = back(f"WorkingDirectory=/srv/a\nExecStart=uwsgi {command}", files={"/etc/a.ini": said}).bindings
    assert [(b.port, b.unix) for b in found.value] == told if isinstance(found, Known) else not told


@pytest.mark.parametrize(("said", "spoken"), [
    ("socket = :81\n", ["uwsgi"]), ("socket = :81\nprotocol = http\n", ["http"]), ("http-socket = :81\n", ["http"]),
    ("protocol = fastcgi\nsocket = :81\nhttp-socket = :82\n", ["fastcgi", "http"]), ("scgi-socket = :81\n", ["scgi"]),
    ("socket = :81\nprotocol = raw\n", [""]), ("fastcgi-socket = :81\nprotocol = http\n", ["fastcgi"]),
])
def test_which_protocol_the_ini_file_of_uwsgi_names(said: str, spoken: list[str]) -> None:
    found = back("ExecStart=uwsgi --ini /etc/a.ini", files={"/etc/a.ini": f"[uwsgi]\n{said}"}).bindings
    assert isinstance(found, Known) and [b.protocol for b in found.value] == spoken


VASSAL = "[uwsgi]\nsocket = /run/uwsgi/%n.sock\n"


@pytest.mark.parametrize(("command", "files", "told"), [
    ("/usr/bin/uwsgi --emperor /etc/v", {"/etc/v/a.ini": VASSAL, "/etc/v/b.ini": "[uwsgi]\nhttp-socket = :81\n"},
     [(0, "/run/uwsgi/a.sock"), (81, None)]),
    ("/usr/bin/uwsgi --emperor /etc/v/*.ini", {"/etc/v/a.ini": VASSAL, "/etc/v/old/b.ini": VASSAL}, [(0, "/run/uwsgi/a.sock")]),
    ("/usr/bin/uwsgi --ini /etc/e.ini", {"/etc/e.ini": "[uwsgi]\nemperor = /etc/v\n", "/etc/v/a.ini": VASSAL},
     [(0, "/run/uwsgi/a.sock")]),
    ("/etc/init.d/uwsgi start", {"/etc/uwsgi/apps-enabled/a.ini": "[uwsgi]\nsocket = 127.0.0.1:81\n"},
     [(81, None), (0, "/run/uwsgi/app/a/socket")]),
    ("/usr/bin/uwsgi --emperor /etc/v", {"/etc/w/a.ini": VASSAL}, []),
])
def test_where_the_applications_of_an_emperor_listen(
    command: str, files: dict[str, str], told: list[tuple[int, str | None]],
) -> None:
    found = back(f"ExecStart={command}", files=files).bindings
    assert isinstance(found, Known) and [(b.port, b.unix) for b in found.value] == told


@pytest.mark.parametrize(("command", "files", "serves"), [
    ("/usr/bin/uwsgi --emperor /etc/v", {}, False), ("/etc/init.d/uwsgi start", {"/etc/uwsgi/apps-enabled/README": "x"}, False),
    ("/usr/bin/uwsgi --ini /etc/e.ini", {"/etc/e.ini": "[uwsgi]\nemperor = /etc/v\n"}, False),
    ("/usr/bin/uwsgi --emperor /etc/v", {"/etc/v/a.ini": VASSAL}, True), ("/usr/bin/uwsgi --ini /etc/a.ini", {}, True),
])
def test_a_uwsgi_that_keeps_no_application_is_none(command: str, files: dict[str, str], *, serves: bool) -> None:
    """As its package brings it: it was taken for an equal of the application that is missed."""
    assert back(f"ExecStart={command}", files=files).is_app_server is serves


def test_a_file_of_gunicorn_that_is_named_and_not_there_leaves_no_default() -> None:
    """It may have said any port: nginx was said to ask for another than 8000."""
    told = back("ExecStart=/usr/bin/gunicorn -c /etc/gunicorn/shop.py main:app\n").bindings
    assert not isinstance(told, Known) or not told.value
    plain = back("ExecStart=/usr/bin/gunicorn main:app\n").bindings
    assert isinstance(plain, Known) and [b.port for b in plain.value] == [8000]


def test_workers_of_gunicorns_own_file() -> None:
    found = back("WorkingDirectory=/srv\nExecStart=gunicorn a", files={"/srv/gunicorn.conf.py": "workers = 3\n"})
    assert isinstance(found.workers, Known) and found.workers.value == 3
    assert found.workers.evidence[0].where == "/srv/gunicorn.conf.py:1" and found.workers.evidence[0].text == "workers = 3"
    assert isinstance(back("ExecStart=gunicorn -w 2 a", files={"/gunicorn.conf.py": "workers = 3\n"}).workers, Known)
