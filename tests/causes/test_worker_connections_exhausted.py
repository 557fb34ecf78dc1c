"""worker-connections-exhausted: a worker of nginx that has no place for a further connection."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding, RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.plan import CheckNginx, ReloadNginx, WriteFile
from tests.causes.snapshot_builders import (
    GOOD,
    NGINX_PID,
    SLOW,
    Scene,
    at_level,
    causes_of,
    container_service,
    error_event,
    file,
    finding_of,
    healthy_scene,
    listener,
    probe,
    roots,
    service,
    verdict_of,
)

CAUSE = "worker-connections-exhausted"
CONF = "/etc/nginx/nginx.conf"
MAIN = "user www-data;\nevents {\n    worker_connections 24;\n}\n"
FULL = "24 worker_connections are not enough"
CLOSED = probe(error="closed")


def refusing(text: str = MAIN, message: str = FULL, *, level: str = "alert", phase: str = "", ago: float = 5.0) -> Scene:
    """Workers that close the connections of visitors, as nginx says."""
    scene = healthy_scene().answers(CLOSED).logs(message, None, phase, count=3, ago=ago)
    scene.events = [at_level(event, level) for event in scene.events]
    scene.listeners[0] = listener(80, NGINX_PID, "0.0.0.0", established=22)
    scene.files.append(file(CONF, text))
    return scene


def found(scene: Scene, **inputs: str) -> Finding:
    return finding_of(diagnose(scene.snapshot(), inputs), CAUSE)


def written(scene: Scene, **inputs: str) -> str:
    step = found(scene, **inputs).repairs[0].steps[0]
    assert isinstance(step, WriteFile)
    return (step.after or b"").decode()


def test_hit_connections_are_closed() -> None:
    diagnosis = diagnose(refusing().snapshot())
    assert roots(diagnosis) == [CAUSE] and diagnosis.verdict == "broken"
    first = diagnosis.findings[0]
    assert (first.variant, first.confidence, first.repairs[0].risk) == (CAUSE, "certain", "safe")
    assert "all 24 connections" in first.summary
    assert [shown.source for shown in first.evidence] == ["nginx-log", "nginx-config", "socket", "probe"]
    assert (first.evidence[1].where, first.evidence[1].text) == (f"{CONF}:3", "worker_connections 24;")
    assert first.evidence[2].text == "22 connections to nginx are open"
    write, check, reload = first.repairs[0].steps
    assert isinstance(write, WriteFile) and b"worker_connections 1024;" in (write.after or b"")
    assert isinstance(check, CheckNginx) and isinstance(reload, ReloadNginx)


def test_hit_the_last_place_is_for_the_visitor_and_none_for_the_backend() -> None:
    page = probe(500, body="<center><h1>500 Internal Server Error</h1></center><hr><center>nginx</center>")
    scene = refusing(phase="connecting to upstream").answers(GOOD, page)
    diagnosis = diagnose(scene.snapshot())
    assert (roots(diagnosis), diagnosis.verdict) == ([CAUSE], "degraded")
    assert diagnosis.findings[0].repairs[0].proof == "mechanism"      # one of two requests: too few to measure


@pytest.mark.parametrize(("text", "want"), [
    ("events { }\nuser www-data;\n", "events {\n    worker_connections 2048; }\nuser www-data;\nworker_rlimit_nofile 4096;\n"),
    ("worker_rlimit_nofile 9000;\nevents { worker_connections 768; }\n",
     "worker_rlimit_nofile 9000;\nevents { worker_connections 3072; }\n"),
    ("worker_rlimit_nofile 2000;\nevents { worker_connections 768; }\n",
     "worker_rlimit_nofile 6144;\nevents { worker_connections 3072; }\n"),
])
def test_more_connections_need_as_many_files(text: str, want: str) -> None:
    number = "512" if "768" not in text else "768"
    assert written(refusing(text, f"{number} worker_connections are not enough")) == want


def test_the_limit_of_its_unit_counts() -> None:
    scene = refusing("user www-data;\nevents { worker_connections 768; }\n", "768 worker_connections are not enough")
    scene.nginx["service"] = service("nginx.service", 80, unit_changes={"nofile_limit": 8192})
    assert "rlimit" not in written(scene)


def test_an_operator_chooses_another_number() -> None:
    assert "worker_connections 999;" in written(refusing(), worker_connections="999")


def boxed(text: str, limit: int) -> Scene:
    scene = Scene("app:8000", node="web", back="app").with_service(container_service(), listener(8000, 7, "0.0.0.0", "app"))
    scene.answers(CLOSED).logs(FULL, None, "", count=2)
    scene.events = [at_level(event, "alert") for event in scene.events]
    scene.nginx["service"] = container_service("web", 80, pid=100, is_app_server=False, box={
        "nofile_limit": limit, "mounts": (("/p/nginx.conf", CONF, False),)})
    scene.files.append(file(CONF, text, node="web", single_file_mount=True))
    return scene


def test_a_container_gives_no_more_files_than_it_was_given() -> None:
    assert "worker_connections 512;" in written(boxed(MAIN, 512))
    assert "worker_connections 1024;" in written(boxed(MAIN, 65536))
    manual = found(boxed(MAIN, 24)).repairs[0]
    assert manual.risk == "manual" and "ulimits" in manual.manual and manual.steps == ()


def test_a_higher_number_that_was_not_loaded_is_loaded() -> None:
    repair = found(refusing(MAIN.replace("24", "768"))).repairs[0]
    assert [type(step) for step in repair.steps] == [CheckNginx, ReloadNginx] and "768" in repair.summary


@pytest.mark.parametrize("text", ["http { }\n", "include events.conf;\n"])
def test_a_file_without_events_is_for_a_person(text: str) -> None:
    assert found(refusing(text)).repairs[0].risk == "manual"


def test_a_backend_that_hangs_holds_the_connections() -> None:
    """Its visitors wait: more places only let more of them wait."""
    scene = Scene().with_service(service(), listener(8000, 200, queued=4), state="T").endpoint(http=Known(SLOW)).answers(SLOW)
    scene.logs(FULL, None, "connecting to upstream", count=3)
    scene.events = [at_level(event, "alert") for event in scene.events]
    scene.files.append(file(CONF, MAIN))
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == ["backend-hung"]
    assert finding_of(diagnosis, CAUSE).role == "consequence"


@pytest.mark.parametrize("scene", [
    healthy_scene(),
    refusing(message=f"{FULL}, reusing connections", level="warn").answers(GOOD),     # idle ones: nobody was refused
    refusing(ago=300.0).answers(*[GOOD] * 9),      # that is over
])
def test_miss(scene: Scene) -> None:
    diagnosis = diagnose(scene.snapshot())
    assert isinstance(verdict_of(diagnosis, CAUSE), RuledOut)
    assert (diagnosis.verdict, causes_of(diagnosis)) == ("healthy", [])


def test_hit_some_minutes_ago_and_nothing_shows_that_it_is_over() -> None:
    first = found(refusing(phase="connecting to upstream", ago=300.0).answers(GOOD))
    assert "3 times within 15 minutes" in first.summary and first.repairs[0].proof == "mechanism"


def test_miss_a_visitor_s_words() -> None:
    """A request line holds such words: only nginx writes the start of a message."""
    scene = healthy_scene()
    text = 'open() "/srv/24 worker_connections are not enough" failed (2: No such file or directory)'
    scene.events.append(error_event(scene.snapshot().taken_at - 1, "error", text, 2, "", "10.0.0.9", "", "GET / HTTP/1.1", "",
                                    "log:1", f"[error] {text}"))
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def test_miss_the_cache_manager_s_own_limit() -> None:
    """It has 512 connections whatever the configuration says, and takes no visitors."""
    scene = refusing(message="512 worker_connections are not enough").answers(GOOD)
    scene.events = [replace(event, client="", raw=f"2027/01/15 08:00:00 [alert] 77#77: {event.message}") for event in scene.events]
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def test_miss_before_a_repair() -> None:
    assert isinstance(verdict_of(diagnose(replace(refusing().snapshot(), seconds_since_repair=2.0)), CAUSE), RuledOut)


def test_unknown_where_nginx_s_log_could_not_be_read() -> None:
    scene = refusing()
    scene.nginx["errors"] = Unknown("not root")
    verdict = verdict_of(diagnose(scene.snapshot()), CAUSE)
    assert isinstance(verdict, Undetermined) and "not root" in verdict.missing[0]
