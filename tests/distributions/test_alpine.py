"""Constructed captures of Alpine 3.22: OpenRC, http.d, apk's default site, busybox's tools."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.managers.openrc_steps import OpenRCSteps
from fixer.model.diagnosis import Finding
from fixer.model.plan import ServiceAction
from fixer.model.query import Answer, Command
from tests.distributions.alpine import DEFAULT_SITE, SHOP_LOG, SITE, SITE_FILE, alpine, marks, on_port, stopped
from tests.distributions.constructed_disk import text
from tests.distributions.constructed_machine import (
    Machine,
    assert_healthy,
    connect_line,
    edited_files,
    first_of,
    repair_text,
)

SHOP = "shop.example"
REFUSED = connect_line("http://127.0.0.1:8000/", "111: Connection refused", server=SHOP)
SERVER = (89, 90, 91)     # the supervisor, gunicorn's arbiter, its worker
CONFIG = "/etc/nginx/nginx.conf"


def refused(machine: Machine) -> Machine:
    return machine.failing(REFUSED, pages={"": 404, SHOP: 502})


def actions_of(finding: Finding) -> list[list[str]]:
    """The commands that the first repair runs on OpenRC's services."""
    steps = finding.repairs[0].steps
    return [OpenRCSteps.command(step.verb, step.service) for step in steps if isinstance(step, ServiceAction)]


def test_healthy_is_healthy() -> None:
    assert_healthy(alpine())


def test_a_stopped_service() -> None:
    found = first_of(refused(stopped(alpine(), "shop", *SERVER)).diagnosed())
    assert (found.cause, found.variant, found.service) == ("backend-down", "backend-not-running", "shop")
    assert actions_of(found) == [["rc-service", "--", "shop", "start"]]


def test_a_service_in_no_runlevel() -> None:
    machine = stopped(alpine(), "shop", *SERVER).with_files({"/etc/runlevels/default/shop": None})
    found = first_of(refused(machine).diagnosed())
    assert (found.cause, found.variant) == ("backend-down", "unit-disabled-after-reboot")
    assert edited_files(found) == ["/etc/runlevels/default/shop"]
    assert actions_of(found) == [["rc-service", "--", "shop", "start"]]


def test_a_stopped_nginx() -> None:
    found = first_of(stopped(alpine(), "nginx", 40, 41).diagnosed())
    assert (found.cause, found.variant) == ("nginx-down", "nginx-stopped")
    assert actions_of(found) == [["rc-service", "--", "nginx", "start"]] and "systemctl" not in repair_text(found)


def test_a_service_that_failed_at_its_start() -> None:
    log = ('Traceback (most recent call last):\n  File "/srv/shop/shop/wsgi.py", line 1, in <module>\n    import requests\n'
           "ModuleNotFoundError: No module named 'requests'\n")
    machine = stopped(alpine(), "shop", *SERVER).with_files({
        **marks("shop", state="failed"), SHOP_LOG: text(log, age=20.0), "/srv/shop/shop/wsgi.py": text("import requests\n")})
    found = first_of(refused(machine).diagnosed())
    assert (found.cause, found.variant, found.service) == ("crash-code-error", "start-import-error", "shop")
    assert "requests" in found.summary and "/srv/shop/venv/bin/python3 -m pip install" in repair_text(found)


def test_a_service_whose_program_is_missing() -> None:
    """An upgrade of Python took the virtual environment away: OpenRC tells it to whoever starts it, and logs nothing."""
    machine = stopped(alpine(), "shop", *SERVER).with_files({**marks("shop", state="failed"), "/srv/shop/venv/bin/gunicorn": None})
    found = first_of(refused(machine).diagnosed())
    assert (found.cause, found.variant, found.service) == ("unit-misconfigured", "start-203-exec-missing", "shop")
    assert "/etc/init.d/shop:5 names /srv/shop/venv/bin/gunicorn" in repair_text(found)


def test_a_service_without_a_variable() -> None:
    """Its supervisor starts it again and again. There is no /etc/conf.d/shop yet."""
    log = ('Traceback (most recent call last):\n  File "/srv/shop/shop/wsgi.py", line 1, in <module>\n'
           "    KEY = os.environ['SHOP_KEY']\nKeyError: 'SHOP_KEY'\n")
    machine = alpine().without(90, 91).with_files({
        "/run/openrc/options/shop/child_pid": None, "/run/openrc/options/shop/start_count": text("7\n"),
        SHOP_LOG: text(log, age=2.0), "/srv/shop/shop/wsgi.py": text("KEY = os.environ['SHOP_KEY']\n")})
    found = first_of(refused(machine).diagnosed())
    assert (found.cause, found.variant, found.service) == ("crash-missing-env", "start-env-var-missing", "shop")
    assert "/etc/conf.d/shop" in repair_text(found) and "rc-service shop restart" in repair_text(found)


def test_another_port() -> None:
    """A bundle of such a host says the same: how OpenRC runs the server is shown in it."""
    found = first_of(refused(on_port(alpine(), 8001)).diagnosed())
    assert (found.cause, found.variant, edited_files(found)) == ("wrong-port", "wrong-port", [SITE_FILE])
    assert "shop listens on 127.0.0.1:8001" in found.summary


def test_a_site_in_the_folder_for_the_root_context() -> None:
    """/etc/nginx/conf.d is read outside of http since 3.15: a site that was put there stops nginx."""
    misplaced = "/etc/nginx/conf.d/shop.conf"
    said = (f'nginx: [emerg] "server" directive is not allowed here in {misplaced}:1\n'
            f"nginx: configuration file {CONFIG} test failed\n")
    machine = stopped(alpine(), "nginx", 40, 41).with_files({SITE_FILE: None, misplaced: text(SITE)})
    tests = {Command("nginx-test", ("/usr/sbin/nginx", conf, "")): Answer("ok", returncode=1, stderr=said.encode())
             for conf in ("", CONFIG)}
    found = first_of(replace(machine, commands={**machine.commands, **tests}).diagnosed())
    assert found.cause == "nginx-config-invalid" and f"{misplaced}:1" in found.summary


def test_a_site_that_http_d_does_not_match_is_told() -> None:
    """apk's default site answers 404 to all; no route is left to judge, and the note names the file."""
    machine = alpine().with_files({SITE_FILE: None, "/etc/nginx/http.d/shop": text(SITE)})
    diagnosis = replace(machine, pages={"": 404}).diagnosed()
    assert diagnosis.verdict == "unknown"
    assert any("does not load /etc/nginx/http.d/shop:6" in note for note in diagnosis.notes), diagnosis.notes


@pytest.mark.parametrize("name", ["server_name _;", ""])
def test_the_default_site_takes_every_name(name: str) -> None:
    """A site without a name is never chosen beside apk's default_server: all visitors get its 404."""
    assert "default_server" in DEFAULT_SITE
    machine = replace(alpine(SITE.replace(f"server_name {SHOP};", name)), pages={"": 404})
    diagnosis = machine.diagnosed()
    (found,) = diagnosis.findings
    assert (diagnosis.verdict, found.cause, found.role) == ("unknown", "wrong-server-block", "advice")
    assert "/etc/nginx/http.d/default.conf:3 is the default server" in found.summary and SITE_FILE in found.summary
