"""What undo says when there is nothing left to take back."""

from __future__ import annotations

from fixer.lazy.dataclass import replace
from fixer.model.report import UndoResult, VerifyResult
from fixer.render.build_report import build_report
from fixer.render.outcome_text import failure_text, history_text, repair_text, undo_text, verify_text
from fixer.render.terminal_text import Style
from fixer.verify import proofs
from tests.render import report_samples as s
from tests.render.report_samples import REPAIRED
from tests.verify_builders import two_routes, with_health


def test_nothing_to_undo_is_one_line() -> None:
    assert undo_text(UndoResult(1, "local", None, (), (), (), ("nothing to undo: \x1b[31mx",))).count("\n") == 1


def test_a_run_that_is_back_already_says_so() -> None:
    assert undo_text(UndoResult(1, "local", "r1", (), (), (), ("run r1 is undone",))) == "run r1 is undone\n"


# A disk that takes nothing in the middle of the way back: no hand edit, so the journal stays open until it does
# again.


def test_nobody_is_told_that_nothing_was_kept() -> None:
    note = "not everything could be rolled back: edit /etc/x: not undone, Read-only file system"
    said = repair_text(replace(REPAIRED, outcome="rolled-back", exit_code=1, after=replace(REPAIRED.after, notes=(note,))))
    assert "Tried without success; not everything could be rolled back." in said and "no change is in force" not in said


def test_whoever_repaired_can_take_it_back() -> None:
    """The journal of an ordinary user is no root's to find."""
    assert "Undo it: sudo fixer undo --id" in repair_text(s.REPAIRED)
    assert "Undo it: fixer undo --id" in repair_text(s.REPAIRED, root=False)


def test_no_run_is_said() -> None:
    assert history_text(replace(s.HISTORY, runs=())) == "No repair has run on local.\n"
    assert history_text(replace(s.HISTORY, runs=(), notes=("root's",))) == "No repair has run on local.\n  note: root's\n"


def test_a_failure_is_one_line_and_a_hint() -> None:
    assert failure_text("no", "") == "fixer: no\n"
    assert failure_text("no", "do that") == "fixer: no\n  do that\n"


def test_a_route_that_answers_in_part_is_not_called_one_that_does_not_answer() -> None:
    base = two_routes()
    half = with_health(base, "degraded", "failing")
    partly, failed = (proof for proof in proofs(half) if proof.check == "route-answers")
    assert (partly.state, partly.partly, failed.state, failed.partly) == ("failed", True, "failed", False)
    report = build_report(half.snapshot, half.diagnosis, duration_ms=0.0)
    text = verify_text(VerifyResult(report, (partly, failed)))
    assert [line.split("/")[0].split() for line in text.splitlines() if "route" in line] == [
        ["!", "the", "route", "fails", "for", "some", "requests"], ["FAIL", "the", "route", "answers", "through", "nginx"]]


def test_a_repair_that_waits_for_an_operator_shows_the_evidence() -> None:
    page = repair_text(replace(s.WAITS_FOR_OPERATOR, after=s.BROKEN))
    assert "  wrong-port - certain\n" in page and "proxy_pass http://127.0.0.1:8001;" in page
    assert page.index("proxy_pass") < page.index("Withheld (2):")
    assert "proxy_pass" not in repair_text(replace(s.WAITS_FOR_OPERATOR, after=s.BROKEN, outcome="rolled-back", exit_code=1))


def test_a_proof_whose_words_do_not_fit_beside_its_name_stands_below_it() -> None:
    where = "/etc/nginx/sites-available/shop-orders-backend.conf"
    proof = replace(s.VERIFIED.proof[0], where=where)
    page = verify_text(replace(s.VERIFIED, proof=(proof,)), Style(width=70))
    assert f"  OK   nginx accepts its configuration:\n    {where}: nginx -t\n      passes\n" in page
    assert f"nginx accepts its configuration {where}: nginx\n" not in page


def test_a_repair_that_only_its_mechanism_proves_is_not_said_to_be_proven() -> None:
    both, one = (replace(REPAIRED, applied=steps) for steps in (
        ("edit /etc/x (proof: mechanism)", "reload nginx (proof: mechanism)"), ("edit /etc/x (proof: mechanism)", "start app")))
    assert "Repaired: the cause is gone. Only its page can prove more." in repair_text(both)
    assert "a new observation proves it" in repair_text(one)


def test_an_error_of_the_application_is_not_called_healthy() -> None:
    failing = replace(s.HEALTHY, routes=tuple(replace(route, passed_on=True) for route in s.HEALTHY.routes))
    page = repair_text(replace(s.NOTHING, after=failing), Style())
    assert page.startswith("! Nothing to repair in front of the application") and "healthy" not in page.splitlines()[0]
