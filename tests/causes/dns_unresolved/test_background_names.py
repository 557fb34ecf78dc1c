"""Tests of fixer/causes/dns_unresolved/background_names.py, and of other locations that only nginx itself asks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Known, Unknown
from tests.causes.snapshot_builders import NOW, Scene, error_event, finding_of, listener, probe, roots, service

CAUSE = "dns-unresolved"
NGINX_500 = probe(500, body="<center><h1>500 Internal Server Error</h1></center><hr><center>nginx/1.26.3</center>")
NOWHERE = Unknown("its name does not resolve")


def scene(location: str, *, page: Any = NGINX_500, says: str = "", subrequest: str = "", first: dict[str, Any] | None = None,
          addresses: Any = None, **inner: Any) -> Scene:
    """The page's own backend is well. nginx asks another location by itself, whose name its resolver does not know."""
    made = Scene("127.0.0.1:8000", "ledger:7000").with_service(service(port=8000), listener(8000, 200)).answers(page)
    made.probes[1] = Unknown("internal")
    made.endpoint(1, addresses=Known(()) if addresses is None else addresses, listener=NOWHERE, tcp=NOWHERE, http=NOWHERE, node=None,
                  configured_service=None)
    (server,) = made.snapshot().routes[1].route.servers
    made.route |= {0: first or {}, 1: {"location": location, "path": None, "internal": True, "pass_text": "http://$ledger:7000",
                                       "servers": (replace(server, host="ledger", variable="ledger"),), **inner}}
    if says:
        path = f', subrequest: "{subrequest}"' if subrequest else ""
        made.events.append(error_event(NOW - 2, "error", says, 3, "", "10.0.0.9", "", "GET / HTTP/1.1", "", "log:1",
                                       f'[error] {says}, request: "GET / HTTP/1.1"{path}'))
    return made


LOST = "ledger could not be resolved (3: Host not found)"


@pytest.mark.parametrize("addresses", [Known(()), Unknown("not asked"), Known(("10.9.9.9",))])
def test_a_name_that_only_an_auth_request_leads_to(addresses: Any) -> None:
    made = scene("= /may-i", says=LOST, subrequest="/may-i", first={"auth": "/may-i"}, asked_first=True, addresses=addresses)
    diagnosis = diagnose(made.snapshot())
    found = finding_of(diagnosis, CAUSE)
    assert (found.confidence, set(found.routes)) == ("certain", {"r1", "r2"}) and roots(diagnosis) == [CAUSE]
    assert any(LOST in e.text for e in found.evidence) and not any("no cause" in note for note in diagnosis.notes)


def test_without_a_line_in_the_log_it_is_likely() -> None:
    """nginx logs from `crit` on: nothing else knows the name, and the page's own backend is well."""
    made = scene("= /may-i", first={"auth": "/may-i"}, asked_first=True)
    found = finding_of(diagnose(made.snapshot()), CAUSE)
    assert (found.confidence, set(found.routes)) == ("likely", {"r1", "r2"})
    known = scene("= /may-i", first={"auth": "/may-i"}, asked_first=True, addresses=Known(("10.9.9.9",)))
    assert CAUSE not in [f.cause for f in diagnose(known.snapshot()).findings]
    well = scene("= /may-i", page=probe(200), first={"auth": "/may-i"}, asked_first=True)
    assert not diagnose(well.snapshot()).findings


@pytest.mark.parametrize("inner", [{}, {"internal": False}])
def test_a_name_that_only_an_error_page_leads_to(inner: dict[str, Any]) -> None:
    location = "@sorry" if inner else "= /sorry.html"
    found = finding_of(diagnose(scene(location, says=LOST, **inner).snapshot()), CAUSE)
    assert "r2" in found.routes and found.role == "root"


def test_a_name_that_a_page_is_assembled_from() -> None:
    made = scene("= /part", says=LOST, subrequest="/part", included=True)
    assert "r2" in finding_of(diagnose(made.snapshot()), CAUSE).routes


@pytest.mark.parametrize(("subrequest", "told"), [("/_mirror", True), ("/_other", False)])
def test_a_mirror_loses_nothing_of_the_page(subrequest: str, told: bool) -> None:
    diagnosis = diagnose(scene("= /_mirror", page=probe(200), says=LOST, subrequest=subrequest).snapshot())
    advice = [(f.cause, f.role) for f in diagnosis.findings]
    assert diagnosis.verdict == "healthy" and advice == ([(CAUSE, "advice")] if told else [])


def test_another_name_in_the_log_blames_no_location() -> None:
    made = scene("= /may-i", says=LOST.replace("ledger", "ledger2"), first={"auth": "/may-i"}, asked_first=True,
                 addresses=Known(("10.9.9.9",)))
    assert CAUSE not in [f.cause for f in diagnose(made.snapshot()).findings]
