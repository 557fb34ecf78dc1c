"""header-too-big: nginx says that the head of an answer does not fit, and gets a larger buffer that it accepts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding, RuledOut, Undetermined
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.nginx_config import Listen, Span
from fixer.model.plan import CheckNginx, ReloadNginx, WriteFile
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    NGINX_PID,
    SITE,
    Scene,
    binding,
    finding_of,
    healthy_scene,
    listener,
    log_lines,
    roots,
    service,
    verdict_of,
    wrong_port_scene,
)

CAUSE = "header-too-big"
HEAD = "reading response header from upstream"


def big(count: int = 1, *, path: str = "/", ok: bool = False, **route: object) -> Scene:
    """nginx could not read the head of answers; the page that we ask for is one of them, unless `ok`."""
    scene = healthy_scene().answers(GOOD if ok else BAD_GATEWAY)
    scene.route[0] = route
    return scene.logs("upstream sent too big header", None, HEAD, count=count, path=path)


def found(scene: Scene, **inputs: str) -> Finding:
    return finding_of(diagnose(scene.snapshot(), inputs), CAUSE)


def written(scene: Scene, **inputs: str) -> bytes:
    step = found(scene, **inputs).repairs[0].steps[0]
    assert isinstance(step, WriteFile)
    return step.after or b""


def test_hit_the_page_that_we_ask_for() -> None:
    diagnosis = diagnose(big().snapshot())
    first = finding_of(diagnosis, CAUSE)
    assert roots(diagnosis) == [CAUSE] and (first.confidence, first.routes) == ("certain", ("r1",))
    assert "(4k, its default)" in first.summary and first.evidence[0].source == "nginx-log"
    write, check, reload = first.repairs[0].steps
    assert isinstance(write, WriteFile) and isinstance(check, CheckNginx) and isinstance(reload, ReloadNginx)
    assert first.repairs[0].risk == "safe"
    assert b"proxy_buffer_size 16k;" in (write.after or b"") and b"proxy_buffers 8 16k;" in (write.after or b"")


def test_the_page_is_named_beside_its_location() -> None:
    """The location's own page may be well."""
    assert "response headers of /account (location /) exceed" in found(big(3, path="/account", ok=True)).summary
    assert "response headers of / exceed" in found(big()).summary
    several = big(3, path="/account", ok=True).logs("upstream sent too big header", None, HEAD, path="/x%20y")
    assert "response headers of /account and other pages (location /) exceed" in found(several).summary


def test_hit_the_page_that_ours_redirects_to() -> None:
    scene = big(path="/login").answers(*[GOOD] * 20, replace(BAD_GATEWAY, page="/login"))
    scene.events = [replace(event, request="GET /login HTTP/1.1") for event in scene.events]
    seen = diagnose(scene.snapshot())
    assert roots(seen) == [CAUSE] and finding_of(seen, CAUSE).confidence == "certain"
    assert seen.health[0].reason == "answers 502 for /login (1 of 1 requests)"


def test_hit_several_visitors_where_our_page_is_well() -> None:
    first = found(big(3, path="/account", ok=True))
    assert first.confidence == "likely" and "3 times a 502" in first.summary


@pytest.mark.parametrize("count", [1, 2])
def test_few_visitors_where_our_page_is_well(count: int) -> None:
    """nginx names the fault: nothing else can be meant, and it holds for each of these visitors."""
    first = found(big(count, path="/account", ok=True))
    assert (first.role, first.confidence) == ("contributing", "likely") and "a 502" in first.summary


@pytest.mark.parametrize(("route", "there", "not_there"), [
    ({"buffers": (8, 65536)}, (b"proxy_buffer_size 16k;",), (b"proxy_buffers", b"busy")),
    ({"buffers": (16, 4096), "header_buffer": 8192}, (b"proxy_buffer_size 16k;",), (b"proxy_buffers", b"busy")),
    ({"buffers": (4, 8192), "header_buffer": 16384}, (b"proxy_buffer_size 32k;", b"proxy_buffers 8 32k;"), (b"busy",)),
    ({"busy_buffers": 8192}, (b"proxy_buffers 8 16k;", b"proxy_busy_buffers_size 32k;"), ()),
    ({"kind": "uwsgi_pass"}, (b"uwsgi_buffer_size 16k;", b"uwsgi_buffers 8 16k;"), (b"proxy_buffer",)),
    ({"kind": "grpc_pass"}, (b"grpc_buffer_size 16k;",), (b"buffers",)),
])
def test_only_what_nginx_wants_beside_it_is_set(
    route: dict[str, object], there: tuple[bytes, ...], not_there: tuple[bytes, ...],
) -> None:
    """nginx refuses a busy size that is below one buffer, or above all of them but one."""
    after = written(big(**route))
    assert all(text in after for text in there) and not any(text in after for text in not_there)


def passed_on(outer: int | None) -> Scene:
    """The location in front, with a buffer of so many bytes, passes on to another server of the same nginx."""
    scene = Scene("127.0.0.1:8000", "127.0.0.1:8080").with_service(service(), listener(8000, 200), listener(8080, NGINX_PID))
    scene.route[0] = {"listens": (Listen("127.0.0.1", 8080, False, False, False, Span(SITE, 2, 0, 0)),)}
    scene.route[1] = {"header_buffer": outer}
    return scene.answers(BAD_GATEWAY).logs("upstream sent too big header", None, HEAD)


@pytest.mark.parametrize(("outer", "places"), [(None, 2), (8192, 2), (16384, 1)])
def test_a_server_of_nginx_in_front_of_it_gets_the_same_buffer(outer: int | None, places: int) -> None:
    """It reads the same head: raised in one of them only, the page fails as before."""
    (repair,) = found(passed_on(outer)).repairs
    assert [type(step).__name__ for step in repair.steps] == ["WriteFile", "CheckNginx", "ReloadNginx"]
    assert written(passed_on(outer)).count(b"proxy_buffer_size 16k;") == places
    assert repair.summary.endswith(" and ".join(f"{SITE}:{line}" for line in (3, 4)[:places]))


def test_how_much_an_answer_may_carry_is_a_persons_word_once_it_is_much() -> None:
    (repair,) = found(big(header_buffer=32768)).repairs
    assert (repair.steps, repair.needs[0].key, repair.needs[0].default) == ((), "header_buffer", None)
    assert b"proxy_buffer_size 128k;" in written(big(header_buffer=32768), header_buffer="128k")


@pytest.mark.parametrize("scene", [
    healthy_scene(), wrong_port_scene(),
    healthy_scene().answers(BAD_GATEWAY).logs("upstream sent invalid header", None, HEAD, count=4),
])
def test_miss(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def test_unknown_without_the_log() -> None:
    scene = healthy_scene().answers(BAD_GATEWAY)
    scene.nginx["errors"] = Unknown("denied")
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), Undetermined)


def blocks(*texts: str, ok: bool = True, ago: float = 20.0, **changes: object) -> Scene:
    """uWSGI refused requests of several visitors; the page that we ask for is well, if `ok`."""
    said = {"runtime": "uwsgi", "argv": ("/usr/bin/uwsgi", "--ini", "/srv/shop/app.ini"), "log": log_lines(*texts, ago=ago),
            "bindings": Known((replace(binding(8000), source=Evidence("file", "/srv/shop/app.ini:4", "socket = :8000"), protocol="uwsgi"),))}
    scene = Scene().with_service(service(**said | changes), listener(8000, 200)).answers(GOOD if ok else BAD_GATEWAY)
    scene.route[0] = {"kind": "uwsgi_pass"}
    return scene.logs("upstream prematurely closed connection", None, HEAD, count=3, path="/account")


REFUSED = "invalid request block size: 5213 (max 4096)...skip"


def test_hit_requests_that_are_too_big_for_uwsgi() -> None:
    first = found(blocks(REFUSED, REFUSED, REFUSED))
    assert (first.variant, first.confidence, first.repairs[0].risk) == ("request-too-big", "certain", "manual")
    assert "5213 bytes" in first.summary and "buffer-size 4096, its default" in first.summary
    assert "buffer-size = 32768 in /srv/shop/app.ini" in first.repairs[0].manual
    assert found(blocks(REFUSED, ok=False)).variant == "request-too-big"


def test_one_visitor_that_uwsgi_refused_is_told_and_is_not_over() -> None:
    """Our own requests are small: that they are answered shows nothing."""
    diagnosis = diagnose(blocks(REFUSED).snapshot())
    told = finding_of(diagnosis, CAUSE)
    assert (told.role, told.variant, diagnosis.verdict) == ("contributing", "request-too-big", "degraded")
    assert not any("That is over" in note for note in diagnosis.notes)


@pytest.mark.parametrize("scene", [
    blocks(REFUSED), blocks(*3 * ("invalid request block size: 21573 (max 4096)...skip",)),
    blocks(*3 * ("invalid request block size: 20306 (max 4096)...skip",)), blocks(*3 * (REFUSED,), ago=300),
    blocks(*3 * ("[pid: 9] GET /" + REFUSED,)), blocks(*3 * (REFUSED,), runtime="gunicorn"),
])
def test_miss_one_visitor_http_and_what_was_said_long_ago_or_by_a_visitor(scene: Scene) -> None:
    assert CAUSE not in roots(diagnose(scene.snapshot()))
