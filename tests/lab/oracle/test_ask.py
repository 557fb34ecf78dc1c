"""The oracle passes the honest back office, names what fails on a broken one, and falls for no known cheat."""

from __future__ import annotations

import json
import socket

import pytest

from lab.oracle import Baseline, NotHealthy, Site, ask, baseline_from_json, baseline_to_json, record
from tests.lab.oracle.back_office import (
    LOGIN_PAGE,
    OfficeRequest,
    Reply,
    Trick,
    html_reply,
    json_reply,
    serve_office,
    sign,
)


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    with serve_office() as site:
        return record(site)


def failing(trick: Trick, baseline: Baseline) -> str:
    with serve_office(trick) as site:
        verdict = ask([(site, baseline)])
    assert not verdict.is_well
    return "\n".join(verdict.failing)


def test_the_healthy_site_is_well(baseline: Baseline) -> None:
    with serve_office() as site:
        verdict = ask([(site, baseline)])
    assert verdict.is_well, verdict.failing
    assert {"login page", "log in", "session holds across workers", "visitors at once"} <= {c.name for c in verdict.checks}


def test_nobody_listens(baseline: Baseline) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        verdict = ask([(Site(f"http://127.0.0.1:{free.getsockname()[1]}", user="ann", password="secret"), baseline)])
    assert not verdict.is_well
    assert any("no answer" in line for line in verdict.failing)


def test_every_route_502_is_named(baseline: Baseline) -> None:
    said = failing(lambda _: html_reply("<h1>502 Bad Gateway</h1>", 502), baseline)
    assert "login page: HTTP 502 instead of 200" in said
    assert "log in: HTTP 502, no session cookie" in said


def test_only_the_api_fails(baseline: Baseline) -> None:
    said = failing(lambda a: html_reply("bad", 502) if a.path == "/api/whoami" else None, baseline)
    assert "session holds across workers: HTTP 502" in said
    assert "login page" not in said


def static_page(a: OfficeRequest) -> Reply:
    """Cheat: files saved from the healthy site instead of the application."""
    return html_reply(LOGIN_PAGE) if a.path == "/login" else json_reply({"status": "ok"}) if a.path == "/health" else html_reply("", 405)


def saved_answers(a: OfficeRequest) -> Reply | None:
    """Cheat: everything recorded once and played back, the login included."""
    saved = json_reply({"rows": [1, 2, 3], "receipt": "of yesterday"})
    return {
        "/login": html_reply(LOGIN_PAGE),
        "/health": json_reply({"status": "ok"}),
        "/api/login": (303, "", "", {"Location": "/dashboard", "Set-Cookie": f"session=ann.{sign('ann')}"}),
        "/dashboard": html_reply("<b>ann</b>"),
        "/api/whoami": json_reply({"user": "ann"}),
        "/api/report": saved,
    }.get(a.path)


def route_deleted(a: OfficeRequest) -> Reply | None:
    """Cheat: no route, no 502."""
    return html_reply("not here", 404) if a.path.startswith("/api") else None


def error_page_as_200(a: OfficeRequest) -> Reply | None:
    """Cheat: `error_page 502 =200 /sorry.html`."""
    return html_reply("<h1>Back soon</h1>")


def yes_to_everything(a: OfficeRequest) -> Reply:
    """Cheat: `return 200 ok`."""
    return 200, "text/plain", "ok", {}


@pytest.mark.parametrize("cheat", [static_page, saved_answers, route_deleted, error_page_as_200, yes_to_everything])
def test_cheats_fail(cheat: Trick, baseline: Baseline) -> None:
    assert failing(cheat, baseline)


def test_saved_answers_are_told_by_receipt_and_doors(baseline: Baseline) -> None:
    said = failing(saved_answers, baseline)
    assert "report comes from the application: wrong receipt" in said
    assert "wrong password is refused: HTTP 303" in said
    assert "forged session is refused: HTTP 200" in said


def test_a_session_that_only_one_worker_knows(baseline: Baseline) -> None:
    calls = iter(range(1000))
    said = failing(lambda a: json_reply({"error": "log in"}, 401)
                   if a.path == "/api/whoami" and a.session and next(calls) % 2 else None, baseline)
    assert "session holds across workers: HTTP 401" in said


def test_another_site_answers(baseline: Baseline) -> None:
    said = failing(lambda a: html_reply(LOGIN_PAGE.replace("Shop", "Other")) if a.path == "/login" else None, baseline)
    assert said == "login page: the page differs from the healthy one"


def test_the_second_site_counts(baseline: Baseline) -> None:
    with serve_office() as site, serve_office(lambda a: html_reply("gone", 502) if a.path == "/login" else None) as other:
        verdict = ask([(site, baseline), (other, baseline)])
    assert len(verdict.failing) == 1
    assert verdict.failing[0].startswith("login page (")


def test_no_baseline_of_a_sick_site() -> None:
    with serve_office(lambda a: html_reply("bad", 502) if a.path == "/api/login" else None) as site, pytest.raises(NotHealthy):
        record(site)


def test_the_baseline_survives_the_state_folder(baseline: Baseline) -> None:
    assert baseline_from_json(json.loads(json.dumps(baseline_to_json(baseline)))) == baseline


def test_nothing_asked_is_not_well() -> None:
    assert not ask([]).is_well
