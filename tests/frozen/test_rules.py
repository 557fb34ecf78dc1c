"""Rules of the verdict that hold for every capture of a real deployment."""

from __future__ import annotations

import json

import pytest

from fixer.analysis.case import open_case
from fixer.causes import load_causes
from fixer.diagnose.run_causes import NOTHING_SEEN, diagnose
from fixer.diagnose.triggers import is_triggered, runless_verdict, triggers_of, untriggered_verdict
from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import AT_FAULT, UNEXPLAINED, RuledOut, Undetermined
from fixer.model.facts import Unknown
from fixer.model.snapshot import Snapshot
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.evidence_bundle import unpack_bundle
from fixer.verify import Observation, proofs
from tests.frozen import captures
from tests.frozen.comparing import read
from tests.frozen.same import HERE, PARTS

EACH = 10        # one of ten captures, always the same ones


@pytest.fixture(scope="module")
def seen() -> list[Observation]:
    snapshots = [build_snapshot(unpack_bundle(bundle))
                 for _, bundle in captures.unpacked(wanted=lambda place, name: place % EACH == 0)]
    return [Observation(snapshot, diagnose(snapshot)) for snapshot in snapshots]


def blind(snapshot: Snapshot) -> Snapshot:
    """The same without a probe, as with --no-probe."""
    return replace(
        snapshot, routes=tuple(replace(facts, probes=Unknown("probing was switched off")) for facts in snapshot.routes),
        endpoints=tuple(replace(end, tcp=Unknown("not asked"), http=Unknown("not asked")) for end in snapshot.endpoints))


@pytest.mark.slow
def test_verify_proves_what_diagnose_says(seen: list[Observation]) -> None:
    for look in seen:
        failed = [proof for proof in proofs(look) if proof.state == "failed" and proof.check != "nginx-test"]
        assert not (look.is_healthy and failed), failed


@pytest.mark.slow
def test_without_probes_nothing_is_called_healthy(seen: list[Observation]) -> None:
    assert not [look for look in seen if diagnose(blind(look.snapshot)).verdict == "healthy"]


@pytest.mark.slow
def test_a_cause_that_nothing_triggers_would_say_the_same(seen: list[Observation]) -> None:
    asked = 0
    for look in seen:
        case = open_case(look.snapshot, {})
        present, untold = triggers_of(case), untriggered_verdict(case)
        silent = [cause for cause in load_causes() if not is_triggered(cause.id, present)]
        assert [cause.id for cause in silent if cause.verdict(case) != untold] == []
        asked += len(silent)
    assert asked > 100


@pytest.mark.slow
def test_a_cause_of_runs_would_say_the_same_where_none_failed(seen: list[Observation]) -> None:
    spared = 0
    for look in seen:
        case = open_case(look.snapshot, {})
        present = triggers_of(case)
        for cause in load_causes():
            told = runless_verdict(cause.id, case, present)
            assert told is None or told == cause.verdict(case), cause.id
            spared += told is not None and is_triggered(cause.id, present)
    assert spared > 40


@pytest.mark.slow
def test_a_failure_without_a_cause_quotes_its_line_and_offers_nothing(seen: list[Observation]) -> None:
    for look in seen:
        for found in look.diagnosis.findings:
            if found.cause == UNEXPLAINED:
                assert (found.variant, found.role, found.confidence, found.repairs) == (None, "contributing", "possible", ())
                assert found.routes and found.evidence[0].source == "nginx-log"
                assert not look.is_healthy


@pytest.mark.slow
def test_the_same_lines_an_hour_later_are_history(seen: list[Observation]) -> None:
    for look in seen:
        nginxes = tuple(replace(nginx, errors=replace(nginx.errors, value=tuple(
            replace(event, at=event.at - 3600) for event in nginx.errors.value))) if hasattr(nginx.errors, "value") else nginx
            for nginx in look.snapshot.nginxes)
        later = diagnose(replace(look.snapshot, nginxes=nginxes))
        assert UNEXPLAINED not in [finding.cause for finding in later.findings]


def test_a_repair_that_only_its_mechanism_proves_is_never_safe() -> None:
    """Of every frozen answer, of captures and of the inputs of the cause tests."""
    offered = {"answers": 0, "mechanism": 0}
    for part in PARTS:
        for key, answer in read(HERE / f"{part}.jsonl.xz").items():
            for found in json.loads(answer)["report"]["findings"]:
                for repair in found["repairs"]:
                    offered[repair["proof"]] += 1
                    assert repair["proof"] == "answers" or repair["risk"] != "safe", (key, found["cause"], repair["id"])
                    assert repair["proof"] == "answers" or (found["routes"] and found["role"] in AT_FAULT), key
    assert min(offered.values()) > 100


@pytest.mark.slow
def test_a_route_that_fails_constantly_is_proof_by_answers(seen: list[Observation]) -> None:
    for look in seen:
        failing = {entry.route for entry in look.diagnosis.health if entry.state == "failing"}
        proofs_given = {repair.proof for found in look.diagnosis.findings if failing & {*found.routes}
                        for repair in found.repairs}
        assert proofs_given <= {"answers"}


@pytest.mark.slow
def test_what_is_ruled_out_names_what_rules_it_out(seen: list[Observation]) -> None:
    bare = (RuledOut(()), Undetermined((NOTHING_SEEN,)))
    assert [check.cause for look in seen for check in look.diagnosis.checks if check.verdict in bare] == []
