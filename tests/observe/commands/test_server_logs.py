"""Tests of fixer/observe/commands/server_logs.py: files that a server writes its own log to."""

from __future__ import annotations

import pytest

from fixer.formats.shell_words import shell_words
from fixer.model.facts import Evidence
from fixer.model.query import Answer, ReadGlob
from fixer.observe.commands.resolved_command import ServiceCommand
from fixer.observe.commands.server_logs import server_log_files
from fixer.observe.view.node_view import views_of
from tests.observe.capture_builders import capture, file, node

GUNICORN = "/srv/a/venv/bin/gunicorn -w 2 "
SETTINGS = {"/srv/a/gunicorn.conf.py": 'bind = ":81"\nerrorlog = "-"\nerrorlog = "/var/log/a/error.log"  # since May\n'}


@pytest.mark.parametrize(("command", "files", "told"), [
    (GUNICORN + "--error-logfile /var/log/a.log a:app", {}, ["/var/log/a.log"]),
    (GUNICORN + "--log-file=log/a.log a:app", SETTINGS, ["/srv/a/log/a.log"]),
    (GUNICORN + "--error-logfile - a:app", SETTINGS, []),
    (GUNICORN + "--access-logfile /var/log/a.log a:app", {}, []),
    (GUNICORN + "a:app", SETTINGS, ["/var/log/a/error.log"]),
    (GUNICORN + "-c other.py a:app", {"/srv/a/other.py": "errorlog = '/x.log'\n", **SETTINGS}, ["/x.log"]),
    (GUNICORN + "-c other.py a:app", {"/srv/a/other.py": "errorlog = path.join(here, 'x.log')\n"}, []),
    ("uwsgi --ini /etc/a.ini", {"/etc/a.ini": "[uwsgi]\nlogto = /var/log/uwsgi/%n.log\n"}, ["/var/log/uwsgi/a.log"]),
    ("uwsgi --ini /etc/a.ini --daemonize /var/log/b.log", {"/etc/a.ini": "[uwsgi]\nlogto = /x.log\n"}, ["/var/log/b.log"]),
    ("uwsgi --ini /etc/a.ini", {"/etc/a.ini": "[uwsgi]\nlogger = file:/var/log/a.log\n[other]\nlogto = /x\n"},
     ["/var/log/a.log"]),
    ("uwsgi --ini /etc/a.ini", {"/etc/a.ini": "[uwsgi]\nmodule = a\n"}, []),
    ("uwsgi --emperor /etc/v --logto /var/log/e.log", {"/etc/v/a.ini": "[uwsgi]\nlogto = /a.log\n"},
     ["/var/log/e.log", "/a.log"]),
    ("uwsgi --emperor /etc/v", {"/etc/v/a.ini": "[uwsgi]\ndaemonize = /a.log\n"}, ["/a.log"]),
    ("/etc/init.d/uwsgi start", {"/etc/uwsgi/apps-enabled/a.ini": "[uwsgi]\nmodule = a\n"}, ["/var/log/uwsgi/app/a.log"]),
    ("uwsgi --logger rsyslog:app --http :81", {}, []), ("uwsgi --logger file:/var/log/a.log --http :81", {}, ["/var/log/a.log"]),
    ("uvicorn a:app --log-config /etc/log.ini", {}, []),
])
def test_the_files_that_a_server_logs_to(command: str, files: dict[str, str], told: list[str]) -> None:
    said = Evidence("unit", "a.service", command)
    answer = Answer("ok", files=tuple(file(path, text) for path, text in files.items()))
    (view,) = views_of(capture(node({ReadGlob(tuple(files), 1 << 16, 9): answer}))).values()
    service = ServiceCommand(tuple(shell_words(command, "/a", 1, 0)), {}, said, "unit", "/srv/a")
    assert list(server_log_files(service, view)) == told
    assert not set(server_log_files(service, None)) - set(told)
