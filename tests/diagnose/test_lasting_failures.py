"""What is not over and has no cause is a finding; what is over is a note."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import UNEXPLAINED, Found, IgnoredFinding, RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.nginx_config import Span, UpstreamServer
from tests.causes.crash_loop_gave_up.test_requested_restart import restarted
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    SITE,
    Scene,
    causes_of,
    finding_of,
    healthy_scene,
    listener,
    service,
    verdict_of,
    wrong_port_scene,
)

CLOSED = ("upstream prematurely closed connection", None, "reading response header from upstream")


def test_it_quotes_counts_and_says_whose_side_it_is() -> None:
    diagnosis = diagnose(healthy_scene().logs(*CLOSED, path="/report", count=3).snapshot())
    found = finding_of(diagnosis, UNEXPLAINED)
    assert (diagnosis.verdict, causes_of(diagnosis)) == ("degraded", [])
    assert (found.variant, found.role, found.confidence, found.repairs) == (None, "contributing", "possible", ())
    assert (found.routes, found.service, found.node) == (("r1",), "backend.service", "local")
    assert found.evidence[0].text.startswith("3 times since 07:59:55 UTC: [error] upstream prematurely closed")
    assert found.summary.startswith("nginx logged 3 failed requests of / within 15 minutes")
    assert found.detail == ("The lines concern the backend, or the way to it.",)
    assert isinstance(verdict_of(diagnosis, UNEXPLAINED), Found)


def test_the_side_of_nginx() -> None:
    scene = healthy_scene().logs("rewrite or internal redirection cycle", None, "internally redirecting to", path="/report")
    assert "nginx itself" in finding_of(diagnose(scene.snapshot()), UNEXPLAINED).detail[0]


def test_what_has_a_cause_is_not_unexplained() -> None:
    diagnosis = diagnose(wrong_port_scene().logs(*CLOSED, path="/report").snapshot())
    assert UNEXPLAINED not in [finding.cause for finding in diagnosis.findings]


def test_advice_explains_only_the_kinds_of_lines_that_it_quotes() -> None:
    """A restart explains that nginx was refused meanwhile, and not that answers are closed since."""
    scene = restarted().logs(*CLOSED, path="/report", ago=5)
    diagnosis = diagnose(scene.snapshot())
    assert diagnosis.verdict == "degraded" and UNEXPLAINED in [finding.cause for finding in diagnosis.findings]
    assert "1 failed request of" in finding_of(diagnosis, UNEXPLAINED).summary, "the refusals are explained"


def test_what_is_over_is_a_note_and_no_verdict() -> None:
    diagnosis = diagnose(healthy_scene().answers(GOOD, GOOD, GOOD).logs(*CLOSED, ago=60, count=2).snapshot())
    assert (diagnosis.verdict, diagnosis.findings) == ("healthy", ())
    assert diagnosis.notes == (
        "nginx logged 2 failed requests of /, the last at 07:59:00 UTC. That is over: 4 requests in a row were answered "
        "since 07:59:00 UTC",)


def test_of_many_locations_the_newest_are_named_and_the_others_counted() -> None:
    scene = Scene(*["127.0.0.1:8000"] * 6).with_service(service(), listener(8000, 200))
    for number in range(6):
        scene.answers(GOOD, GOOD, GOOD, route=number)
        scene.logs(*CLOSED, ago=60 - number, path=f"/{number or ''}")
    said = [note for note in diagnose(scene.snapshot()).notes if "failed request" in note]
    assert [" of /5" in note or " of /4" in note or " of /3" in note for note in said] == [True, True, True, False]
    assert said[-1] == "nginx logged 3 failed requests of 3 more locations, the last at 07:59:02 UTC. That is over, too"


def test_nothing_is_called_over_while_the_page_fails() -> None:
    """A repair changed something, and the page fails as before."""
    scene = healthy_scene().answers(BAD_GATEWAY, BAD_GATEWAY).logs(*CLOSED, ago=60)
    told = diagnose(replace(scene.snapshot(), seconds_since_repair=20.0))
    assert told.verdict == "broken" and not any("over" in note for note in told.notes)
    well = healthy_scene().logs(*CLOSED, ago=60)
    assert any("over" in note for note in diagnose(replace(well.snapshot(), seconds_since_repair=20.0)).notes)


def test_an_operator_may_ignore_it() -> None:
    accepted = IgnoredFinding("i1", UNEXPLAINED, "", "known", "tom", "2099-01-01")
    told = diagnose(healthy_scene().logs(*CLOSED, path="/report").snapshot(), accepted=(accepted,))
    assert (told.verdict, told.findings[0].role) == ("healthy", "advice")
    blind = healthy_scene().logs(*CLOSED, path="/report")
    blind.probes[0] = Unknown("probing was switched off")
    assert diagnose(blind.snapshot(), accepted=(accepted,)).verdict == "unknown"


def test_an_address_that_nobody_can_resolve_is_named() -> None:
    made = healthy_scene().snapshot()
    server = UpstreamServer("$pool", "", 80, None, Span(SITE, 3, 0, 0), variable="pool")
    route = replace(made.routes[0].route, pass_text="http://$pool", servers=(*made.routes[0].route.servers, server))
    diagnosis = diagnose(replace(made, routes=(replace(made.routes[0], route=route),)))
    verdict = verdict_of(diagnosis, UNEXPLAINED)
    assert isinstance(verdict, Undetermined) and verdict.missing[0].startswith("the address in $pool of / ")
    assert any("$pool" in note and "did not connect" in note for note in diagnosis.notes)


def test_an_answer_for_one_page_rules_out_no_cause_of_another_pages_failure() -> None:
    """What closes connections while it answers a page may be what the other page ran into."""
    diagnosis = diagnose(healthy_scene().logs(*CLOSED, path="/report", count=2).snapshot())
    verdict = verdict_of(diagnosis, "crash-killed")
    assert verdict == Undetermined(("why /report fails: fixer asked for other pages (ask for it with --url "
                                    "http://127.0.0.1/report)",))
    assert isinstance(verdict_of(diagnosis, "backend-down"), RuledOut), "it accepts connections, whatever the page"
    assert isinstance(verdict_of(diagnosis, "wrong-host"), RuledOut), "no such line is of it"
    scene = healthy_scene().logs(*CLOSED, path="/report")
    scene.events = [replace(event, request=event.request.replace("GET", "POST")) for event in scene.events]
    posted = diagnose(scene.snapshot())
    assert verdict_of(posted, "crash-killed") == Undetermined(("why /report fails: fixer asked for other pages",))
    odd = diagnose(healthy_scene().logs(*CLOSED, path="/a;rm").snapshot())
    assert "why a page of / fails" in str(verdict_of(odd, "crash-killed"))
    asked = diagnose(healthy_scene().logs(*CLOSED, path="/", ago=60).snapshot())
    assert UNEXPLAINED in [f.cause for f in asked.findings] and isinstance(verdict_of(asked, "crash-killed"), RuledOut)


def test_what_a_stream_server_met_is_told_and_not_judged() -> None:
    """Its backend was gone, and the host was healthy without a word: no page shows what a stream does."""
    scene = healthy_scene().logs("connect() failed (111: Connection refused)", 111, "connecting to upstream", count=2)
    scene.events = [replace(event, request="", server="0.0.0.0:6000", upstream="127.0.0.1:6001") for event in scene.events]
    diagnosis = diagnose(scene.snapshot())
    assert diagnosis.verdict == "healthy"
    assert diagnosis.notes == ("nginx's stream server at 0.0.0.0:6000 failed 2 times at 127.0.0.1:6001, the last at 07:59:55 UTC: "
                               "connect() failed (111: Connection refused). fixer judges pages, and no streams",)


@pytest.mark.parametrize("answers", [Known(()), Unknown("probing was switched off")])
def test_without_probes_nothing_is_healthy(answers: object) -> None:
    scene = healthy_scene()
    scene.probes[0] = answers  # type: ignore[assignment]
    assert diagnose(scene.snapshot()).verdict == "unknown"


def test_what_the_check_before_a_page_met_explains_the_page() -> None:
    """nginx asks /1 for permission, which is late: it logs both."""
    scene = Scene("127.0.0.1:8000", "127.0.0.1:8000").with_service(service(), listener(8000, 200)).answers(GOOD)
    scene.route[1] = {"asked_first": True, "internal": True, "read_timeout": 3.0}
    scene.probes[1] = Unknown("no request leads there")
    scene.logs("upstream timed out (110: Connection timed out)", 110, "reading response header from upstream", count=4)
    scene.events = [replace(event, raw=event.raw + ', subrequest: "/1", upstream: "http://127.0.0.1:8000/1"') for event in scene.events]
    scene.logs("auth request unexpected status: 504", None, "sending to client", path="/page", count=4)
    diagnosis = diagnose(scene.snapshot())
    assert [(found.cause, found.routes) for found in diagnosis.findings] == [("timeout-too-short", ("r2",))]
    assert "/1 needs longer" in diagnosis.findings[0].summary
