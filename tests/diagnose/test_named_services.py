"""A service that only a finding about an address names, and that ends again and again, is asked why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Diagnosis, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.snapshot import LogLine, Service
from tests.analysis.ownership.test_container_network import behind, member
from tests.causes.crash_dependency_down.crash_dependency_down_builders import NO_NAME
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    STOPPED,
    Scene,
    container_service,
    failed_service,
    finding_of,
    log_lines,
    probe,
    roots,
    verdict_of,
)

TRACE = ("Traceback (most recent call last):", '  File "/srv/app.py", line 1, in <module>')
NO_MODULE = log_lines(*TRACE, "ModuleNotFoundError: No module named 'shop'")
NODE = log_lines("node:internal/modules/cjs/loader:1080", "  throw err;", "Error: Cannot find module 'express'")
NO_FILE = log_lines(*TRACE, "FileNotFoundError: [Errno 2] No such file or directory: '/srv/prices.json'")
RESTARTING = {"status": "restarting", "exit_code": 1, "restart_count": 8, "restart_policy": "always"}


def looping(log: Known[tuple[LogLine, ...]], **box: object) -> Service:
    return replace(member("ledger", 8000, **{**RESTARTING, **box}), pids=(), log=log)


@pytest.mark.parametrize(("log", "cause"), [
    (NO_MODULE, "crash-code-error"), (NODE, "crash-code-error"), (NO_FILE, "crash-file-access"),
    (log_lines("something else"), "crash-loop-gave-up"),
])
def test_the_one_that_a_wrong_port_names_is_asked_why_it_ends(log: Known[tuple[LogLine, ...]], cause: str) -> None:
    """nginx asks a port of a shared network at which nobody is configured: who belongs there is not known."""
    diagnosis = diagnose(behind(looping(log)).snapshot())
    assert roots(diagnosis) == ["wrong-port", cause]
    found = finding_of(diagnosis, cause)
    assert (found.service, found.confidence, found.repairs[0].risk) == ("p-ledger-1", "possible", "manual")
    assert "whether p-ledger-1 belongs behind tunnel:8001 is not known" in found.detail
    assert finding_of(diagnosis, "wrong-port").repairs[0].manual.startswith(f"first mend {cause} (")


def test_a_missing_dependency_of_it_does_not_explain_the_wrong_port() -> None:
    scene = behind(looping(log_lines(*NO_NAME)))
    scene.services.append(container_service("db", 5432, pid=None, is_app_server=False, runtime="", argv=("postgres",), box={
        "status": "exited", "argv": ("postgres",), "networks": (("p_default", "172.18.0.9", ("db", "records")),)}))
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == ["wrong-port", "crash-dependency-down"]
    found = finding_of(diagnosis, "crash-dependency-down")
    assert (found.confidence, [r.risk for r in found.repairs]) == ("possible", ["manual"])


def test_what_keeps_a_known_owner_from_starting_does_not_explain_it_either() -> None:
    box = {"status": "exited", "exit_code": 137, "missing_sources": ("/opt/shop/key.txt",)}
    made = container_service(pid=None, box=box)
    for asked, expected in ((8000, ["unit-misconfigured"]), (8001, ["wrong-port", "unit-misconfigured"])):
        scene = Scene(f"app:{asked}", node="web", back="app").with_service(made).refused()
        assert roots(diagnose(scene.snapshot())) == expected


def elsewhere(made: Service) -> Diagnosis:
    """nginx asks a machine that does not exist; a unit of nginx's own machine would have that port."""
    gone = Known(probe(error="unreachable"))
    scene = Scene("10.7.7.7:8000").with_service(made).answers(BAD_GATEWAY).endpoint(
        node=None, listener=Unknown("outside"), tcp=gone, http=gone, configured_service=None)
    return diagnose(scene.snapshot())


def test_also_the_one_that_a_wrong_host_names() -> None:
    diagnosis = elsewhere(failed_service(log=NO_MODULE))
    assert roots(diagnosis) == ["wrong-host", "crash-code-error"]
    assert {finding.confidence for finding in diagnosis.findings} == {"possible"}


def test_one_that_was_stopped_has_nothing_to_be_asked() -> None:
    assert roots(elsewhere(failed_service(unit_changes=STOPPED))) == ["wrong-host"]
    stopped = looping(log_lines("bye"), status="exited", exit_code=0, restart_count=0)
    assert roots(diagnose(behind(stopped).snapshot())) == ["wrong-port"]


def test_what_its_run_does_not_show_stays_unknown_of_the_address() -> None:
    verdict = verdict_of(diagnose(behind(looping(NO_MODULE)).snapshot()), "crash-missing-env")
    assert isinstance(verdict, Undetermined) and verdict.missing == ("whether p-ledger-1 belongs behind tunnel:8001",)


def test_two_that_are_named_are_not_asked() -> None:
    """Nobody knows which of them is meant."""
    other = replace(looping(NO_MODULE), name="p-desk-1", id="desk/p-desk-1")
    assert "crash-code-error" not in roots(diagnose(behind(looping(NO_MODULE), other).snapshot()))
