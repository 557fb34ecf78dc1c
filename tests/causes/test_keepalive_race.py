"""keepalive-race: a backend that closes idle connections before nginx does, and what only looks like it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding, Found, RuledOut, Undetermined
from fixer.model.facts import Unknown
from fixer.model.nginx_config import KeptConnections, Span
from fixer.model.plan import CheckNginx, ReloadNginx, WriteFile
from fixer.model.snapshot import EnvAssignment
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    NOW,
    SITE,
    Scene,
    error_event,
    file,
    finding_of,
    healthy_scene,
    listener,
    log_lines,
    roots,
    service,
    verdict_of,
)

CAUSE = "keepalive-race"
HEAD = "reading response header from upstream"
PAGE = b"""\
upstream shop {
    server 127.0.0.1:8000;
    keepalive 16;
}
server { listen 80; location / { proxy_pass http://shop; } }
"""
SETTINGS = "/srv/shop/gunicorn.conf.py"


def kept(seconds: float = 60.0, number: int | None = 16, allowed: bool | None = True) -> KeptConnections:
    at = PAGE.index(b"keepalive 16")
    return KeptConnections(number, seconds, Span(SITE, 3, at, at + len(b"keepalive")), allowed)


def race(*argv: str, runtime: str = "uvicorn", method: str = "POST", count: int = 2, message: str = "", ago: float = 50.0,
         data: bytes = PAGE, **about: Any) -> Scene:
    """Some requests met a connection that the backend was closing; every page that we ask for is well."""
    words = ("/usr/bin/python3", f"/usr/bin/{runtime}", "app.main:app", *argv)
    made = service(argv=words, runtime=runtime, **{key: about.pop(key) for key in ("env", "log") if key in about})
    scene = Scene().with_service(made, listener(8000, 200), started_at=about.pop("started_at", NOW - 3600)).answers(GOOD)
    scene.files[0] = replace(scene.files[0], data=data)
    scene.route[0] = {"upstream": "shop", "kept": kept(), **about}
    text = message or "recv() failed (104: Connection reset by peer)"
    for number in range(count):
        request = f"{method} /form HTTP/1.1"
        scene.events.append(error_event(
            NOW - ago - number, "error", text, 104 if "104" in text else None, HEAD, client="203.0.113.9", server="",
            request=request, upstream="http://127.0.0.1:8000/form", where=f"/var/log/nginx/error.log:{number + 1}",
            raw=f'[error] 101#101: *{number} {text} while {HEAD}, request: "{request}"'))
    return scene


def found(scene: Scene) -> Finding:
    return finding_of(diagnose(scene.snapshot()), CAUSE)


def verdict(scene: Scene) -> object:
    return verdict_of(diagnose(scene.snapshot()), CAUSE)


def test_hit_and_nginx_closes_first() -> None:
    diagnosis = diagnose(race().snapshot())
    assert (roots(diagnosis), diagnosis.verdict) == ([CAUSE], "degraded")
    first = diagnosis.findings[0]
    assert (first.confidence, first.routes, first.service) == ("likely", ("r1",), "backend.service")
    assert "for 60 s" in first.summary and "after 5 s: 2 requests of /" in first.summary
    assert first.evidence[0].text == "keepalive 16;" and "its default: 5 s" in first.evidence[1].text
    (repair,) = first.repairs
    assert (repair.id, repair.risk, repair.proof) == ("end-idle-first", "disruptive", "mechanism")
    write, check, reload = repair.steps
    assert isinstance(write, WriteFile) and isinstance(check, CheckNginx) and isinstance(reload, ReloadNginx)
    assert write.after == PAGE.replace(b"    keepalive 16;\n", b"    keepalive 16;\n    keepalive_timeout 4s;\n")


def test_a_limit_that_is_written_is_changed_where_it_is() -> None:
    data = PAGE.replace(b"keepalive 16;", b"keepalive 16; keepalive_timeout 75s;")
    write = found(race(data=data)).repairs[0].steps[0]
    assert isinstance(write, WriteFile) and write.after == data.replace(b"75s", b"4s")


@pytest.mark.parametrize(("argv", "runtime", "seconds", "value"), [
    (("--timeout-keep-alive", "30"), "uvicorn", "30 s", b"keepalive_timeout 29s;"),
    (("--timeout-keep-alive=1",), "uvicorn", "1 s", b"keepalive_timeout 500ms;"),
    (("-k", "uvicorn.workers.UvicornWorker"), "gunicorn", "2 s", b"keepalive_timeout 1s;"),
    (("--threads", "4", "--keep-alive=3"), "gunicorn", "3 s", b"keepalive_timeout 2s;"),
    (("--keep-alive", "9"), "hypercorn", "9 s", b"keepalive_timeout 8s;"),
    (("run",), "fastapi", "5 s", b"keepalive_timeout 4s;"),
])
def test_the_time_of_each_server(argv: tuple[str, ...], runtime: str, seconds: str, value: bytes) -> None:
    first = found(race(*argv, runtime=runtime))
    write = first.repairs[0].steps[0]
    assert f"after {seconds}:" in first.summary and isinstance(write, WriteFile) and value in (write.after or b"")


def test_gunicorns_own_file_says_it() -> None:
    scene = race(runtime="gunicorn")
    scene.files.append(file(SETTINGS, 'worker_class = "gthread"\nkeepalive = 10  # behind nginx\n'))
    first = found(scene)
    assert "after 10 s:" in first.summary and first.evidence[1].where == f"{SETTINGS}:2"
    scene.files[-1] = file(SETTINGS, 'worker_class = "gthread"\nkeepalive = LIMIT\n')
    assert isinstance(verdict(scene), Undetermined)


def test_other_lines_of_the_same_moment() -> None:
    assert found(race(message="upstream prematurely closed connection")).variant == CAUSE


def test_from_1_29_7_on_every_group_keeps_connections() -> None:
    new, old = (replace(GOOD, server=f"nginx/{version}") for version in ("1.29.7", "1.28.3"))
    unsaid = kept(number=None, allowed=None)
    assert "keepalive 32 is the default of this nginx: its files need not name it" in found(race(kept=unsaid).answers(new)).detail
    assert isinstance(verdict(race(kept=unsaid).answers(old)), RuledOut)
    assert isinstance(verdict(race(kept=unsaid).answers(GOOD)), Undetermined)


@pytest.mark.parametrize(("version", "wanted"), [
    ((1, 30, 0), Found), ((1, 29, 7), Found), ((1, 29, 6), RuledOut), ((), Undetermined),
])
def test_where_server_tokens_hides_the_version_the_program_tells_it(version: tuple[int, ...], wanted: type) -> None:
    snapshot = race(kept=kept(number=None, allowed=None)).answers(GOOD).snapshot()
    routes = tuple(replace(facts, nginx_version=version) for facts in snapshot.routes)
    assert isinstance(verdict_of(diagnose(replace(snapshot, routes=routes)), CAUSE), wanted)


@pytest.mark.parametrize("about", [{"method": "GET"}, {"method": "PUT"}])
def test_what_nginx_repeats_is_no_more_than_possible_and_a_persons_word(about: dict[str, Any]) -> None:
    first = found(race(**about))
    assert (first.role, first.confidence, first.repairs[0].risk) == ("contributing", "possible", "manual")
    assert "keepalive_timeout 4s" in first.repairs[0].manual


def test_without_a_second_try_a_get_fails_too() -> None:
    assert found(race(method="GET", one_try="proxy_next_upstream off, /etc/nginx/nginx.conf:9")).confidence == "likely"
    assert found(race(method="GET", one_try="proxy_next_upstream_tries 1, /etc/nginx/nginx.conf:9")).confidence == "possible"


def test_a_time_that_is_too_short_for_nginx_is_the_backends_to_raise() -> None:
    (repair,) = found(race("--timeout-keep-alive", "0")).repairs
    assert repair.risk == "manual" and "--timeout-keep-alive 75" in repair.manual


@pytest.mark.parametrize("scene", [
    healthy_scene(),
    race(kept=None),                                            # each request has a connection of its own
    race(kept=kept(number=0)),
    race(kept=kept(allowed=False)),
    race(kept=kept(seconds=4.0)),                               # nginx closes first
    race("--timeout-keep-alive", "75"),
    race(runtime="gunicorn"),                                   # its workers close each connection after the answer
    race(started_at=NOW - 49.5),                                # a process that was replaced took its requests with it
    race(message="upstream sent invalid header"),
    race(ago=1200.0),                                           # older than 15 minutes
    race().answers(BAD_GATEWAY),                                # new connections fail, too
])
def test_miss(scene: Scene) -> None:
    assert isinstance(verdict(scene), RuledOut)


def test_miss_for_the_workers_that_gunicorn_ends_itself() -> None:
    scene = race("-k", "gthread", runtime="gunicorn", started_at=NOW - 49.5,
                 log=log_lines("[CRITICAL] WORKER TIMEOUT (pid:812)", ago=51.0))
    assert CAUSE not in roots(diagnose(scene.snapshot()))


def test_unknown() -> None:
    unread = race()
    unread.nginx["errors"] = Unknown("denied")
    node = race()
    node.services[0] = replace(node.services[0], runtime="node", is_app_server=True)
    assert isinstance(verdict(unread), Undetermined) and isinstance(verdict(node), Undetermined)
    assert isinstance(verdict(race("-c", "/etc/shop.py", runtime="gunicorn")), Undetermined)
    assert isinstance(verdict(race("--timeout-keep-alive", "$SECONDS")), Undetermined)
    assert isinstance(verdict(race("-k", "gthread", runtime="gunicorn",
                                   env=(EnvAssignment("GUNICORN_CMD_ARGS", "/etc/default/shop:1", False),))), Undetermined)
