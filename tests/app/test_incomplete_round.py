"""A start that is in vain shows why the service is down: that is repaired then, or named with what it needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from fixer.app import repair
from fixer.app import repair_session as courses
from fixer.app.incomplete_round import abandon_round
from fixer.app.repair import _Rounds
from fixer.app.repair_session import RepairSession, SessionResult, plan_identity
from fixer.app.request import DiagnoseRequest, RepairRequest
from fixer.app.wait_until_stable import StableState
from fixer.apply.repair_run import Restoration
from fixer.diagnose.run_causes import diagnose
from fixer.errors import NotListening, StepFailed
from fixer.model.plan import Plan, ReloadNginx
from fixer.model.service import Service
from fixer.terminal import Terminal
from fixer.verify import Observation, Verification
from tests.apply.folder_target import FolderTarget
from tests.causes.snapshot_builders import BAD_GATEWAY, Scene, failed_service, healthy_scene, log_lines, stopped_service

SAID = log_lines('  File "/srv/shop/main.py", line 2, in <module>', '    os.environ["SHOP_SALT"]', "KeyError: 'SHOP_SALT'")


def look(member: Service) -> Observation:
    seen = Scene().with_service(member).refused().answers(BAD_GATEWAY).snapshot()
    return Observation(seen, diagnose(seen))


class VainRun:
    """Every round ends as a unit that ended at once makes it end."""

    id, kept, applied, taken_back = "run", False, (), Restoration()

    def round(self, plan: Plan, tell: object = None) -> None:
        raise StepFailed("backend.service ended right after its start (exit-code, status 1)", "the round was rolled back completely")

    def roll_back(self) -> Restoration:
        return Restoration()


def ended(after: Observation, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[SessionResult, RepairSession]:
    """The end of a repair whose start of a stopped service is in vain, and what is seen then."""
    before = look(stopped_service())
    assert before.diagnosis.findings[0].cause == "backend-down"
    course = RepairSession(FolderTarget(folder), RepairRequest(DiagnoseRequest(), False, True, None, None, {}), Terminal(), before, before)
    monkeypatch.setattr(courses, "observe_and_diagnose", lambda *words, **more: after)
    monkeypatch.setattr(_Rounds, "_opened", lambda self, cause: VainRun())
    with ExitStack() as stack:
        return _Rounds(course, stack).run(), course


def test_what_a_vain_start_lays_bare_is_named_with_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    end, course = ended(look(failed_service(log=SAID)), tmp_path, monkeypatch)
    assert course.current.diagnosis.findings[0].cause == "crash-missing-env"
    assert (end.outcome, end.exit_code) == ("needs-input", 4)
    assert any("SHOP_SALT" in item.flag for item in course.withheld)


def test_what_another_service_lacks_can_still_be_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    end, course = ended(look(failed_service("other.service", log=SAID)), tmp_path, monkeypatch)
    assert (end.outcome, end.exit_code) == ("needs-input", 4)
    assert "start backend.service (backend-down): backend.service ended right after its start" in end.notes[0]
    assert any("SHOP_SALT" in item.flag for item in course.withheld)


class DeafRun(VainRun):
    """Every round starts what it should, and nothing listens then."""

    def round(self, plan: Plan, tell: object = None) -> None:
        raise NotListening("nothing listens on 127.0.0.1:8000 of local after 60 s", "")


def test_what_runs_and_never_listens_says_why_before_it_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A parent whose workers end over the code stays: after the way back nothing would tell why."""
    said = look(failed_service(log=log_lines("  File \"/srv/shop/main.py\", line 2, in <module>", "    import nothere", "ModuleNotFoundError: No module named 'nothere'")))
    looks = iter([said])
    monkeypatch.setattr(repair, "observe_until_stable", lambda *words: StableState(next(looks), Verification(False, False, ("still",))))
    monkeypatch.setitem(globals(), "VainRun", DeafRun)
    end, _ = ended(look(stopped_service()), tmp_path, monkeypatch)
    assert (end.outcome, end.exit_code) == ("rolled-back", 1)
    assert "Its start showed why: backend.service" in end.notes[0] and "(crash-code-error)" in end.notes[0]
    assert any("nothere" in note for note in end.notes[1:])


class MadeRun(VainRun):
    """Every round does what it should: a socket accepts, and the service behind it ends at the first connection."""

    def round(self, plan: Plan, tell: object = None) -> None:
        return None


def test_what_a_start_shows_after_it_counted_as_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not better, and taken back; what its log says by now is repaired, not set aside with what it was taken for."""
    after = look(failed_service(log=SAID))
    monkeypatch.setattr(repair, "observe_until_stable", lambda *words: StableState(after, Verification(False, False, ())))
    monkeypatch.setitem(globals(), "VainRun", MadeRun)
    end, course = ended(after, tmp_path, monkeypatch)
    assert (end.outcome, end.exit_code, course.abandoned) == ("needs-input", 4, [])
    assert any("SHOP_SALT" in item.flag for item in course.withheld)


def without_nginx(member: Service) -> Observation:
    scene = Scene().with_service(member).refused().answers(BAD_GATEWAY)
    scene.nginx.update(master_pid=None, worker_pids=())
    seen = scene.snapshot()
    return Observation(seen, diagnose(seen))


@pytest.mark.parametrize(("touches", "unread", "tries"), [(False, False, 2), (True, True, 2), (True, False, 1)])
def test_a_round_during_which_nginx_ended_by_another_hand_comes_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, touches: bool, unread: bool, tries: int,
) -> None:
    """Not one that had it read something: that may be what it ended over."""
    before, after = look(stopped_service()), without_nginx(stopped_service())
    found = before.diagnosis.findings[0]
    assert {f.cause for f in after.diagnosis.findings} >= {"nginx-down", "backend-down"}
    course = RepairSession(FolderTarget(tmp_path), RepairRequest(DiagnoseRequest(), False, True, None, None, {}), Terminal(), before, after)
    repair = found.repairs[0]
    reload = ReloadNginx("local", 100, "/usr/sbin/nginx", "/etc/nginx/nginx.conf", "/etc/nginx", "/var/log/nginx/error.log")
    steps = (*repair.steps, reload) if touches else repair.steps
    drawn = Plan(found.cause, repair.id, repair.risk, repair.summary, steps)
    for count in (1, 2):
        course.attempted.add(plan_identity(before, found, repair))
        abandon_round(course, before, drawn, found, ("nginx does not run", ""), unread=unread)
        assert bool(course.abandoned) is (count == tries) and (not course.attempted) is (count < tries)
        if course.abandoned:
            return


def test_a_round_that_only_did_not_help_is_set_aside(tmp_path: Path) -> None:
    before = look(stopped_service())
    found = before.diagnosis.findings[0]
    course = RepairSession(FolderTarget(tmp_path), RepairRequest(DiagnoseRequest(), False, True, None, None, {}), Terminal(), before, before)
    repair = found.repairs[0]
    abandon_round(course, before, Plan(found.cause, repair.id, repair.risk, repair.summary, repair.steps), found, ("x", ""))
    assert course.abandoned


@pytest.fixture(params=["the same", "nothing"])
def nothing_new(request: pytest.FixtureRequest) -> Iterator[Observation]:
    yield look(stopped_service()) if request.param == "the same" else look(failed_service())


def test_nothing_new_is_the_end(nothing_new: Observation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    end, _ = ended(nothing_new, tmp_path, monkeypatch)
    assert (end.outcome, end.exit_code) == ("rolled-back", 1)
    assert "start backend.service (backend-down): backend.service ended right after its start" in end.notes[0]


@pytest.mark.parametrize(("result", "cause"), [("exit-code", "crash-missing-env"), ("success", "backend-down"), ("exec-condition", "backend-down")])
def test_a_crash_loop_that_was_stopped_in_its_pause_is_still_a_crash(result: str, cause: str) -> None:
    """As a start in vain leaves it when it is taken back: inactive, with the result of its last run."""
    seen = look(stopped_service(log=SAID, unit_changes={"result": result, "exec_main_code": 1, "exec_main_status": 1}))
    assert seen.diagnosis.findings[0].cause == cause


class KeptRun(VainRun):
    """A round that helped."""

    kept, open_round = True, 1

    def commit(self, unmeasured: tuple[str, ...] = (), *, on_credit: bool = False) -> None:
        assert not on_credit


def test_what_a_look_right_after_cannot_tell_is_said_where_it_is_kept(tmp_path: Path) -> None:
    before = look(stopped_service())
    seen = healthy_scene().snapshot()
    well = Observation(seen, diagnose(seen))
    course = RepairSession(FolderTarget(tmp_path), RepairRequest(DiagnoseRequest(), False, True, None, None, {}), Terminal(), before, before)
    repair = replace(before.diagnosis.findings[0].repairs[0], doubt="whether 128M is enough is not proven")
    found = replace(before.diagnosis.findings[0], repairs=(repair,))
    drawn = Plan(found.cause, repair.id, repair.risk, repair.summary, repair.steps)
    with ExitStack() as stack:
        rounds = _Rounds(course, stack)
        rounds._run = KeptRun()      # type: ignore[assignment]
        settled = StableState(well, Verification(True, True, ()))
        rounds._keep(rounds._run, drawn, found, settled, "gone")       # type: ignore[arg-type]
        end = rounds._healthy_result()
    assert end is not None and end.outcome == "repaired" and "whether 128M is enough is not proven" in end.notes
