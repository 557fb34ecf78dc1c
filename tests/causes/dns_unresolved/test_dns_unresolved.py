"""dns-unresolved: names that lead nowhere when nginx starts, or at a request."""

from __future__ import annotations

from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Found, RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.nginx_config import Span, UpstreamServer
from fixer.model.plan import CheckNginx, ContainerAction, ReloadNginx, WriteFile
from tests.causes.dns_unresolved.dns_unresolved_builders import NOWHERE, boxes, found
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    NOW,
    SITE,
    SLOW,
    Scene,
    container_service,
    error_event,
    healthy_scene,
    listener,
    roots,
    stopped_service,
    verdict_of,
    wrong_port_scene,
)

UNRESOLVED = "dns-unresolved"
SAID = 'nginx: [emerg] host not found in upstream "app:8000" in /etc/nginx/sites-enabled/shop:3\nnginx: test failed\n'


def down(text: str = SAID, **changes: Any) -> Scene:
    """nginx on a machine that did not start."""
    scene = Scene("app:8000").endpoint(**{**NOWHERE, **changes})
    scene.nginx |= {"master_pid": None, "worker_pids": (), "test": Known((1, text)),
                    "service": stopped_service("nginx.service", 80, is_app_server=False)}
    scene.probes[0] = Unknown("nginx does not run")
    return scene


def asked(text: str, errno: int | None = 3, **changes: Any) -> Scene:
    """A running nginx whose resolver did not find the name."""
    scene = Scene("app:8000").answers(BAD_GATEWAY)
    scene.endpoint(**{**NOWHERE, "addresses": Known(("172.18.0.2",)), **changes})
    scene.events.append(error_event(NOW - 2, "error", text, errno, "", "10.0.0.9", "", "GET / HTTP/1.1", "", "log:1", f"[error] {text}"))
    return scene


def test_the_given_name_of_a_stopped_container_resolves_once_that_is_started() -> None:
    other = container_service("api", 9000, pid=None, box={"status": "exited", "networks": (("p_default", "", ("api",)),)})
    scene = boxes("shop", mounts=(("/srv/conf", "/etc/nginx", True),)).with_service(other)
    scene.services = [s for s in scene.services if s.node != "app"]
    scene.services.append(scene.nginx["service"])
    start, edit, *_ = found(scene, address="api").repairs[0].steps
    assert isinstance(start, ContainerAction) and (start.verb, start.name) == ("start", "p-api-1")
    assert isinstance(edit, WriteFile) and b"http://api:8000;" in (edit.after or b"")
    assert isinstance(found(scene, address="db").repairs[0].steps[0], WriteFile)


def test_hit_at_start_asks_for_the_address() -> None:
    shown = found(down())
    repair = shown.repairs[0]
    assert (shown.variant, repair.risk, repair.steps) == ("dns-name-missing-at-start", "safe", ())
    assert repair.needs[0].key == "address" and "app" in repair.needs[0].why
    edit, check, *_ = found(down(), address="127.0.0.1").repairs[0].steps
    assert isinstance(edit, WriteFile) and isinstance(check, CheckNginx)
    assert b"http://127.0.0.1:8000;" in (edit.after or b"")
    assert found(down(addresses=Unknown("late"))).variant == "dns-name-missing-at-start"


def test_hit_a_name_that_is_not_written_there_is_for_a_person() -> None:
    assert found(down(start=1, end=9)).repairs[0].risk == "manual"
    scene = down()
    scene.files.clear()
    assert found(scene).repairs[0].risk == "manual"
    assert found(down(), address="a b;").repairs[0].risk == "manual"


def refused(ago: float = 5.0, name: str = "app", **changes: Any) -> Scene:
    """A running nginx that refused to read its present files."""
    scene = Scene("app:8000").answers(BAD_GATEWAY)
    scene.endpoint(**{**NOWHERE, **changes})
    scene.nginx |= {"loaded_at": Known(NOW - 600.0), "config_mtime": Known(NOW - 10.0)}
    text = f'host not found in upstream "{name}" in /etc/nginx/sites-enabled/shop:3'
    scene.events.append(error_event(NOW - ago, "emerg", text, None, "", "", "", "", "", "log:1", f"[emerg] {text}"))
    return scene


def test_hit_at_a_reload_that_was_refused() -> None:
    first = found(refused())
    assert (first.variant, first.confidence) == ("dns-name-missing-at-start", "likely")
    assert first.summary == "the name app does not resolve: nginx rejects its files and runs with an older configuration"
    assert first.repairs[0].needs[0].key == "address" and first.evidence[0].text.startswith("[emerg] host not found")
    silent = found(refused(ago=90.0))                # `nginx -s reload` logs nothing: what was said before is history
    assert silent.confidence == "likely" and silent.evidence[0].source == "probe"
    read = refused()
    read.nginx["config_mtime"] = Known(NOW - 700.0)
    made = refused()         # by an entry point, right before it becomes nginx
    made.nginx["config_mtime"] = Known(NOW - 599.7)
    passes = refused()       # a name in a variable is asked for with each request, and keeps no reload away
    passes.nginx["test"] = Known((0, "test is successful"))
    for scene in (read, made, passes, refused(addresses=Known(("10.0.0.7",))), refused(ago=90.0, addresses=Unknown("not asked"))):
        assert UNRESOLVED not in roots(diagnose(scene.snapshot()))


@pytest.mark.parametrize("status", ["exited", "created", "restarting"])
def test_miss_an_edited_site_that_names_a_container_which_does_not_run(status: str) -> None:
    """Any edit that was not loaded yet, and nginx -t fails over a name that Docker forgot when its container stopped."""
    scene = refused(ago=90.0, addresses=Known(()))
    scene.with_service(container_service(pid=None, box={"status": status, "networks": (("p_default", "", ("app",)),)}))
    assert UNRESOLVED not in roots(diagnose(scene.snapshot()))
    scene.services = [container_service(pid=None, box={"status": "running", "restart_count": 4, "networks": (("p_default", "", ("app",)),)})]
    assert UNRESOLVED not in roots(diagnose(scene.snapshot()))        # caught in the moment of one more try
    scene.services.clear()
    assert UNRESOLVED in roots(diagnose(scene.snapshot()))


@pytest.mark.parametrize(("known", "head", "told"), [
    ((), b"", True), (("172.18.0.2",), b"", False), ((), b"resolver 10.0.0.1;\n", False),
])
def test_a_name_that_is_gone_while_pages_answer_is_said(known: tuple[str, ...], head: bytes, told: bool) -> None:
    """A service of the project was renamed: nginx goes by an old address, and ends at its next start."""
    web = container_service("web", 80, box={"networks": (("p_default", "172.18.0.3", ()),)})
    scene = Scene("app:8000", node="web", back="app").with_service(container_service(), listener(8000, 7, "0.0.0.0", "app"))
    scene.answers(GOOD).endpoint(addresses=Known(known)).services.append(web)
    scene.nginx["service"] = web
    page = scene.files[0]
    scene.files[0] = type(page)("web", page.path, page.path, head + page.data, page.stat)
    diagnosis = diagnose(scene.snapshot())
    assert diagnosis.verdict == "healthy"
    assert [(f.cause, f.role) for f in diagnosis.findings] == ([(UNRESOLVED, "advice")] if told else [])


def test_hit_at_a_request() -> None:
    text = "app could not be resolved (3: Host not found)"
    shown = found(asked(text))
    assert shown.variant == "resolver-nxdomain" and "172.18.0.2" in shown.evidence[1].text
    steps = found(asked(text), address="app-1").repairs[0].steps
    assert isinstance(steps[0], WriteFile) and isinstance(steps[-1], ReloadNginx)


def test_hit_a_resolver_that_does_not_answer() -> None:
    text = "app could not be resolved (110: Operation timed out)"
    shown = found(asked(text, 110))
    assert (shown.variant, shown.repairs[0].risk) == ("resolver-timeout", "manual")
    scene = asked(text, 110)
    scene.node = "web"
    page = scene.files[0]
    lines = b"resolver 10.0.0.1 valid=5s;\n" + page.data
    scene.files[0] = type(page)("web", page.path, page.path, lines, page.stat)
    mount = ("/srv/site", page.path, False)
    scene.nginx["service"] = container_service("web", 80, box={"networks": (("p_default", "172.18.0.3", ()),), "mounts": (mount,)})
    repair = found(scene).repairs[0]
    assert repair.risk == "safe" and isinstance(repair.steps[0], WriteFile)
    assert (repair.steps[0].after or b"").startswith(b"resolver 127.0.0.11 valid=5s;")
    scene.nginx["service"] = container_service("web", 80, box={"networks": (("p_default", "172.18.0.3", ()),)})
    assert found(scene).repairs[0].risk == "manual"           # its layer is no place for a repair
    scene.files[0] = type(page)("web", page.path, page.path, lines.replace(b"10.0.0.1", b"127.0.0.11"), page.stat)
    assert found(scene).repairs[0].risk == "manual"


def dockers_address(**node: object) -> Scene:
    """nginx asks 127.0.0.11, and nobody answers."""
    scene = asked("app could not be resolved (110: Operation timed out)", 110)
    page = scene.files[0]
    scene.files[0] = type(page)(page.node, page.path, page.path, b"resolver 127.0.0.11 valid=5s;\n" + page.data, page.stat)
    scene.node_changes[page.node] = node
    return scene


def test_hit_dockers_own_address_on_a_host() -> None:
    one = found(dockers_address(name_servers=("10.0.2.3", "1.1.1.1")))
    assert one.detail == ("127.0.0.11 (at /etc/nginx/sites-enabled/shop:1) is Docker's own resolver: it exists only in Docker's "
                          "containers on a network that a user defined, not under Podman and not on a host",)
    assert one.repairs[0].risk == "manual" and "(its /etc/resolv.conf names 10.0.2.3, 1.1.1.1)" in one.repairs[0].manual
    assert "exists only in Docker's containers" in found(dockers_address()).detail[0]       # its resolv.conf was not read
    assert found(dockers_address(name_servers=("127.0.0.11",))).detail == ()


def test_hit_dockers_own_address_in_a_container_of_podman() -> None:
    """The network's own resolver is the one in the container's resolv.conf."""
    scene = dockers_address()
    page, scene.node = scene.files[0], "web"
    scene.files[0] = type(page)("web", page.path, page.path, page.data, page.stat)
    scene.nginx["service"] = container_service("web", 80, box={
        "networks": (("shop_default", "10.89.0.3", ()),), "mounts": (("/srv/site", page.path, False),)})
    scene.node_changes["web"] = {"name_servers": ("10.89.0.1",)}
    one = found(scene)
    (repair,) = one.repairs
    assert (repair.id, repair.risk) == ("point-resolver", "safe") and "the resolver of its network (10.89.0.1)" in repair.summary
    assert isinstance(repair.steps[0], WriteFile) and (repair.steps[0].after or b"").startswith(b"resolver 10.89.0.1 valid=5s;")
    assert "not under Podman" in one.detail[0]


@pytest.mark.parametrize(("there", "offered"), [(True, "point-resolver"), (False, "name-address")])
def test_hit_another_resolver_than_dockers_for_a_name_of_its_network(there: bool, offered: str) -> None:
    """It says that there is no such name, and is right: only Docker's own knows the containers."""
    scene = asked("app could not be resolved (3: Host not found)")
    page, scene.node = scene.files[0], "web"
    scene.files[0] = type(page)("web", page.path, page.path, b"resolver 10.0.0.1;\n" + page.data, page.stat)
    scene.nginx["service"] = container_service("web", 80, box={
        "networks": (("p_default", "172.18.0.3", ()),), "mounts": (("/srv/site", page.path, False),)})
    scene.services[:] = [container_service(box={"networks": (("p_default", "172.18.0.2", ("app",)),)})] if there else []
    assert found(scene).repairs[0].id == offered


@pytest.mark.parametrize("scene", [
    healthy_scene(), wrong_port_scene(), down(addresses=Known(("10.0.0.1",))), down("nginx: [emerg] unknown directive\n"),
    boxes("app", "p-app-1"), boxes("p-app-1", network="p_other"), boxes("p-app-1", status="exited"),
    asked("other could not be resolved (3: Host not found)"), asked("connect() failed (111: x) upstream", 111),
])
def test_miss(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), UNRESOLVED), RuledOut)


def test_miss_a_name_whose_container_was_stopped() -> None:
    """Docker's resolver knows only what runs: the container is the root, its name comes back with it."""
    scene = asked("app could not be resolved (3: Host not found)", addresses=Known(()))
    off = {"status": "exited", "networks": (("p_default", "", ("app",)),)}
    scene.with_service(container_service(pid=None, box=off))
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == ["backend-down"]
    assert isinstance(verdict_of(diagnosis, UNRESOLVED), RuledOut)
    # between two starts, in a run that has just begun and may end as the others did, and long after a start
    for started, verdict in ((NOW - 1, RuledOut), (NOW - 12, RuledOut), (NOW - 600, Found)):
        scene.services[0] = container_service(box={**off, "status": "running", "restart_count": 3, "started_at": started})
        assert isinstance(verdict_of(diagnose(scene.snapshot()), UNRESOLVED), verdict)


def test_unknown() -> None:
    scene = down()
    scene.nginx |= {"test": Unknown("denied"), "service": None}
    assert isinstance(verdict_of(diagnose(scene.snapshot()), UNRESOLVED), Undetermined)


def test_unknown_while_nginx_still_waits_for_its_resolver() -> None:
    source = Span(SITE, 3, 0, 0)
    scene = Scene("app:8000").answers(SLOW).endpoint(**{**NOWHERE, "addresses": Unknown("app was not resolved")})
    scene.route[0] = {"servers": (UpstreamServer("app", "app", 8000, None, source, variable="$app"),)}
    verdict = verdict_of(diagnose(scene.snapshot()), UNRESOLVED)
    assert isinstance(verdict, Undetermined) and "--wait" in verdict.missing[0]
    scene.route[0] = {}      # a name that nginx knew when it started: nothing waits for it
    assert isinstance(verdict_of(diagnose(scene.snapshot()), UNRESOLVED), RuledOut)
