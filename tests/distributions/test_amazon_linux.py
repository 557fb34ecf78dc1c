"""Constructed captures of Elastic Beanstalk on Amazon Linux 2023: nginx asks port 8000 of the Procfile's web.service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.distributions.amazon_linux import APPLICATION_FILE, SERVER, VENV, WEBAPP, elastic_beanstalk, web_unit
from tests.distributions.constructed_machine import (
    Listening,
    Machine,
    Program,
    assert_healthy,
    connect_line,
    edited_files,
    first_of,
    journal,
    repair_text,
)

REFUSED = connect_line("http://127.0.0.1:8000/", "111: Connection refused")
LIBRARY = f"{VENV}/lib/python3.11/site-packages"
BOOT_FAILED = (
    "[2027-01-15 07:59:58 +0000] [90] [INFO] Starting gunicorn 23.0.0",
    "[2027-01-15 07:59:58 +0000] [90] [INFO] Listening at: http://127.0.0.1:8000 (90)",
    "[2027-01-15 07:59:58 +0000] [91] [INFO] Booting worker with pid: 91",
    "[2027-01-15 07:59:58 +0000] [91] [ERROR] Exception in worker process",
    "Traceback (most recent call last):",
    f'  File "{LIBRARY}/gunicorn/arbiter.py", line 608, in spawn_worker',
    "    worker.init_process()",
    f'  File "{LIBRARY}/gunicorn/util.py", line 370, in import_app',
    "    mod = importlib.import_module(module)",
    "{error}",
    "[2027-01-15 07:59:58 +0000] [91] [INFO] Worker exiting (pid: 91)",
    "[2027-01-15 07:59:58 +0000] [90] [ERROR] Worker (pid:91) exited with code 3.",
    "[2027-01-15 07:59:58 +0000] [90] [ERROR] Shutting down: Master",
    "[2027-01-15 07:59:58 +0000] [90] [ERROR] Reason: Worker failed to boot.",
)


def crashing(lines: Sequence[str], status: int) -> Machine:
    """The instance whose web.service ends at once, again and again: systemd restarts it always."""
    ended = {"ActiveState": "activating", "SubState": "auto-restart", "Result": "exit-code", "ExecMainCode": "1",
             "ExecMainStatus": str(status), "NRestarts": "412",
             **dict.fromkeys(("InactiveEnterTimestampMonotonic", "StateChangeTimestampMonotonic"), "999900000")}
    log = journal(("systemd", "Started web.service - This is web daemon."), *(("web", line) for line in lines),
                  ("systemd", f"web.service: Main process exited, code=exited, status={status}/n/a"),
                  ("systemd", "web.service: Failed with result 'exit-code'."),
                  ("systemd", "web.service: Scheduled restart job, restart counter is at 412."), ago=2.0)
    machine = elastic_beanstalk().without(90, 91).with_unit("web.service", {**web_unit(pid=0), **ended})
    return replace(machine, journals={"web.service": log}).failing(REFUSED)


def test_healthy_is_healthy() -> None:
    assert_healthy(elastic_beanstalk())


@pytest.mark.parametrize("port", [5000, 8080])
def test_the_application_listens_on_another_port(port: int) -> None:
    """A Procfile as on other platforms: 5000 is the port of older ones, 8080 that of a container."""
    machine = elastic_beanstalk(SERVER.replace("127.0.0.1:8000", f"0.0.0.0:{port}"), port=port)
    machine = replace(machine, listening=(machine.listening[0], Listening((90, 91), "0.0.0.0", port)))
    found = first_of(machine.failing(REFUSED).diagnosed())
    assert (found.cause, found.variant, found.service) == ("wrong-port", "wrong-port", "web.service")
    assert f"web.service listens on 127.0.0.1:{port}" in found.summary
    # the next deployment writes nginx's file again, so the edit is not safe
    assert edited_files(found) == [APPLICATION_FILE] and found.repairs[0].risk == "disruptive"
    assert "Elastic Beanstalk manages" in repair_text(found)


def test_a_server_without_options_listens_on_its_own_default_port() -> None:
    """`python application.py` of a Flask tutorial listens on 5000 whatever PORT says."""
    machine = elastic_beanstalk("python application.py", port=5000)
    server = Program(90, (f"{VENV}/bin/python3.11", "application.py"), "python", "/usr/bin/python3.11", 1, WEBAPP,
                     "/system.slice/web.service", "/var/app/current")
    machine = replace(machine, programs=(*(one for one in machine.programs if one.pid < 90), server),
                      listening=(machine.listening[0], Listening((90,), "127.0.0.1", 5000)))
    found = first_of(machine.failing(REFUSED).diagnosed())
    assert (found.cause, found.variant, found.service) == ("wrong-port", "wrong-port", "web.service"), found.summary


def test_web_service_cannot_import_the_application() -> None:
    """The Procfile's `application` is a file of AWS's examples; this bundle has none."""
    machine = crashing([line.format(error="ModuleNotFoundError: No module named 'application'") for line in BOOT_FAILED], 3)
    found = first_of(machine.with_files({"/var/app/current/application.py": None}).diagnosed())
    assert (found.cause, found.variant, found.service) == ("crash-code-error", "gunicorn-worker-boot-failed", "web.service")
    assert "application" in found.summary


def test_web_service_misses_a_package() -> None:
    machine = crashing([line.format(error="ModuleNotFoundError: No module named 'flask'") for line in BOOT_FAILED], 3)
    found = first_of(machine.diagnosed())
    assert (found.cause, found.service) == ("crash-code-error", "web.service") and "flask" in found.summary
    assert VENV in repair_text(found), repair_text(found)


def test_gunicorn_is_not_in_the_virtual_environment() -> None:
    """requirements.txt does not name it: the unit's shell finds no such command."""
    machine = crashing(["/bin/sh: line 1: gunicorn: command not found"], 127)
    found = first_of(machine.with_files({f"{VENV}/bin/gunicorn": None}).diagnosed())
    assert (found.cause, found.variant) == ("unit-misconfigured", "start-203-exec-missing")
    assert "gunicorn" in found.summary and "web.service" in found.summary


def test_a_stopped_nginx() -> None:
    """Beanstalk disables nginx.service and starts it itself: its unit names no target."""
    stopped = {"ActiveState": "inactive", "SubState": "dead", "MainPID": "0", "ControlGroup": "",
               "ActiveEnterTimestampMonotonic": "0"}
    found = first_of(elastic_beanstalk().without(40, 41).with_unit("nginx.service", stopped).diagnosed())
    assert (found.cause, found.variant) == ("nginx-down", "nginx-stopped")
    assert "start nginx.service" in repair_text(found)
