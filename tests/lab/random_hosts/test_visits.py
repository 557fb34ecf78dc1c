"""Tests of lab/random_hosts/visits.py that need no Docker."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from lab.random_hosts import visits
from lab.random_hosts.running_machine import RunningMachine
from lab.random_hosts.visits import VARYING, Signature, Visitors, answers_alike, logged_failures, site_of
from tests.lab.random_hosts.builders import host_of_kind

LINE = ('2026/11/29 04:40:00 [error] 95#95: *{n} connect() failed (111: Connection refused) while connecting to upstream, '
        'client: 172.17.0.1, server: _, request: "GET {page} HTTP/1.1", upstream: "http://127.0.0.1:8499{page}", host: "x"')


def test_the_same_failure_of_two_pages_is_one() -> None:
    text = "\n".join(LINE.format(n=n, page=page) for n, page in enumerate(("/login", "/health", "/api/whoami", "/api/report?nonce=7")))
    assert logged_failures(text) == {
        "connect() failed (111: Connection refused) while connecting to upstream 127.0.0.1:8499"}


def test_the_address_that_docker_gave_a_container_is_left_out() -> None:
    """The next start gives another: the failure is the same."""
    one, two = (LINE.format(n=1, page="/login").replace("127.0.0.1", address) for address in ("172.18.0.3", "172.18.0.5"))
    assert logged_failures(one) == logged_failures(two)


@pytest.mark.parametrize("place", ["127.0.0.1:8499/login", "unix:/run/office/office.sock:/login"])
def test_what_speaks_to_nobody_fails_alike_in_every_scheme(place: str) -> None:
    """The scheme is what nginx's files say: no request came so far that it would matter."""
    plain, tls = (LINE.format(n=1, page="/login").replace("http://127.0.0.1:8499/login", f"{scheme}://{place}")
                  for scheme in ("http", "https"))
    assert logged_failures(plain) == logged_failures(tls) != frozenset()
    met = tls.replace("connect() failed (111: Connection refused) while connecting", "SSL_do_handshake() failed while SSL handshaking")
    assert logged_failures(met) != logged_failures(plain)


def test_notices_are_no_failures() -> None:
    assert logged_failures("2026/11/29 04:40:00 [notice] 95#95: signal process started") == frozenset()


def test_a_host_is_well_if_every_page_answers_as_it_should() -> None:
    assert Signature((200, 200, 401, 401, 200), frozenset()).is_well
    assert not Signature((200, 200, 401, 401, 504), frozenset()).is_well


def test_visitors_use_the_name_and_the_login_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.random_hosts.running_host.docker_engine.published_port", lambda *_: 8080)
    host = RunningMachine(host_of_kind("machine"), "no-such-container")
    site = site_of(host)
    assert (site.host, site.user) == (host.spec.values["visit_name"], host.spec.values["login"])
    assert site.url.startswith(host.spec.values["front_scheme"])


def test_waiting_ends_when_the_condition_holds_or_the_time_is_over() -> None:
    assert not Visitors._times_out(lambda: True, 0.0)
    assert Visitors._times_out(lambda: False, 0.0)


def test_somebody_goes_on_visiting_until_the_end_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    visited, enough = [], threading.Event()

    def ask(self: Visitors) -> None:
        visited.append(1)
        if len(visited) == 3:
            enough.set()

    monkeypatch.setattr(visits, "VISIT_SECONDS", 0.001)
    monkeypatch.setattr(Visitors, "_ask_report", ask)
    before = threading.active_count()
    with Visitors(RunningMachine(host_of_kind("machine"), "no-such-container")).keep_visiting():
        assert enough.wait(60)
    assert threading.active_count() == before


WELL = Signature((200, 200, 401, 401, 200), frozenset())
ONE, OTHER = Signature((500, 502, 500, 500, 500), frozenset({"a"})), Signature((500, 500, 500, 500, 500), frozenset({"b"}))


def _begins(monkeypatch: pytest.MonkeyPatch, *looks: Signature, failing: tuple[str, ...] = ()) -> Signature | None:
    """What is concluded from these looks, the last ones again and again."""
    turn = iter(range(10_000))
    clock = iter(range(10_000))
    monkeypatch.setattr(visits.time, "sleep", lambda _: None)
    monkeypatch.setattr(visits.time, "monotonic", lambda: next(clock) / 2)
    monkeypatch.setattr(Visitors, "signature", lambda _: looks[next(turn) % len(looks)])
    monkeypatch.setattr(Visitors, "failing", lambda _: failing)
    return Visitors(RunningMachine(host_of_kind("machine"), "no-such-container")).begins_to_fail()


def test_a_host_fails_if_it_fails_the_same_way_twice_or_for_long_in_changing_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _begins(monkeypatch, WELL, ONE, ONE) == ONE
    assert _begins(monkeypatch, WELL, failing=("login page",)) == WELL
    assert _begins(monkeypatch, ONE, OTHER) == Signature((500, visits.VARYING, 500, 500, 500), frozenset({"a", "b"}))


def test_two_looks_alike_prove_nothing_while_nginx_runs_out_of_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which page meets that is chance: an undo was judged by one moment that another moment did not repeat."""
    out, other = (replace(one, logged=frozenset({"768 worker_connections are not enough while connecting to upstream 127.0.0.1:80"}))
                  for one in (ONE, OTHER))
    assert _begins(monkeypatch, out, out, other) == replace(out, statuses=(500, VARYING, 500, 500, 500))
    assert _begins(monkeypatch, out) == out
    assert _begins(monkeypatch, out, WELL) is None


def test_a_host_that_is_well_now_and_then_does_not_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _begins(monkeypatch, WELL) is None
    assert _begins(monkeypatch, ONE, OTHER, ONE, WELL) is None


def test_pages_answer_alike_whatever_is_logged_and_a_changing_status_is_like_any() -> None:
    error, hanging = Signature((500,) * 5, frozenset({"socket() failed"})), Signature((0,) * 5, frozenset())
    assert answers_alike(error, Signature((500,) * 5, frozenset())) and not answers_alike(error, hanging)
    assert answers_alike(error, Signature((500, 500, VARYING, 500, 500), frozenset()))


@pytest.mark.parametrize(("first", "left"), [((502,) * 5, (500,) * 5), ((0,) * 5, (0,) * 5)])
def test_it_is_waited_until_the_pages_answer_in_one_of_the_ways(first: tuple[int, ...], left: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    seen = iter([Signature(first, frozenset()), Signature(left, frozenset())])
    monkeypatch.setattr(visits, "FAIL_SECONDS", 2.0 if first != left else 0.0)
    monkeypatch.setattr(Visitors, "signature", lambda self: next(seen))
    visitors = Visitors(RunningMachine(host_of_kind("machine"), "no-such-container"))
    assert visitors.comes_to_answer((Signature((500,) * 5, frozenset()),)).statuses == left
