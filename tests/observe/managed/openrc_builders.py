"""A machine with OpenRC as its files and processes show it: recorded from OpenRC 0.56 of Debian 13."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fixer.model.query import Answer, FileAnswer, ListProcesses, Query
from fixer.model.service import Service
from fixer.observe.files.log_files import log_file_query
from fixer.observe.managed import managed_queries, managed_services
from fixer.observe.view.node_view import View, view_of
from tests.observe.capture_builders import NOW, file, node, process, processes, stat

SHOP = """#!/sbin/openrc-run
description="the shop"
supervisor=supervise-daemon
command="/usr/bin/uvicorn"
command_args="app:app --host 127.0.0.1 --port ${SHOP_PORT:-8000}"
command_user="www-data:www-data"
directory="/srv/shop"
output_log="/var/log/shop.log"
error_log="/var/log/shop.log"

depend() {
	use net
	after firewall
}
"""
BACK = """#!/sbin/openrc-run
command=/usr/bin/gunicorn
command_args="app:app -b 127.0.0.1:8001"
command_background=yes
pidfile=/run/back.pid
directory=/srv/shop
"""
NGINX = """#!/bin/sh
### BEGIN INIT INFO
# Provides:	  nginx
### END INIT INFO
DAEMON=/usr/sbin/nginx
PID=/run/nginx.pid
start-stop-daemon --start --quiet --pidfile $PID --exec $DAEMON -- $DAEMON_OPTS
"""
SUPERVISOR = process(141, ["supervise-daemon", "shop", "--start", "/usr/bin/uvicorn", "--", "app:app"])
CHILD = process(142, ["/usr/bin/python3", "/usr/bin/uvicorn", "app:app", "--host", "127.0.0.1", "--port", "8000"],
                ppid=141, uid=33)
GUNICORN = process(166, ["/usr/bin/python3", "/usr/bin/gunicorn", "app:app", "-b", "127.0.0.1:8001"])
LOG = "/var/log/shop.log"


def mark(state: str, name: str, at: float = NOW - 60) -> FileAnswer:
    """OpenRC's mark for the state of a service: a link to its script."""
    return FileAnswer(f"/run/openrc/{state}/{name}", "ok", stat("link", mtime=at, link=f"/etc/init.d/{name}"))


def runlevel(name: str) -> FileAnswer:
    """The link that starts a service at boot."""
    return FileAnswer(f"/etc/runlevels/default/{name}", "ok", stat("link", link=f"/etc/init.d/{name}"))


def machine(marks: Sequence[FileAnswer], *running: list[FileAnswer], scripts: Mapping[str, str] | None = None,
            values: Mapping[str, str] | None = None, more: Sequence[FileAnswer] = (), log: str | None = None,
            init: str = "openrc-init") -> View:
    """The view of a machine that has answered what OpenRC's topic asks first."""
    first = process(1, ["/sbin/openrc-init"], comm=init)
    made = node({ListProcesses(): processes(first, *running)}, nginx=False)
    state, *asked = managed_queries(view_of(replace(made, answers={**made.answers, **_answered(view_of(made), marks)})))
    texts = {"shop": SHOP, "back": BACK} if scripts is None else scripts
    answers: dict[Query, Answer] = {state: Answer("ok", files=tuple(marks))}
    for query, found in zip(asked, (
            [file(f"/run/openrc/options/{name}", text) for name, text in (values or {}).items()],
            [*(file(f"/etc/init.d/{name}", text) for name, text in texts.items()), *more]), strict=False):
        answers[query] = Answer("ok", files=tuple(found))
    if log is not None:
        answers[log_file_query(LOG)] = Answer("ok", files=(file(LOG, log, mtime=NOW - 5),))
    return view_of(replace(made, answers={**made.answers, **answers}))


def _answered(view: View, marks: Sequence[FileAnswer]) -> dict[Query, Answer]:
    (state,) = managed_queries(replace(view, init="openrc-init"))
    return {state: Answer("ok", files=tuple(marks))}


def service_of(view: View, name: str = "shop") -> Service:
    """The service of that name."""
    return next(service for service in managed_services(view) if service.name == name)
