"""Tests of fixer/observe/systemd/template_instances.py."""

from __future__ import annotations

from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.query import Answer, Command, FileAnswer, ReadFile, ReadGlob
from fixer.observe.build_snapshot import build_snapshot
from tests.causes.snapshot_builders import finding_of
from tests.observe.capture_builders import capture, file, node, process, sockets, tcp_row
from tests.observe.next_queries_builders import LISTENS, SITE, SOCKET_SITE, asked
from tests.observe.nginx.endpoints_builders import SHOW


def _template(text: str, path: str = "/etc/systemd/system/api@.service") -> FileAnswer:
    return file(path, f"[Service]\n{text}\n")


@pytest.mark.parametrize(("text", "instance"), [
    ("ExecStart=/usr/bin/uvicorn a:b --port %i", "api@8000.service"),
    ("ExecStart=/usr/bin/uvicorn a:b --port=80%i", "api@00.service"),
    ("Environment=PORT=%I\nExecStart=/srv/run", "api@8000.service"),
    ("ExecStart=/usr/bin/gunicorn -b 127.0.0.1:%i a:b", "api@8000.service"),
    ("ExecStart=/usr/bin/uvicorn a:b --port 9%i", None),
    ("ExecStart=/usr/bin/uvicorn a:b --root-path /%i --port 8000", None),
])
def test_a_stopped_instance_of_a_template_is_asked_for_where_its_port_is_empty(text: str, instance: str | None) -> None:
    shown = [q for q in asked(node(site=SITE, units=[_template(text)]))
             if isinstance(q, Command) and q.name == "systemctl-show" and "api@" in str(q.args)]
    assert shown == ([Command("systemctl-show", (instance,))] if instance else [])
    assert not [q for q in asked(node(site=SITE, units=[_template(text)], listening=LISTENS)) if "api@" in str(q)]


def test_a_unit_that_names_the_port_is_meant_and_no_instance_that_perhaps_never_was() -> None:
    """A safe repair started the instance in the place of the service that had failed."""
    own = file("/etc/systemd/system/auth.service", "[Service]\nExecStart=/usr/bin/uvicorn auth:app --port 8000\n")
    show = SHOW.format("auth.service", "failed", 0)
    seen = node(site=SITE, units=[_template("ExecStart=/usr/bin/uvicorn a:b --port %i"), own], show=show)
    assert not [q for q in asked(seen) if isinstance(q, Command) and q.name == "systemctl-show" and "api@" in str(q.args)]


@pytest.mark.parametrize(("text", "held", "instance"), [
    ("ExecStart=/usr/bin/python3 server.py %i", (8001, "8001"), "api@8000.service"),
    ("ExecStart=/usr/bin/python3 server.py \"80%i\" --quiet", (8001, "01"), "api@00.service"),
    ("ExecStart=/usr/bin/python3 worker.py %i", (8001, "2"), None),        # its number is no port
    ("ExecStart=/usr/bin/python3 worker.py %i", (0, "8001"), None),         # it listens nowhere
    ("ExecStart=/usr/bin/python3 server.py --name=%i", (8001, "8001"), None),
])
def test_a_stopped_instance_whose_bare_word_is_the_port_of_others(text: str, held: tuple[int, str], instance: str | None) -> None:
    port, name = held
    sibling = process(70, ["python3", "server.py"], cgroup=f"/system.slice/system-api.slice/api@{name}.service")
    listening = sockets([tcp_row("127.0.0.1", port, 5)], {5: [70]}) if port else sockets([], {})
    seen = node(site=SITE, units=[_template(text)], listening=listening, running=[sibling])
    shown = [q.args for q in asked(seen) if isinstance(q, Command) and q.name == "systemctl-show" and "api@" in str(q.args)]
    assert [names for names in shown if f"api@{name}.service" not in names] == ([(instance,)] if instance else [])


HEARD = sockets([], {}, unix="00: 00000002 00000000 00010000 0001 01 31 /run/shop/blue.sock\n")


@pytest.mark.parametrize(("text", "instance"), [
    ("ExecStart=/usr/bin/uvicorn a:b --uds /run/shop/%i.sock", "api@blue.service"),
    ("ExecStart=/usr/bin/gunicorn --bind=unix:%t/shop/%i.sock a:b", "api@blue.service"),
    ("Environment=\"SOCKET=/run/shop/%I.sock\"\nExecStart=/srv/run", "api@blue.service"),
    ("ExecStart=/usr/bin/uvicorn a:b --uds /run/%i/blue.sock --root-path /%i", "api@shop.service"),
    ("ExecStart=/usr/bin/uvicorn a:b --uds /run/%i/%i.sock", None),
    ("ExecStart=/usr/bin/uvicorn a:b --uds /run/shop/%n-%i.sock", None),
    ("ExecStart=/usr/bin/uvicorn a:b --uds /run/other/%i.sock", None),
])
def test_a_stopped_instance_of_a_template_is_asked_for_by_its_socket(text: str, instance: str | None) -> None:
    shown = [q for q in asked(node(site=SOCKET_SITE, units=[_template(text)]))
             if isinstance(q, Command) and q.name == "systemctl-show" and "api@" in str(q.args)]
    assert shown == ([Command("systemctl-show", (instance,))] if instance else [])
    assert not [q for q in asked(node(site=SOCKET_SITE, units=[_template(text)], listening=HEARD)) if "api@" in str(q)]


@pytest.mark.parametrize(("text", "instance"), [
    ("--uds /run/shop/%I.sock", r"api@back\x2doffice.service"), ("--uds /run/shop/%i.sock", "api@back-office.service"),
])
def test_an_instance_is_named_by_its_escaped_text(text: str, instance: str) -> None:
    """Another instance than the one that was meant was enabled and started: `%I` of back-office is back/office."""
    site = SOCKET_SITE.replace("blue.sock", "back-office.sock")
    shown = [q for q in asked(node(site=site, units=[_template(f"ExecStart=/usr/bin/uvicorn a:b {text}")]))
             if isinstance(q, Command) and "api@" in str(q.args)]
    assert shown == [Command("systemctl-show", (instance,))]


def test_the_instance_whose_file_of_variables_names_the_empty_port() -> None:
    unit = _template("EnvironmentFile=/etc/api/%i.env\nExecStart=/usr/bin/uvicorn a:b --port ${PORT}")
    listing = ReadGlob(("/etc/api/*.env",), 512, 60)
    assert listing in asked(node(site=SITE, units=[unit]))
    files = (file("/etc/api/blue.env", "# PORT=8000\nPORT=8001\n"), file("/etc/api/green.env", "PORT=8000\n"))
    answers = {listing: Answer("ok", files=files)}
    assert Command("systemctl-show", ("api@green.service",)) in asked(node(answers, site=SITE, units=[unit]))
    show = SHOW.format("api@green.service", "inactive", 0).replace("system/api@green", "system/api@")
    named = {**answers, Command("systemctl-show", ("api@green.service",)): Answer("ok", show.encode()),
             ReadFile("/etc/api/green.env", 64 << 10): Answer("ok", files=files[1:])}
    assert build_snapshot(capture(node(named, site=SITE, units=[unit]))).endpoints[0].configured_service == "local/api@green.service"


SETTINGS = ReadGlob(("/etc/shop/instances/*.yaml",), 16 << 10, 60)


@pytest.mark.parametrize("command", ["/srv/shop/run --config=/etc/shop/instances/%i.yaml", '/usr/bin/python3 -m shop -c "/etc/shop/instances/%i.yaml"'])
def test_the_instance_whose_settings_file_names_the_empty_port(command: str) -> None:
    """It is stopped and disabled: systemd has unloaded it, and the unit's command holds no port."""
    unit = _template(f"WorkingDirectory=/srv\nExecStart={command}")
    assert SETTINGS in asked(node(site=SITE, units=[unit]))
    assert SETTINGS not in asked(node(site=SITE, units=[unit], listening=LISTENS))
    files = (file("/etc/shop/instances/red.yaml", "redis:\n  port: 8000\nweb:\n  port: 8001\n"),
             file("/etc/shop/instances/green.yaml", "web:\n  listeners:\n    - port: 8000\n"))
    answers = {SETTINGS: Answer("ok", files=files)}
    assert Command("systemctl-show", ("api@green.service",)) in asked(node(answers, site=SITE, units=[unit]))
    show = SHOW.format("api@green.service", "inactive", 0).replace("system/api@green", "system/api@").replace("Type=", "UnitFileState=disabled\nType=")
    named = {**answers, Command("systemctl-show", ("api@green.service",)): Answer("ok", show.encode()),
             ReadFile("/etc/shop/instances/green.yaml", 64 << 10): Answer("ok", files=files[1:])}
    seen = build_snapshot(capture(node(named, site=SITE, units=[unit])))
    found = finding_of(diagnose(seen), "backend-down")
    assert found.service == "api@green.service" and found.variant == "unit-disabled-after-reboot"
    assert any(e.where == "/etc/shop/instances/green.yaml:3" for e in found.evidence) and found.repairs[0].risk == "safe"


def test_a_glob_is_read_of_one_instance_in_one_absolute_path() -> None:
    unit = _template("ExecStart=/srv/run -c %i.yaml -d /etc/%i/%i.yaml -e /etc/*/%i.yaml -f /etc/%i.log")
    assert not [q for q in asked(node(site=SITE, units=[unit])) if isinstance(q, ReadGlob) and "%" not in str(q) and ".yaml" in str(q)]
    here = _template("WorkingDirectory=/srv/shop\nExecStart=/srv/run -c conf/%i.yaml")
    assert ReadGlob(("/srv/shop/conf/*.yaml",), 16 << 10, 60) in asked(node(site=SITE, units=[here]))


WROTE = '{{"MESSAGE":"Stopped.","UNIT":"{}","_PID":"{}","SYSLOG_IDENTIFIER":"systemd"}}\n'
FIXED = "ExecStart=/usr/bin/uvicorn a:b --port 8000"


@pytest.mark.parametrize(("text", "wrote", "instances"), [
    (FIXED, WROTE.format("api@main.service", 1), ("api@main.service",)),
    (FIXED, WROTE.format("api@main.service", 812), None),       # a program says so
    (FIXED, WROTE.format("api@.service", 1) + WROTE.format("other@x.service", 1) + "no json\n", None),
    (FIXED, "", None),
    ("Environment=PORT=8000\nExecStart=/srv/run", WROTE.format("api@a.service", 1) + WROTE.format("api@b.service", 1),
     ("api@a.service", "api@b.service")),
])
def test_the_journal_names_an_instance_of_a_template_whose_address_is_the_same_for_each(
        text: str, wrote: str, instances: tuple[str, ...] | None) -> None:
    """It was disabled and stopped: systemd has unloaded it, and no file names it."""
    query = Command("journal", ("api@*.service", "20"))
    seen = node({query: Answer("ok", wrote.encode())}, site=SITE, units=[_template(text)])
    shown = [q.args for q in asked(seen) if isinstance(q, Command) and q.name == "systemctl-show" and "api@" in str(q.args)]
    assert shown == ([instances] if instances else [])
    assert query in asked(node(site=SITE, units=[_template(text)]))


@pytest.mark.parametrize(("folder", "is_served", "is_asked"), [
    ("/etc", False, True),      # nginx's address may be the wrong one
    ("/etc", True, False), ("/usr/lib", False, False),
])
def test_an_instance_at_another_port_is_asked_for_where_no_application_is_known(
        folder: str, is_served: bool, is_asked: bool) -> None:
    elsewhere = _template("ExecStart=/usr/bin/uvicorn a:b --port 5000", f"{folder}/systemd/system/api@.service")
    query = Command("journal", ("api@*.service", "20"))
    served: Any = {"units": [elsewhere]} if not is_served else {
        "units": [elsewhere], "listening": sockets([tcp_row("127.0.0.1", 9000, 5)], {5: [70]}),
        "running": [process(70, ["/usr/bin/uvicorn", "a:b", "--port", "9000"], cgroup="/system.slice/web.service")]}
    wrote = Answer("ok", WROTE.format("api@main.service", 1).encode())
    assert (query in asked(node(site=SITE, **served))) is is_asked
    shown = [q.args for q in asked(node({query: wrote}, site=SITE, **served)) if isinstance(q, Command) and q.name == "systemctl-show" and "api@" in str(q.args)]
    assert shown == ([("api@main.service",)] if is_asked else [])
