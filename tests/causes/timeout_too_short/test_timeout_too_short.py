"""timeout-too-short: pages that need longer than nginx waits, told apart from load and from a backend that hangs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Diagnosis, RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.plan import CheckNginx, ReloadNginx, WriteFile
from fixer.model.snapshot import ProbeResult
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    SLOW,
    TIMED_OUT,
    Scene,
    finding_of,
    healthy_scene,
    listener,
    own_verdict,
    probe,
    roots,
    service,
    verdict_of,
)
from tests.causes.timeout_too_short.timeout_too_short_builders import found, late

CAUSE = "timeout-too-short"
READING = "reading response header from upstream"
TIMEOUT = "upstream timed out (110: Connection timed out)"


def test_hit() -> None:
    diagnosis = diagnose(late().snapshot())
    assert roots(diagnosis) == [CAUSE] and diagnosis.verdict == "degraded"
    first = diagnosis.findings[0]
    assert (first.variant, first.routes, first.confidence) == ("read-timeout-too-short", ("r1",), "likely")
    assert "after 2 s (4 times" in first.summary and first.evidence[0].source == "nginx-log"
    write, check, reload = first.repairs[0].steps
    assert isinstance(write, WriteFile) and isinstance(check, CheckNginx) and isinstance(reload, ReloadNginx)
    assert first.repairs[0].risk == "disruptive" and b"proxy_read_timeout 60s;" in (write.after or b"")


def test_its_words_name_the_page_and_the_line_of_the_limit() -> None:
    one, several = late(), late().logs(TIMEOUT, 110, READING, path="/export")
    assert "/report needs longer" in found(one).summary and "pages need longer" in found(several).summary
    site = one.files[0]
    one.files[0] = replace(site, data=site.data.replace(b"proxy_pass", b"proxy_read_timeout 2s;\n        proxy_pass", 1))
    shown = [e.text for e in found(one).evidence if e.source == "nginx-config"]
    assert shown == ["proxy_read_timeout 2s;"]


def slower(ms: float = 1600.0, seconds: float = 1.0, **held: int) -> Scene:
    """The page that we ask for itself is late."""
    scene = late(1, path="/", seconds=seconds).answers(TIMED_OUT)
    held_there = replace(listener(8000, 200), **held)    # type: ignore[arg-type]
    return scene.endpoint(http=Known(replace(GOOD, ms=ms)), path="/", listener=Known(held_there))


def test_hit_the_page_itself_takes_longer_than_nginx_waits() -> None:
    diagnosis = diagnose(slower().snapshot())
    assert roots(diagnosis) == [CAUSE] and "1.6 s when asked directly" in diagnosis.findings[0].summary


@pytest.mark.parametrize("scene", [
    slower(ms=300.0), slower(queued=3), slower(established=30), slower(seconds=2.0), slower().endpoint(path="/health"),
    slower().endpoint(http=Known(replace(BAD_GATEWAY, ms=1600.0))),
])
def test_miss_a_late_page_that_load_or_something_else_may_explain(scene: Scene) -> None:
    assert CAUSE not in roots(diagnose(scene.snapshot()))


def test_the_persons_number_counts_and_is_asked_for_where_nginx_waits_long_already() -> None:
    step = found(late(), seconds="90").repairs[0].steps[0]
    assert isinstance(step, WriteFile) and b"proxy_read_timeout 90s;" in (step.after or b"")
    (repair,) = found(late(seconds=60)).repairs
    assert (repair.steps, repair.needs[0].default) == ((), None)
    assert found(late(seconds=60), seconds="300").repairs[0].steps


def test_an_upload_that_is_not_read_is_for_a_person() -> None:
    first = found(late(phase="sending request to upstream"))
    assert (first.variant, first.repairs[0].risk) == ("send-timeout-upload", "manual")
    assert "proxy_send_timeout" in first.repairs[0].manual


def group(late: int, none_left: int, beside: int = 0) -> Diagnosis:
    """Two servers behind one route, both well when they are asked directly."""
    scene = Scene("127.0.0.1:8000", "127.0.0.1:8001")
    scene.with_service(service(), listener(8000, 200)).with_service(service("b.service", 8001, 300), listener(8001, 300))
    scene.logs(TIMEOUT, 110, READING, count=late, path="/report")
    scene.logs("no live upstreams", None, "connecting to upstream", count=none_left)
    scene.logs("no live upstreams", None, "connecting to upstream", count=beside, path="/beside/")
    scene.answers(BAD_GATEWAY, GOOD)
    scene.route[0] = {"upstream": "app", "read_timeout": 2.0}
    snapshot = scene.snapshot()
    route = replace(snapshot.routes[0].route, servers=snapshot.routes[0].route.servers * 2)
    both = replace(snapshot.routes[0], route=route, endpoints=("e0", "e1"))
    second = replace(both, route=replace(route, id="beside", location="/beside/", path="/beside/"))
    return diagnose(replace(snapshot, routes=(both, second)))


@pytest.mark.parametrize(("late", "none_left"), [(4, 2), (2, 5)])
def test_each_of_several_servers_is_tried(late: int, none_left: int) -> None:
    first = finding_of(group(late, none_left), CAUSE)
    assert first.variant == "retry-multiplies-timeout" and f"no live server left ({none_left} times)" in first.summary
    assert first.evidence[1].text.startswith("[error] no live")
    assert len(first.routes) == 2 and "beside" in first.routes, "whatever is handed to that group fails with it"


def test_what_a_group_of_several_locations_lost_is_counted_together() -> None:
    assert "no live server left (5 times)" in finding_of(group(2, 4, beside=1), CAUSE).summary


@pytest.mark.parametrize(("late", "none_left"), [(1, 5), (2, 2)])
def test_miss_a_group_that_one_late_page_did_not_take_down(late: int, none_left: int) -> None:
    assert CAUSE not in roots(group(late, none_left))


@pytest.mark.parametrize("scene", [
    healthy_scene(), late().answers(TIMED_OUT), late().endpoint(http=Known(SLOW)),
    late().endpoint(http=Known(probe(200, ms=1800.0))), late().endpoint(down=True),
    late().endpoint(listener=Known(replace(listener(8000, 200), queued=3))),
    late().endpoint(listener=Known(replace(listener(8000, 200), established=64))),
    late(path="x"), late(path="/"), late(ago=30), late(ago=90), late(ago=1000), late().endpoint(listening_service="local/other"),
])
def test_miss(scene: Scene) -> None:
    assert isinstance(own_verdict(scene.snapshot(), CAUSE), RuledOut)


def seldom(count: int = 4, ago: float = 90.0, **more: Any) -> Scene:
    """Now and then somebody asks for the slow page."""
    scene = late(1, ago=ago, **more)
    for number in range(1, count):
        scene.logs(TIMEOUT, 110, more.get("phase", READING), path=more.get("path", "/report"), ago=ago + 20 * number)
    return scene


@pytest.mark.parametrize("ago", [20.0, 90.0, 600.0])
def test_one_page_that_always_meets_a_low_limit_is_named_however_seldom_it_is_asked_for(ago: float) -> None:
    first = found(seldom(ago=ago))
    assert (first.variant, first.confidence, first.repairs[0].risk) == ("read-timeout-too-short", "likely", "disruptive")
    assert "4 times within 15 minutes, always for the same page" in first.summary


def test_two_lines_are_likely_and_one_is_no_more_than_possible() -> None:
    assert (found(late(2)).confidence, found(late(2, ago=90)).confidence) == ("likely", "likely")
    first = found(late(1, ago=90))
    assert first.confidence == "possible" and "(once within 15 minutes)" in first.summary


@pytest.mark.parametrize(("seconds", "hit"), [(2.0, True), (30.0, False)])
def test_requests_that_waited_at_the_same_time_may_be_load(seconds: float, hit: bool) -> None:
    """The same lines, 10 s apart: with a limit of 30 s three visitors waited at once."""
    scene = late(1, ago=90, seconds=seconds)
    for number in (1, 2, 3):
        scene.logs(TIMEOUT, 110, READING, path="/report", ago=90 + 10 * number)
    assert (CAUSE in roots(diagnose(scene.snapshot()))) is hit


def two_pages() -> Scene:
    return seldom(2).logs(TIMEOUT, 110, READING, path="/export", ago=60)


def other_failures() -> Scene:
    return seldom().logs("upstream prematurely closed connection", None, READING, path="/report", ago=91)


@pytest.mark.parametrize("scene", [
    two_pages(), other_failures(), seldom(phase="reading upstream"), seldom(seconds=60.0), seldom(seconds=300.0), seldom(path="/"),
    seldom().endpoint(listener=Known(replace(listener(8000, 200), queued=3))), seldom().endpoint(http=Known(SLOW)),
    seldom().endpoint(listening_service="local/other"), seldom().answers(TIMED_OUT),
])
def test_what_load_or_a_lock_may_explain_is_not_blamed_on_a_limit(scene: Scene) -> None:
    assert CAUSE not in roots(diagnose(scene.snapshot()))


def test_lines_older_than_the_loaded_configuration_prove_nothing() -> None:
    scene = late(ago=30)
    scene.nginx["loaded_at"] = Known(scene.snapshot().taken_at - 10)
    assert isinstance(own_verdict(scene.snapshot(), CAUSE), RuledOut)


def test_what_was_late_before_a_repair_or_a_start_is_history() -> None:
    woken = replace(late(ago=9).snapshot(), seconds_since_repair=4.0)
    assert isinstance(verdict_of(diagnose(woken), CAUSE), RuledOut)
    assert roots(diagnose(replace(late(ago=2).snapshot(), seconds_since_repair=4.0))) == [CAUSE]
    scene = late()
    scene.services[0] = service(unit_changes={"active_enter": scene.snapshot().taken_at - 2})
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def test_lines_of_workers_that_are_shutting_down_prove_nothing() -> None:
    scene = late()
    scene.events = [replace(e, raw=f"2027/01/15 08:00:00 [error] 77#77: *1 {e.raw}") for e in scene.events]
    assert isinstance(own_verdict(scene.snapshot(), CAUSE), RuledOut)


def test_unknown() -> None:
    assert isinstance(verdict_of(diagnose(late().endpoint(http=Unknown("--no-probe")).snapshot()), CAUSE), Undetermined)
    blind = late()
    blind.nginx["errors"] = Unknown("denied")
    assert isinstance(verdict_of(diagnose(blind.snapshot()), CAUSE), Undetermined)


def test_the_longest_location_that_fits_is_meant() -> None:
    scene = Scene("127.0.0.1:8000", "127.0.0.1:8000").with_service(service(), listener(8000, 200))
    scene.logs(TIMEOUT, 110, READING, count=4, path="/1/report")
    scene.route[0], scene.route[1] = {"server_names": ()}, {"read_timeout": 3.0}
    scene.events = [replace(e, server="_") for e in scene.events]
    assert found(scene).routes == ("r2",)


def second_page(answer: ProbeResult, *, asked: str = "/", **more: Any) -> Scene:
    """A location of its own for the slow page: it has not answered us either, and the backend was asked for `asked`."""
    scene = late(path="/poll", **more).answers(answer).endpoint(path=asked)
    scene.route[0] |= {"path": "/poll", "location": "/poll"}
    return scene


@pytest.mark.parametrize("answer", [SLOW, TIMED_OUT])
def test_hit_the_page_is_late_for_us_too_and_another_one_is_quick(answer: ProbeResult) -> None:
    scene = second_page(answer)
    assert "/poll needs longer" in found(scene).summary and roots(diagnose(scene.snapshot())) == [CAUSE]


@pytest.mark.parametrize("scene", [
    second_page(GOOD), second_page(TIMED_OUT, asked="/poll"), second_page(BAD_GATEWAY, asked="/poll"),
])
def test_miss_a_page_that_is_quick_now(scene: Scene) -> None:
    assert CAUSE not in roots(diagnose(scene.snapshot()))
