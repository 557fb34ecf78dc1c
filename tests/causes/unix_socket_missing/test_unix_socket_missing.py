"""unix-socket-missing: the backend's socket lies at another path than the one nginx asks for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.formats.application_servers import uwsgi_protocol
from fixer.model.deployment import BootEntry
from fixer.model.diagnosis import RuledOut, Undetermined
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.plan import CheckNginx, ReloadNginx, WriteFile
from fixer.model.service import UnitSetting
from tests.causes.snapshot_builders import (
    NOW,
    Scene,
    binding,
    file,
    finding_of,
    healthy_scene,
    listener,
    probe,
    roots,
    service,
    stopped_service,
    supervised_service,
    unit,
    verdict_of,
    wrong_port_scene,
)
from tests.causes.unix_socket_missing.unix_socket_missing_builders import ASKED, HELD, scene, socket, told

CAUSE = "unix-socket-missing"


def test_hit_nginx_is_pointed_at_the_path() -> None:
    diagnosis = diagnose(scene(told(), socket()).snapshot())
    assert roots(diagnosis) == [CAUSE]
    first = finding_of(diagnosis, CAUSE)
    assert (first.variant, first.confidence) == ("unix-socket-missing", "certain")
    write, check, reload = first.repairs[0].steps
    assert isinstance(write, WriteFile) and isinstance(check, CheckNginx) and isinstance(reload, ReloadNginx)
    assert write.before is not None and first.repairs[0].risk == "safe"
    assert write.after == write.before.replace(ASKED.encode(), HELD.encode())


def test_a_trial_of_the_application_has_not_moved_from_there() -> None:
    diagnosis = diagnose(scene(told(name="shop-staging.service"), socket()).snapshot())
    assert all(not repair.steps for found in diagnosis.findings for repair in found.repairs) and CAUSE not in roots(diagnosis)


@pytest.mark.parametrize(("key", "kind", "is_moved"), [
    ("socket", "uwsgi_pass", True), ("uwsgi-socket", "uwsgi_pass", True), ("http-socket", "uwsgi_pass", False),
    ("http-socket", "proxy_pass", True), ("socket", "proxy_pass", False),
])
def test_uwsgi_is_asked_on_a_socket_that_speaks_what_nginx_does(key: str, kind: str, *, is_moved: bool) -> None:
    source = Evidence("file", "/etc/shop.ini:4", f"{key} = {HELD}")
    made = told(runtime="uwsgi")
    made = replace(made, bindings=Known((replace(binding(0), host="", unix=HELD, source=source,
                                                     protocol=uwsgi_protocol(key, "")),)))
    asked = scene(made, socket())
    asked.route[0] = {"kind": kind}
    assert (roots(diagnose(asked.snapshot())) == [CAUSE]) is is_moved


def test_hit_a_private_tmp_hides_the_socket() -> None:
    path = "/tmp/app.sock"
    private = UnitSetting("PrivateTmp", "yes", Evidence("unit", "/etc/systemd/system/backend.service:9", "PrivateTmp=yes"))
    hidden = scene(told(path, settings=(private,)), socket(path), asked=path).endpoint(
        listener=Known(socket(path)), tcp=Known(probe(error="no-socket")), http=Known(probe(error="no-socket")))
    first = finding_of(diagnose(hidden.snapshot()), CAUSE)
    assert (first.variant, first.repairs[0].risk) == ("unix-socket-private-tmp", "manual")
    assert "backend.service:9" in first.repairs[0].manual


@pytest.mark.parametrize(("page", "wanted"), [
    ("", "unix:/run/shop/gunicorn.sock;"), ("/v1/", "unix:/run/shop/gunicorn.sock:/v1/;"),
])
def test_hit_a_service_that_was_moved_from_a_port_to_a_socket(page: str, wanted: str) -> None:
    moved_on = Scene().with_service(told(), socket()).refused(configured_service="local/backend.service")
    moved_on.files = [replace(moved_on.files[0], data=moved_on.files[0].data.replace(b"8000;", f"8000{page};".encode()))]
    first = finding_of(diagnose(moved_on.snapshot()), CAUSE)
    assert (first.variant, first.repairs[0].risk) == ("moved-to-a-socket", "safe")
    write = first.repairs[0].steps[0]
    assert isinstance(write, WriteFile) and f"http://{wanted}".encode() in (write.after or b"")


@pytest.mark.parametrize(("page", "address", "wanted"), [
    ("proxy_pass http://unix:/run/shop/app.sock;", "127.0.0.1", "proxy_pass http://127.0.0.1:8000;"),
    ("proxy_pass http://unix:/run/shop/app.sock:/api/;", "0.0.0.0", "proxy_pass http://127.0.0.1:8000/api/;"),
    ("server unix:/run/shop/app.sock fail_timeout=0;", "::1", "server [::1]:8000 fail_timeout=0;"),
])
def test_hit_a_service_that_was_moved_from_a_socket_to_a_port(page: str, address: str, wanted: str) -> None:
    asked = scene(service(), listener(8000, 200, address))
    asked.files = [file("/etc/nginx/sites-enabled/shop", page + "\n", real_path="/etc/nginx/sites-available/shop")]
    at = page.index(ASKED)
    asked.endpoint(start=at, end=at + len(ASKED), line=1)
    first = finding_of(diagnose(asked.snapshot()), CAUSE)
    assert (first.variant, first.repairs[0].risk) == ("moved-to-a-port", "safe")
    step = first.repairs[0].steps[0]
    assert isinstance(step, WriteFile) and step.after == wanted.encode() + b"\n"


@pytest.mark.parametrize(("started", "moved"), [("/run/shop/app.sock", False), ("/run/shop/other.sock", True)])
def test_what_its_start_still_puts_at_the_socket_has_not_moved(started: str, moved: bool) -> None:
    """In one container with nginx something else listens on a port: that is none of the application's."""
    asked = scene(service(), listener(8000, 200))
    asked.extra["boot_entries"] = (BootEntry("local", "entrypoint", "/start.sh", 10, "gunicorn", "", 0, started),)
    assert (CAUSE in roots(diagnose(asked.snapshot()))) is moved


def test_a_port_that_it_is_not_told_to_open_is_no_aim() -> None:
    asked = scene(service(port=9000), listener(8000, 200))
    assert CAUSE not in roots(diagnose(asked.snapshot()))
    outside = scene(service(), listener(8000, 200, "10.0.0.5"))
    assert CAUSE not in roots(diagnose(outside.snapshot()))


def test_a_service_that_no_name_binds_is_a_persons_choice() -> None:
    made = service("printd.service", bindings=Known(()), argv=("/usr/bin/gunicorn", "spool:main"),
                   unit_changes={"working_directory": "/srv/spool", "user": "spool"})
    first = finding_of(diagnose(scene(made, socket("/run/printd/http.sock")).snapshot()), CAUSE)
    assert first.confidence == "possible" and first.repairs[0].needs[0].choices == ("/run/printd/http.sock",)
    assert not first.repairs[0].steps


def test_miss_what_is_well_stopped_elsewhere_or_anothers() -> None:
    anothers = scene(told(), socket(pid=999))
    at_rest = scene(stopped_service(bindings=told(ASKED).bindings))
    for other in (healthy_scene(), wrong_port_scene(), at_rest, scene(told(ASKED)), anothers):
        assert isinstance(verdict_of(diagnose(other.snapshot()), CAUSE), RuledOut)


def test_miss_a_socket_that_another_site_names() -> None:
    two = scene(told(), socket())
    page = two.snapshot()
    other = replace(page.endpoints[0], id="e9", unix=HELD, listener=Known(socket()), tcp=Known(probe()))
    two.extra = {"endpoints": (*page.endpoints, other)}
    assert isinstance(verdict_of(diagnose(two.snapshot()), CAUSE), RuledOut)


def test_unknown_whether_anything_listens_and_which_of_two_sockets() -> None:
    blind = scene(told(), socket()).endpoint(listener=Unknown("not root"), tcp=Unknown("no probe"))
    assert isinstance(verdict_of(diagnose(blind.snapshot()), CAUSE), Undetermined)
    several = scene(replace(told(), bindings=Known(())), socket(), socket("/run/shop/control.sock"))
    assert isinstance(verdict_of(diagnose(several.snapshot()), CAUSE), Undetermined)


def test_hit_the_socket_that_systemd_holds_for_a_service_at_rest() -> None:
    waiting = unit("backend.socket", active_state="active", sub_state="listening", listen=(HELD,))
    diagnosis = diagnose(scene(stopped_service(socket=waiting, bindings=told().bindings), socket(pid=1)).snapshot())
    assert roots(diagnosis) == [CAUSE]
    first = finding_of(diagnosis, CAUSE)
    assert (first.variant, first.repairs[0].risk) == ("unix-socket-missing", "safe")
    write = first.repairs[0].steps[0]
    assert isinstance(write, WriteFile) and HELD.encode() in (write.after or b"")


def test_a_service_that_does_not_run_is_asked_at_another_path_than_it_is_configured_for() -> None:
    """Two faults: the path stays wrong when the service is back. A socket of systemd's that is not its own proves
    nothing."""
    shut = stopped_service(socket=unit("backend.socket", active_state="inactive", listen=(HELD,)), bindings=told().bindings)
    between = supervised_service("STARTING", bindings=told().bindings, program={"restarts": 3})
    just_again = replace(between, pids=(300,), program=replace(between.program, state="RUNNING", started_at=NOW - 1))
    for made in (stopped_service(bindings=told().bindings), shut, between, just_again):
        diagnosis = diagnose(scene(made, socket(pid=1)).snapshot())
        assert roots(diagnosis)[0] == CAUSE
        first = finding_of(diagnosis, CAUSE)
        assert (first.variant, first.confidence) == ("unix-socket-missing", "likely") and not first.repairs[0].steps
    unread = stopped_service(bindings=Unknown("not read"))
    assert CAUSE not in roots(diagnose(scene(unread, socket(pid=1)).snapshot()))
