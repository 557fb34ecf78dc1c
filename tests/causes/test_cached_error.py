"""cached-error: nginx answers an error from its cache while the backend is well."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Diagnosis, RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.nginx_config import KeptAnswer, Span
from fixer.model.snapshot import ProbeResult, Snapshot
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    NGINX_PID,
    NOW,
    SITE,
    Scene,
    causes_of,
    container_service,
    error_event,
    file,
    healthy_scene,
    probe,
    roots,
    service,
    verdict_of,
)

CAUSE = "cached-error"
VALID = "proxy_cache_valid any 10m;"
APP = probe(503, body="the shelves are being counted")


def keeping(valid: str = VALID, cache: str = "proxy_cache pages;", page: ProbeResult = BAD_GATEWAY, count: int = 2) -> Scene:
    """A site with a cache, an error for each request, and a backend that answers well when it is asked directly."""
    scene = healthy_scene().answers(*[page] * count)
    text = ("proxy_cache_path /var/cache/pages keys_zone=pages:1m;\nserver {\n    listen 80;\n    location / {\n"
            f"        {cache}\n        {valid}\n        proxy_pass http://127.0.0.1:8000;\n    }}\n}}\n")
    scene.files = [file(SITE, text, real_path="/etc/nginx/sites-available/shop")]
    start = text.index("proxy_pass")
    scene.route[0] = {"source": Span(SITE, 7, start, start + 10)}
    return scene


def asked_by_us(scene: Scene) -> Scene:
    """nginx logged a failure of our own request: it did ask the backend."""
    text = "connect() failed (111: Connection refused)"
    scene.events.append(error_event(NOW, "error", text, 111, "connecting to upstream", "127.0.0.1", "", "GET / HTTP/1.1",
                                    "http://127.0.0.1:8000/", "log:1", f"[error] {text}"))
    return scene


def diagnosed(scene: Scene) -> Diagnosis:
    return diagnose(scene.snapshot())


def test_hit_nginx_s_own_error() -> None:
    scene = keeping()
    scene.nginx["service"] = service("nginx.service", 80, NGINX_PID, is_app_server=False, runtime="")
    diagnosis = diagnosed(scene)
    assert (roots(diagnosis), diagnosis.verdict) == ([CAUSE], "broken")
    first = diagnosis.findings[0]
    assert (first.variant, first.confidence) == ("cached-gateway-error", "certain")
    assert [e.text for e in first.evidence[:3]] == [VALID, "proxy_cache pages;", "answers 200 without nginx"]
    repair = first.repairs[0]
    assert repair.risk == "manual" and f"`{VALID}` at {SITE}:6" in repair.manual
    assert "systemctl restart nginx.service" in repair.manual


def test_the_command_is_that_of_what_runs_nginx() -> None:
    assert "nginx -t and restart nginx" in diagnosed(keeping()).findings[0].repairs[0].manual
    scene = keeping()
    scene.nginx["service"] = container_service("web", 80, pid=NGINX_PID)
    assert "docker restart p-web-1" in diagnosed(scene).findings[0].repairs[0].manual


def test_another_nginx_behind_it_may_send_that_page_itself() -> None:
    scene = keeping()
    scene.services = [replace(scene.services[0], is_app_server=False, gateway="nginx")]
    assert [f.confidence for f in diagnosed(scene).findings if f.cause == CAUSE] == ["likely"]


@pytest.mark.parametrize("valid", [VALID, "proxy_cache_valid 500 503 1h;"])
def test_hit_an_error_of_the_application(valid: str) -> None:
    diagnosis = diagnosed(keeping(valid, page=APP))
    assert (roots(diagnosis), diagnosis.verdict) == ([CAUSE], "broken")
    first = diagnosis.findings[0]
    assert (first.variant, first.confidence, first.repairs[0].risk) == ("cached-app-5xx", "likely", "manual")
    assert "empty /var/cache/pages as a whole (nginx fills it again)" in first.repairs[0].manual


def test_hit_the_routes_of_one_cache_are_one_finding() -> None:
    scene = Scene("127.0.0.1:8000", "127.0.0.1:8000").with_service(service(), *healthy_scene().listeners[1:])
    one = keeping()
    scene.files, scene.listeners = one.files, one.listeners
    scene.route = {0: one.route[0], 1: one.route[0]}
    scene.answers(BAD_GATEWAY).answers(BAD_GATEWAY, route=1)
    assert [f.routes for f in diagnosed(scene).findings] == [("r1", "r2")]


def behind_a_redirect(direct: ProbeResult | None = GOOD) -> Scene:
    """`/` is well and redirects to /login, which gets an error; `direct`: what the backend itself answers for it."""
    scene = keeping(page=APP).answers(probe(302, location="/login"), replace(APP, page="/login"))
    scene.direct = {0: replace(direct, page="/login")} if direct is not None else {}
    return scene


def test_hit_an_error_of_the_page_that_the_first_one_redirects_to() -> None:
    diagnosis = diagnosed(behind_a_redirect())
    assert (roots(diagnosis), diagnosis.verdict) == ([CAUSE], "degraded")
    first = diagnosis.findings[0]
    assert first.variant == "cached-app-5xx" and "nginx answers /login with 503" in first.summary
    assert [e.text for e in first.evidence if e.source == "probe"] == ["answers 200 without nginx", "answers 503"]


@pytest.mark.parametrize(("valid", "told"), [(VALID, True), ("proxy_cache_valid 200 10m;", False), ("proxy_cache_valid any 0;", False)])
def test_where_errors_are_kept_a_page_that_is_well_says_nothing_of_others(valid: str, told: bool) -> None:
    seen = diagnosed(keeping(valid, page=GOOD))
    assert seen.verdict == "healthy"
    assert [f"`{VALID}` at {SITE}:6" in note for note in seen.notes if "keeps errors like pages" in note] == [True] * told


@pytest.mark.parametrize("direct", [APP, None])
def test_the_page_s_own_error_is_not_the_cache_s(direct: ProbeResult | None) -> None:
    assert CAUSE not in causes_of(diagnosed(behind_a_redirect(direct)))


@pytest.mark.parametrize("scene", [
    asked_by_us(keeping()),                                      # nginx asked, and failed
    keeping("proxy_cache_valid 200 10m;"), keeping("proxy_cache_valid 10m;"), keeping("proxy_cache_valid any 0;"),
    keeping(cache="proxy_cache off;"), keeping(cache=""),
    keeping().endpoint(http=Known(BAD_GATEWAY)),                 # the backend answers the same
    keeping().answers(BAD_GATEWAY, GOOD),                        # a cache answers all alike
])
def test_miss(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnosed(scene), CAUSE), RuledOut)


def test_miss_an_error_that_the_application_sends_itself() -> None:
    """Without a cache, and where it says the same when it is asked directly: nothing is wrong with nginx."""
    for scene in (keeping(cache="", page=APP), keeping(page=APP).endpoint(http=Known(APP))):
        diagnosis = diagnosed(scene)
        assert (diagnosis.verdict, causes_of(diagnosis)) == ("healthy", [])


def test_miss_a_healthy_cache() -> None:
    diagnosis = diagnosed(keeping(page=GOOD))
    assert (diagnosis.verdict, causes_of(diagnosis)) == ("healthy", [])


def test_miss_a_configuration_that_was_not_loaded() -> None:
    scene = keeping()
    scene.nginx["config_mtime"] = Known(NOW - 1)
    assert isinstance(verdict_of(diagnosed(scene), CAUSE), RuledOut)


def test_unknown_where_nginx_s_log_could_not_be_read() -> None:
    scene = keeping()
    scene.nginx["errors"] = Unknown("not root")
    verdict = verdict_of(diagnosed(scene), CAUSE)
    assert isinstance(verdict, Undetermined) and "not root" in verdict.missing[0]


def test_a_node_without_a_clock_proves_nothing() -> None:
    made = keeping().snapshot()
    assert isinstance(verdict_of(diagnose(replace(made, nodes=())), CAUSE), RuledOut)


def held_by_file(*pages: ProbeResult, until: int = int(NOW) + 60, status: int = 503) -> Snapshot:
    """A file of the cache holds an error for the page."""
    scene = keeping(page=pages[0]).answers(*pages)
    seen = scene.snapshot()
    path = seen.routes[0].route.path or ""
    one = KeptAnswer(path, status, until, "/var/cache/pages/0a")
    return replace(seen, routes=(replace(seen.routes[0], kept=(one,)), *seen.routes[1:]))


@pytest.mark.parametrize("pages", [(APP, GOOD, GOOD), (GOOD, GOOD), (APP, APP)])
def test_hit_what_a_file_holds_some_requests_meet(pages: tuple[ProbeResult, ...]) -> None:
    """What tells the requests apart, such as a part of the key, need not be known."""
    seen = diagnose(held_by_file(*pages))
    assert roots(seen) == [CAUSE]
    assert ("file", "local:/var/cache/pages/0a") in [(line.source, line.where) for line in seen.findings[0].evidence]
    assert seen.verdict == ("broken" if set(pages) == {APP} else "degraded")


@pytest.mark.parametrize("seen", [
    held_by_file(GOOD, GOOD, until=int(NOW) - 1), held_by_file(GOOD, GOOD, until=0), held_by_file(GOOD, GOOD, status=404),
])
def test_miss_a_file_that_nobody_gets(seen: Snapshot) -> None:
    assert CAUSE not in causes_of(diagnose(seen))


def test_hit_a_file_of_the_cache_shows_that_nginx_has_it_whenever_it_was_started() -> None:
    """Clocks are not exact: nginx was started within a tenth of a second of the last edit."""
    seen = held_by_file(APP, APP)
    edited = replace(seen.nginxes[0], config_mtime=Known(seen.nginxes[0].loaded_at.or_else(0.0) + 0.08))
    assert roots(diagnose(replace(seen, nginxes=(edited,)))) == [CAUSE]
