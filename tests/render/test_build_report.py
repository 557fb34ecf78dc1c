"""From the model to the report: routes, probes, repairs in words, verdicts of every cause."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Check, Diagnosis, Need, Repair, RuledOut, Undetermined
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.plan import WriteFile
from fixer.render.build_report import build_report, repair_report
from tests.causes.nginx_down.nginx_down_builders import no_nginx
from tests.causes.snapshot_builders import BAD_GATEWAY, GOOD, REFUSED, SLOW, Scene, healthy_scene, wrong_port_scene


def test_a_wrong_port_is_reported_with_its_change() -> None:
    seen = wrong_port_scene().snapshot()
    report = build_report(seen, diagnose(seen), duration_ms=12.34, notes=("a note", "a note"))
    assert (report.schema_version, report.target, report.verdict, report.duration_ms) == (1, "local", "broken", 12.3)
    assert report.notes[0] == "a note" and report.notes.count("a note") == 1
    route = report.routes[0]
    assert (route.listen, route.endpoints, route.state) == ("0.0.0.0:80", ("127.0.0.1:8001",), "failing")
    assert route.probe is not None and route.probe.status == 502
    finding = report.findings[0]
    assert finding.cause == "wrong-port" and finding.evidence
    assert "-    location / { proxy_pass http://127.0.0.1:8001; }" in finding.repairs[0].diff
    assert {check.verdict for check in report.checks} >= {"found"}


def test_every_verdict_is_told() -> None:
    seen = healthy_scene().snapshot()
    evidence = (Evidence("unit", "u", "active"),)
    checks = (Check("a", RuledOut(evidence)), Check("b", Undetermined(("not root",))))
    report = build_report(seen, Diagnosis("healthy", (), checks, ()), duration_ms=1)
    assert [(c.verdict, c.evidence, c.missing) for c in report.checks] == [
        ("ruled-out", evidence, ()), ("undetermined", (), ("not root",)),
    ]
    assert report.routes[0].state == "unknown"


def test_a_report_does_not_rule_out_what_its_fault_hides() -> None:
    scene = wrong_port_scene().snapshot()
    checks = {check.cause: check for check in build_report(scene, diagnose(scene), duration_ms=1.0).checks}
    assert (checks["header-too-big"].verdict, checks["header-too-big"].missing) == (
        "undetermined", ("what shows once wrong-port is repaired",))
    assert checks["firewall-drop"].verdict == "ruled-out" and checks["firewall-drop"].evidence


def test_a_backend_that_answers_directly_rules_out_its_end_while_nginx_is_down() -> None:
    open_checks = {}
    for answer in (GOOD, BAD_GATEWAY, REFUSED):
        seen = no_nginx().snapshot()
        seen = replace(seen, endpoints=tuple(replace(end, http=Known(answer)) for end in seen.endpoints))
        checks = {check.cause: check.verdict for check in build_report(seen, diagnose(seen), duration_ms=1.0).checks}
        open_checks[answer.status] = checks["crash-code-error"], checks["no-live-upstreams"]
    assert open_checks == {200: ("ruled-out", "undetermined"), 502: ("undetermined",) * 2, None: ("undetermined",) * 2}


@pytest.mark.parametrize(("probes", "status"), [((GOOD, BAD_GATEWAY, GOOD), 502), ((GOOD, SLOW, BAD_GATEWAY), None), ((GOOD,), 200)])
def test_the_worst_probe_is_reported(probes: tuple, status: int | None) -> None:  # type: ignore[type-arg]
    seen = healthy_scene().answers(*probes).snapshot()
    probe = build_report(seen, diagnose(seen), duration_ms=1).routes[0].probe
    assert probe is not None and probe.status == status


def test_no_probe_is_null() -> None:
    seen = healthy_scene().snapshot()
    facts = seen.routes[0]
    for probes in (Unknown("not asked"), replace(facts, probes=facts.probes).probes):
        report = build_report(replace(seen, routes=(replace(facts, probes=probes),)), diagnose(seen), duration_ms=1)
        assert (report.routes[0].probe is None) is isinstance(probes, Unknown)
    assert build_report(healthy_scene().answers().snapshot(), diagnose(seen), duration_ms=1).routes[0].probe is None


def test_addresses_are_written_as_people_write_them() -> None:
    for changes, text in (({"unix": "/run/a.sock"}, "unix:/run/a.sock"), ({"host": "::1"}, "[::1]:8000")):
        seen = Scene().endpoint(**changes).snapshot()
        assert build_report(seen, diagnose(seen), duration_ms=1).routes[0].endpoints == (text,)


def test_a_secret_never_has_a_default() -> None:
    needs = (Need("K", "secret", "why", default="hunter2"), Need("n", "value", "why", default="4"))
    report = repair_report(Repair("x", "safe", "s", (), needs, manual="do it", waits=True))
    assert [need.default for need in report.needs] == [None, "4"]
    assert report.steps == ("do it",) and report.waits


def test_masked_bytes_are_in_no_diff() -> None:
    step = WriteFile("local", "/etc/app.env", b"A=1\n", b"A=1\nK=hunter2\n", "give it", mask=(b"hunter2",))
    report = repair_report(Repair("x", "disruptive", "s", (step,)))
    assert "hunter2" not in report.diff + " ".join(report.steps)
    assert "+K=" in report.diff


@pytest.mark.parametrize(("tls", "port", "scheme"), [(True, 8443, "https"), (False, 443, "http"), (True, 443, "https")])
def test_how_a_listener_is_spoken_to_is_told_by_the_listener(tls: bool, port: int, scheme: str) -> None:
    seen = healthy_scene().snapshot()
    route = seen.routes[0].route
    listens = tuple(replace(listen, tls=tls, port=port) for listen in route.listens)
    facts = replace(seen.routes[0], route=replace(route, listens=listens))
    report = build_report(replace(seen, routes=(facts,)), diagnose(seen), duration_ms=1)
    assert listens and report.routes[0].scheme == scheme


def test_a_report_tells_host_and_time_and_which_nodes_were_not_read_as_root() -> None:
    seen = wrong_port_scene().snapshot()
    (node,) = seen.nodes
    report = build_report(seen, diagnose(seen), duration_ms=1, host="web1")
    assert (report.host, report.observed_at, report.without_root) == ("web1", seen.taken_at, ())
    engine = replace(node, name="engine", root=False)
    seen = replace(seen, nodes=(replace(node, root=False), engine))
    assert build_report(seen, diagnose(seen), duration_ms=1).without_root == (node.name,)


def test_the_address_of_a_page_holds_no_secret() -> None:
    """A webhook's path is one, and `--url` or a redirect may lead there."""
    seen = healthy_scene().answers(GOOD, replace(BAD_GATEWAY, page="/hook/Zx9Kq7LmT4vB2nW8")).snapshot()
    report = build_report(seen, diagnose(seen), duration_ms=1)
    places = [e.where for part in (*report.findings, *report.checks) for e in part.evidence if e.source == "probe"]
    assert any("/hook/[masked" in place for place in places) and not any("Zx9K" in place for place in places)
