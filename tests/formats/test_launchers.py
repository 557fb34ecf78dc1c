"""Whether a container's command starts an init: asked by the program that reads containers and by the one that chooses."""

from __future__ import annotations

import json

import pytest

from fixer.formats.launchers import launch_user, starts_init
from fixer.hosts.docker_engine import docker_cli
from fixer.model.query import Answer
from fixer.observe.view.docker_inspect import parse_inspect

MACHINES = [
    "/lib/systemd/systemd", "/sbin/init", "/init", "/usr/bin/python3 /usr/bin/supervisord -n", "supervisord -c /etc/s.conf",
    "/bin/s6-svscan /run/s6", "tini -- supervisord", "/usr/bin/dumb-init -v /sbin/init", "tini -- /sbin/init",
    "python3 supervisord -n", "procd", "my_init", "/sbin/my_init", "tini-static -g -- runit", "tini -p SIGTERM -- supervisord",
    "python3 -u supervisord", "gosu root supervisord", "env A=1 /sbin/init",
]
OTHERS = [
    "nginx -g", "/docker-entrypoint.sh nginx", "tini -- uvicorn a:b", "tini", "python3 -m uvicorn init:app", "dumb-init gunicorn",
    "sh", "sleep 1", "chroot /sbin/init uvicorn", "",
]
SHELL_TEXTS = [("exec /sbin/init", True), ("mkdir -p /run/x && exec /sbin/init", True), ("uvicorn main:app", False), ("", False)]
COMMANDS = [*((tuple(text.split(" ")), True) for text in MACHINES), *((tuple(text.split(" ")), False) for text in OTHERS),
            *((("/bin/sh", "-c", text), expected) for text, expected in SHELL_TEXTS)]


@pytest.mark.parametrize(("argv", "expected"), COMMANDS)
def test_a_machine_is_one_for_whoever_asks(argv: tuple[str, ...], expected: bool) -> None:
    item = {"Id": "x", "Name": "/c", "Path": argv[0], "Args": list(argv[1:])}
    (container,) = parse_inspect(Answer("ok", json.dumps(item).encode()))
    assert (starts_init(argv), docker_cli.is_machine(item), container.is_machine) == (expected,) * 3


@pytest.mark.parametrize(("argv", "user"), [
    ("nohup runuser -u shop -- /opt/start.sh", "shop"), ("setsid sudo -n -u shop uvicorn a:b", "shop"),
    ("sudo --user=shop uvicorn a:b", "shop"), ("gosu shop:web uvicorn a:b", "shop:web"), ("exec setuidgid shop ./run", "shop"),
    ("chpst -u shop:web -e env uvicorn a:b", "shop:web"), ("setpriv --reuid shop --regid web uvicorn a:b", "shop"),
    ("sudo -u shop runuser -u web -- uvicorn a:b", "web"), ("nohup uvicorn a:b -u x", ""), ("uvicorn a:b", ""), ("", ""), ("sudo", ""),
])
def test_the_account_that_a_launcher_changes_to(argv: str, user: str) -> None:
    assert launch_user(argv.split()) == user
