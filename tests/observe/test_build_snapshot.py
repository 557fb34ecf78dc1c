"""What real machines and containers answered, from the raw bytes to the typed facts."""

from __future__ import annotations

import pytest

from fixer.model.facts import Known
from fixer.model.query import (
    Command,
    Probe,
    Query,
    ReadFile,
    ReadGlob,
)
from fixer.model.snapshot import Service, Snapshot
from fixer.observe.boot.boot_entries import BOOT_ENTRY_FILES
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.nginx.other_proxies import PACKAGED_UNITS
from fixer.observe.view.observe_options import options_from
from tests.observe.capture_builders import recorded_capture

BOTH = pytest.mark.parametrize("name", ["machine", "compose"])


@pytest.fixture(scope="module")
def machine() -> Snapshot:
    return build_snapshot(recorded_capture("machine"))


@pytest.fixture(scope="module")
def project() -> Snapshot:
    return build_snapshot(recorded_capture("compose"))


def service(seen: Snapshot, name: str) -> Service:
    return next(s for s in seen.services if s.name == name)


def span(seen: Snapshot, path: str, start: int | None, end: int | None) -> bytes:
    return next(f.data for f in seen.files if f.path == path)[start:end]


@BOTH
def test_a_complete_capture_asks_nothing_more(name: str) -> None:
    capture = recorded_capture(name)
    more = [query for asked in follow_up_queries(capture, options_from(capture.options)).values() for query in asked]
    assert all(_is_glance(query) for query in more)


def _is_glance(query: Query) -> bool:
    """The age of code and settings, packaged gateways and units, cron, where `/` redirects to: nobody asked for them when
    these were recorded."""
    if query in (BOOT_ENTRY_FILES, Command("systemctl-units")) or (isinstance(query, Probe) and query.path == "/login"):
        return True
    return query.limit == 0 if isinstance(query, ReadFile | ReadGlob) else query == Command("systemctl-show", PACKAGED_UNITS)




def test_a_unit_with_its_port_in_an_environment_file(machine: Snapshot) -> None:
    back = service(machine, "back.service")
    assert back.unit and back.unit.main_pid in back.pids and back.is_app_server and back.runtime == "uvicorn"
    assert isinstance(back.bindings, Known)
    (binding,) = back.bindings.value
    assert (binding.host, binding.port, binding.source.text) == ("127.0.0.1", 8000, "PORT=8000")
    assert binding.file and span(machine, binding.file, binding.start, binding.end) == b"8000"
    assert isinstance(back.workers, Known) and back.workers.value == 2
    assert back.workers.evidence[0].where == "/etc/systemd/system/back.service.d/workers.conf:2"
    assert back.env_files[0] == "/etc/back/env" and {"SIGNING_KEY", "PORT"} <= {e.name for e in back.env}


def test_no_value_of_a_variable_is_in_a_snapshot(machine: Snapshot, project: Snapshot) -> None:
    for seen in (machine, project):
        shown = repr([(s.env, s.command, s.bindings, s.container) for s in seen.services])
        assert "secretvalue" not in shown and "verysecret" not in shown


def test_a_wrapper_script_behind_a_unit(machine: Snapshot) -> None:
    late = service(machine, "late.service")
    assert late.runtime == "uvicorn" and late.command_style == "shell" and not late.running
    assert isinstance(late.bindings, Known) and late.bindings.value[0].port == 8100     # the unit's PORT, not the default
    assert late.command[0].text == "uvicorn" and late.command[0].file == "/usr/local/bin/late-run"


def test_a_unit_that_crashed_until_systemd_gave_up(machine: Snapshot) -> None:
    broken = service(machine, "broken.service")
    assert broken.unit and (broken.unit.active_state, broken.unit.result) == ("failed", "exit-code")
    assert broken.unit.n_restarts > 5 and not broken.running
    assert isinstance(broken.log, Known)
    texts = [line.text for line in broken.log.value]
    assert "KeyError: 'SIGNING_KEY'" in texts and any("repeated too quickly" in t for t in texts)
    assert all(line.at for line in broken.log.value)
    assert isinstance(broken.bindings, Known) and broken.bindings.value[0].port == 8300     # out of sh -c '…'


def test_a_socket_program_next_door_is_no_application(machine: Snapshot) -> None:
    spool = service(machine, "spool.service")
    assert not spool.is_app_server and spool.runtime == "python" and spool.running


def test_a_backend_started_by_hand(machine: Snapshot) -> None:
    bare = next(s for s in machine.services if s.manager == "none" and s.runtime == "uvicorn")
    assert bare.is_app_server and bare.unit is None and bare.running
    assert isinstance(bare.log, Known) and "running on http://127.0.0.1:8400" in bare.log.value[-1].text
    assert bare.log.value[-1].where == "/tmp/back.log" and bare.log.value[-1].at is None


def test_systemds_own_units_are_not_listed(machine: Snapshot) -> None:
    assert not [s for s in machine.services if s.name.startswith("systemd-")]
    assert service(machine, "masked-app.service").unit.load_state == "masked"  # type: ignore[union-attr]


def test_the_nodes_of_a_project(project: Snapshot) -> None:
    assert {n.name for n in project.nodes} == {"web", "backend"}
    nginx = project.nginxes[0]
    assert nginx.node == "web" and nginx.service and nginx.service.manager == "docker"
    dead = next(e for e in project.endpoints if e.port == 8001)
    assert dead.node == "backend" and isinstance(dead.listener, Known) and dead.listener.value is None
    assert dead.configured_service == "backend/backend" and dead.listening_service is None


def test_a_container_with_its_command_in_the_compose_file(project: Snapshot) -> None:
    backend = service(project, "backend")
    assert backend.files_node == "engine" and backend.command_style == "yaml-flow"
    port = next(w for w in backend.command if w.text == "8000")
    assert port.file == "/srv/cart/compose.yaml" and span(project, port.file, port.start, port.end) == b"8000"
    assert isinstance(backend.bindings, Known)
    assert (backend.bindings.value[0].file, backend.bindings.value[0].start) == (port.file, port.start)
    assert [s.style for s in backend.env_slots] == ["dotenv", "yaml-map"]
    slot = backend.env_slots[1]
    data = next(f.data for f in project.files if f.path == slot.file)
    new = data[: slot.offset] + slot.template.format(name="EXTRA", value="1").encode() + data[slot.offset :]
    assert b"      REPORT_MODE: " in new and b"\n      EXTRA: 1\n" in new


def test_the_compose_project(project: Snapshot) -> None:
    compose = project.compose
    assert compose and compose.project == "cart" and isinstance(compose.editable, Known)
    assert dict(compose.hash_matches)["web"] is True


def test_nginxs_files_in_a_mount_are_known_on_the_host_too(project: Snapshot) -> None:
    inside = next(f for f in project.files if f.node == "web" and f.path == "/etc/nginx/conf.d/default.conf")
    outside = next(f for f in project.files if f.node == "engine" and f.path == "/srv/cart/site/default.conf")
    assert inside.data == outside.data and not inside.single_file_mount
