"""nginx-own-failure: the kernel refuses nginx memory or a call, or nginx finds itself in a state that must not be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Diagnosis, Finding, RuledOut, Undetermined
from fixer.model.facts import Evidence, Unknown
from fixer.model.service import UnitSetting
from tests.causes.snapshot_builders import (
    GOOD,
    Scene,
    at_level,
    finding_of,
    healthy_scene,
    probe,
    roots,
    service,
    verdict_of,
)

CAUSE = "nginx-own-failure"
CONNECT = "connecting to upstream"
PAGE = probe(500, body="<center><h1>500 Internal Server Error</h1></center><hr><center>nginx</center>")
MEMORY = ("malloc(524288) failed (12: Cannot allocate memory)", 12, "reading response header from upstream")
DROP_IN = "/etc/systemd/system/nginx.service.d/limits.conf"


def failing(message: str, errno: int | None, phase: str, *, level: str = "alert", page: object = PAGE, **about: object) -> Scene:
    scene = healthy_scene().answers(page).logs(message, errno, phase, **about)     # type: ignore[arg-type]
    scene.events = [at_level(event, level) for event in scene.events]
    return scene


def judged(scene: Scene) -> Diagnosis:
    return diagnose(scene.snapshot())


def found(scene: Scene) -> Finding:
    return finding_of(judged(scene), CAUSE)


def limited() -> Scene:
    scene = failing(*MEMORY, level="emerg")
    setting = UnitSetting("LimitAS", "60M", Evidence("unit", f"{DROP_IN}:2", "LimitAS=60M"))
    scene.nginx["service"] = service("nginx.service", 80, 100, is_app_server=False, settings=(setting,))
    return scene


def test_hit_a_limit_of_its_unit_leaves_it_no_memory() -> None:
    diagnosis = judged(limited())
    assert (roots(diagnosis), diagnosis.verdict) == ([CAUSE], "broken")
    first = diagnosis.findings[0]
    assert (first.variant, first.confidence, first.service) == ("nginx-short-of-memory", "certain", "nginx.service")
    assert first.detail == ("LimitAS=60M limits it",) and first.routes == ("r1",)
    (repair,) = first.repairs
    assert (repair.id, repair.risk) == ("give-nginx-memory", "manual") and f"LimitAS=60M ({DROP_IN}:2)" in repair.manual


@pytest.mark.parametrize(("message", "errno", "phase", "variant"), [
    ("socket() failed (105: No buffer space available)", 105, CONNECT, "nginx-short-of-memory"),
    ("socket() failed (13: Permission denied)", 13, CONNECT, "nginx-call-failed"),
    ('pread() "/var/lib/nginx/body/0000000007" failed (5: Input/output error)', 5, "sending request to upstream", "nginx-call-failed"),
    ("bad buf in output chain t:0 r:0 f:0 0 0-0 0 0-0", None, "sending request to upstream", "nginx-defect"),
    ("SSL_new() failed (SSL: error:07880001:common libcrypto routines::malloc failure)", None, CONNECT, "nginx-defect"),
])
def test_hit_each_kind_of_failure(message: str, errno: int | None, phase: str, variant: str) -> None:
    first = found(failing(message, errno, phase))
    assert (first.variant, first.confidence, first.repairs[0].risk) == (variant, "certain", "manual")
    assert message[:60] in first.summary and first.summary.startswith("nginx itself")


def test_of_a_page_that_was_not_asked_it_is_likely() -> None:
    assert found(failing(*MEMORY, page=GOOD, path="/export", level="emerg")).confidence == "likely"


@pytest.mark.parametrize("scene", [
    healthy_scene(),
    failing("setsockopt(SO_KEEPALIVE) failed, ignored (22: Invalid argument)", 22, CONNECT, page=GOOD),
    failing("RAND_bytes() failed", None, "SSL handshaking", page=GOOD),          # a visitor's handshake
    failing("close() socket failed (5: Input/output error)", 5, CONNECT, page=GOOD),
    failing(*MEMORY, level="emerg", ago=7200.0),
])
def test_miss(scene: Scene) -> None:
    assert isinstance(verdict_of(judged(scene), CAUSE), RuledOut)


def test_miss_lines_that_no_visitor_brought_about() -> None:
    scene = failing(*MEMORY, level="emerg", page=GOOD)
    scene.events = [replace(event, client="") for event in scene.events]
    assert isinstance(verdict_of(judged(scene), CAUSE), RuledOut)


def test_unknown_where_nginx_s_log_could_not_be_read() -> None:
    scene = failing(*MEMORY)
    scene.nginx["errors"] = Unknown("not root")
    verdict = verdict_of(judged(scene), CAUSE)
    assert isinstance(verdict, Undetermined) and "the error log of nginx on local: not root" in verdict.missing
