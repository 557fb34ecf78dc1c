"""OpenRC's services: what its scripts and settings configure, and what its marks and processes say of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.model.deployment import ManagedService
from fixer.model.facts import Known, Unknown
from fixer.model.query import ReadFile, ReadGlob
from fixer.observe.files.log_files import log_file_query
from fixer.observe.managed import managed_log_queries, managed_queries
from tests.observe.capture_builders import NOW, file, process
from tests.observe.managed.openrc_builders import (
    BACK,
    CHILD,
    GUNICORN,
    LOG,
    NGINX,
    SHOP,
    SUPERVISOR,
    machine,
    mark,
    runlevel,
    service_of,
)

STARTED = mark("started", "shop")


def managed(made: object) -> ManagedService:
    assert isinstance(made, ManagedService)
    return made


def test_a_supervised_service_with_its_command_account_folder_and_log() -> None:
    values = {"shop/child_pid": "142", "shop/start_count": "2", "shop/start_time": "2027-01-15 07:59:00"}
    made = service_of(machine([STARTED, runlevel("shop")], SUPERVISOR, CHILD, values=values, log="first\nlast\n"))
    assert (made.manager, made.is_app_server, made.runtime, made.pids) == ("openrc", True, "uvicorn", (142,))
    assert made.start_folder == "/srv/shop" and made.running
    state = managed(made.managed)
    assert (state.state, state.boot, state.user, state.restarts) == ("started", ("default",), "www-data", 2)
    assert state.started_at == NOW - 60 and state.is_supervised
    assert [line.text for line in made.log.or_else(())] == ["first", "last"]


def test_an_address_keeps_its_bytes_in_the_file_that_holds_it() -> None:
    conf = file("/etc/conf.d/shop", "# the shop\nSHOP_PORT=8010\n")
    (binding,) = service_of(machine([STARTED], more=[conf])).bindings.or_else(())
    assert (binding.host, binding.port, binding.file) == ("127.0.0.1", 8010, "/etc/conf.d/shop")
    assert binding.source.where == "/etc/conf.d/shop:2"
    assert conf.data[binding.start : binding.end] == b"8010"
    made = service_of(machine([STARTED], more=[conf]))
    assert [word.text for word in made.command[:5]] == ["/usr/bin/uvicorn", "app:app", "--host", "127.0.0.1", "--port"]
    (binding,) = service_of(machine([STARTED])).bindings.or_else(())
    assert binding.port == 8000
    unread = service_of(machine([STARTED], scripts={"shop": SHOP.replace("${SHOP_PORT:-8000}", "$(cat /etc/port)")}))
    assert isinstance(unread.bindings, Unknown)
    for masked in ("[masked 7]", '"[masked 7]"', '"--port 8000 --key "[masked 7]" app:app"'):
        script = f"#!/sbin/openrc-run\ncommand=/usr/bin/uvicorn\ncommand_args={masked}\n"
        bundled = service_of(machine([STARTED], scripts={"shop": script}))
        assert isinstance(bundled.bindings, Unknown) and bundled.runtime == "uvicorn"


@pytest.mark.parametrize(("marks", "running", "values", "state"), [
    ([], (), {}, "stopped"), ([mark("failed", "shop", NOW - 9)], (), {}, "failed"), ([mark("starting", "shop")], (), {}, "starting"),
    ([STARTED], (SUPERVISOR, CHILD), {"shop/child_pid": "142"}, "started"),
    ([STARTED], (SUPERVISOR,), {"shop/child_pid": "142"}, "restarting"),       # it waits before the next start
    ([STARTED], (), {"shop/child_pid": "142"}, "crashed"),                     # its supervisor was killed
    ([STARTED], (process(142, ["sleep", "9"]),), {"shop/child_pid": "142"}, "crashed"),
])
def test_its_state(marks: list, running: tuple, values: dict[str, str], state: str) -> None:
    found = managed(service_of(machine([*marks, mark("started", "other")], *running, values=values)).managed)
    assert found.state == state and found.ended_at == (NOW - 9 if state == "failed" else 0.0)


@pytest.mark.parametrize(("pid", "running", "pids"), [
    ("166\n", (GUNICORN,), (166,)), ("166\n", (), ()), ("", (GUNICORN,), ()), ("x\n", (GUNICORN,), ()),
    ("166\n", (process(166, ["/usr/bin/python3", "/usr/bin/gunicorn", "other:app"]),), ()),     # an old file
])
def test_a_process_is_its_own_if_its_pid_file_names_it_and_it_runs_its_command(pid: str, running: tuple, pids: tuple) -> None:
    seen = machine([mark("started", "back")], *running, more=[file("/run/back.pid", pid)])
    made = service_of(seen, "back")
    assert made.pids == pids and managed(made.managed).state == ("started" if pids else "crashed")
    assert ReadFile("/run/back.pid", 64) in list(managed_queries(seen))


def test_a_script_of_debian_names_its_program() -> None:
    master = process(67, ["nginx: master process /usr/sbin/nginx"], comm="nginx")
    seen = machine([mark("started", "nginx")], master, scripts={"nginx": NGINX, "procps": "#!/bin/sh\nsysctl -p\n"},
                   more=[file("/run/nginx.pid", "67\n")])
    made = service_of(seen, "nginx")
    assert (made.pids, made.is_app_server) == ((67,), False)
    assert service_of(machine([STARTED], scripts={"nginx": NGINX}), "nginx").argv == ("/usr/sbin/nginx",)


def test_a_variable_is_written_into_its_settings() -> None:
    conf = file("/etc/conf.d/shop", "export MODE=live\nSHOP_PORT=8000")
    made = service_of(machine([STARTED], more=[conf]))
    assert [(place.name, place.defined_in) for place in made.env] == [("MODE", "/etc/conf.d/shop:1")]
    (slot,) = made.env_slots
    assert (slot.file, slot.offset, slot.template) == ("/etc/conf.d/shop", len(conf.data), "\nexport {name}={value}\n")
    assert service_of(machine([STARTED])).env_slots == ()


def test_what_is_asked_in_which_order() -> None:
    (state,) = managed_queries(machine([]))
    assert isinstance(state, ReadGlob) and state.limit == 0 and "/run/openrc/failed/*" in state.patterns
    seen = machine([STARTED])
    asked = list(managed_queries(seen))
    assert asked[0] == state and [type(query) for query in asked[1:3]] == [ReadGlob, ReadGlob]
    assert list(managed_log_queries(service_of(seen), seen)) == [log_file_query(LOG)]
    assert isinstance(service_of(seen).log, Unknown) and isinstance(service_of(machine([STARTED], log="x\n")).log, Known)
    assert list(managed_queries(replace(seen, init="systemd"))) == []


def test_a_start_function_is_followed_too() -> None:
    own = "#!/sbin/openrc-run\nstart() {\n\tstart-stop-daemon --start --exec /usr/bin/uvicorn -- app:app --port 8300\n}\n"
    (binding,) = service_of(machine([STARTED], scripts={"shop": own})).bindings.or_else(())
    assert binding.port == 8300
    later = service_of(machine([STARTED], scripts={"shop": BACK.replace("app:app -b", "--name '$RC_SVCNAME' app:app -b")}))
    assert later.runtime == "gunicorn"
