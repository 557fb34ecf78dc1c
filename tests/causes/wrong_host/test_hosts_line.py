"""wrong-host: a line of /etc/hosts that leads the upstream's name astray."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.plan import ComposeUp, WriteFile
from fixer.model.snapshot import Compose, ComposeSetting
from fixer.model.target import TargetRef
from tests.causes.snapshot_builders import BAD_GATEWAY, REFUSED, Scene, file, listener, probe, service
from tests.causes.wrong_host.wrong_host_builders import apart, found

UNREACHABLE = Known(probe(error="unreachable"))


def led(scene: Scene, **changes: object) -> Scene:
    """A line of /etc/hosts leads the upstream's name to an address that gives no answer."""
    line = Evidence("file", "/etc/hosts:7", "172.18.0.77 app")
    told: dict[str, object] = {"addresses": Known(("172.18.0.77",), (line,)), "node": None, "tcp": UNREACHABLE,
                               "http": UNREACHABLE, "listener": Unknown("elsewhere"), "configured_service": None, "listening_service": None}
    return scene.answers(BAD_GATEWAY).endpoint(**{**told, **changes})


def test_a_wrong_line_of_the_hosts_file_is_named_and_nginxs_file_left_alone() -> None:
    scene = led(Scene("backend.internal:8000").with_service(service(), listener(8000, 200)))
    finding = found(scene)
    assert (finding.variant, finding.confidence, finding.evidence[0].where) == ("wrong-ip-unassigned", "likely", "/etc/hosts:7")
    (repair,) = finding.repairs
    assert (repair.id, repair.risk, repair.steps) == ("correct-hosts-line", "manual", ())
    assert "/etc/hosts:7" in repair.manual and "nginx -s reload" in repair.manual


def test_a_line_that_hides_a_container_of_that_name_is_certain() -> None:
    finding = found(led(apart("app:8000")))
    assert finding.confidence == "certain" and "container p-app-1 has 172.18.0.2" in finding.summary
    assert "extra_hosts:" in finding.repairs[0].manual


def project(*, same: bool) -> Compose:
    return Compose("p", "/p", ("/p/compose.yaml",), (), (("web", same),), Known(True))


def hidden(**changes: object) -> Scene:
    """`extra_hosts:` leads the name of a container to nginx's own."""
    text = "services:\n  web:\n    extra_hosts: ['app:127.0.0.1']\n    image: x\n"
    at = text.index("    extra")
    scene = led(apart("app:8000"), **{"addresses": Known(("127.0.0.1",), (Evidence("file", "/etc/hosts:7", "127.0.0.1 app"),)),
                                      "node": "web", "tcp": Known(REFUSED), "http": Known(REFUSED),
                                      "listener": Known(None), **changes})
    scene.extra |= {"target": TargetRef("compose", "p"), "compose": project(same=True)}
    given = ComposeSetting("extra_hosts.app", "127.0.0.1", "/p/compose.yaml", 3, at, text.index("    image"))
    scene.services[0] = replace(scene.services[0], compose_settings=(given,))
    scene.files.append(file("/p/compose.yaml", text, node="engine"))
    return scene


def test_an_entry_of_the_compose_file_that_hides_a_container_is_taken_out() -> None:
    finding = found(hidden())
    assert (finding.variant, finding.confidence) == ("nginx-container-uses-loopback", "certain")
    (repair,) = finding.repairs
    assert (repair.id, repair.risk) == ("correct-hosts-line", "disruptive") and "/p/compose.yaml:3" in repair.summary
    step = repair.steps[0]
    assert isinstance(step, WriteFile) and step.after == b"services:\n  web:\n    image: x\n"
    assert isinstance(repair.steps[1], ComposeUp) and repair.steps[1].service == "web"
    changed = hidden()
    changed.extra["compose"] = project(same=False)
    assert "/p/compose.yaml:3" in found(changed).repairs[0].manual


def test_a_name_led_to_nginxs_own_container_where_no_other_bears_it_is_not_blamed() -> None:
    scene = hidden()
    scene.services = [s for s in scene.services if s.name == "p-web-1"]
    assert all(r.id != "correct-hosts-line" for f in diagnose(scene.snapshot()).findings for r in f.repairs)


@pytest.mark.parametrize("changes", [
    {"tcp": Known(REFUSED), "http": Known(REFUSED)},                # somebody is there
    {"addresses": Known(("172.18.0.77",))},                         # not told by that file
    {"addresses": Known(("172.18.0.77", "172.18.0.78"), (Evidence("file", "/etc/hosts:7", "x"),))},
    {"node": "web"},
])
def test_a_line_that_may_be_right_is_not_blamed(changes: dict[str, object]) -> None:
    scene = led(Scene("backend.internal:8000").with_service(service(), listener(8000, 200)), **changes)
    assert all(f.repairs[0].id != "correct-hosts-line" for f in diagnose(scene.snapshot()).findings if f.repairs)
