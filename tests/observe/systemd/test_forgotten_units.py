"""A unit whose failure systemd has forgotten: its journal still tells it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from fixer.model.facts import Known
from fixer.model.query import Answer, FileAnswer, ReadFile
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.systemd.forgotten_units import with_journal_state
from fixer.observe.systemd.unit_journal import journal_query
from fixer.observe.view.node_view import View
from fixer.observe.view.observe_options import ObserveOptions
from tests.causes.snapshot_builders import STOPPED, unit
from tests.observe.capture_builders import BOOT, capture, file, node, process, view
from tests.observe.next_queries_builders import SITE, asked
from tests.observe.nginx.endpoints_builders import SHOW

KILLED = ("systemd[1]: solo.service: Main process exited, code=killed, status=11/SEGV",
          "systemd[1]: solo.service: Failed with result 'signal'.")
AGAIN = ("systemd[1]: solo.service: Scheduled restart job, restart counter is at 6.", "systemd[1]: Started solo.service - Solo.")


def told(lines: Sequence[str], at: float = BOOT + 100) -> Answer:
    return Answer("ok", "".join(f"{at + n / 100:.6f} host {line}\n" for n, line in enumerate(lines)).encode())


def seen() -> View:
    return view()


def test_a_failure_that_was_reset_is_recalled() -> None:
    found = with_journal_state(unit("solo.service", **STOPPED), told(("systemd[1]: Started solo.service.", *KILLED)), seen())
    assert (found.result, found.exec_main_code, found.exec_main_status, found.is_from_journal) == ("signal", 2, 11, True)


def test_a_start_that_a_condition_passed_over_came_after_the_failure() -> None:
    """It is down for the condition; what it failed over before shows when it is started once more."""
    passed = unit("solo.service", **{**STOPPED, "condition_result": False})
    said = told(("systemd[1]: Started solo.service.", *KILLED))
    assert with_journal_state(passed, said, seen()) == passed


# A unit whose working directory is not there, started again and again, and stopped while it was tried once more.
TRY = ("systemd[1]: Started solo.service - Solo.", "(uvicorn)[169]: solo.service: Failed at step CHDIR spawning /x: No such file or directory",
       "systemd[1]: solo.service: Main process exited, code=exited, status=200/CHDIR",
       "systemd[1]: solo.service: Failed with result 'exit-code'.")
SCHEDULED = "systemd[1]: solo.service: Scheduled restart job, restart counter is at 2."
BEGUN = "systemd[1]: Started solo.service - Solo."
CUT = ("systemd[1]: Stopping solo.service - Solo....", "systemd[1]: solo.service: Deactivated successfully.", "systemd[1]: Stopped solo.service - Solo.")
STOPPED_BETWEEN = "systemd[1]: Stopped solo.service - Solo."      # systemd before 254 says so of a unit that it starts again


def timed(*runs: tuple[float, Sequence[str]]) -> Answer:
    return Answer("ok", b"".join(told(lines, BOOT + at).data for at, lines in runs))


@pytest.mark.parametrize("between", [(), (STOPPED_BETWEEN,)])
def test_a_loop_that_was_stopped_in_the_middle_of_a_try_has_failed(between: Sequence[str]) -> None:
    said = timed((100, TRY), (101, (SCHEDULED, *between, *TRY)), (102, (SCHEDULED, *between, BEGUN, *CUT)))
    found = with_journal_state(unit("solo.service", **STOPPED), said, seen())
    assert (found.result, found.exec_main_code, found.exec_main_status, found.is_from_journal) == ("exit-code", 1, 200, True)
    assert BOOT + 101 < found.active_enter < found.inactive_enter < BOOT + 102


def test_of_a_try_that_was_stopped_the_log_holds_nothing() -> None:
    """Its first lines would hide what ended the run before it."""
    said = timed((100, TRY), (101, (SCHEDULED, STOPPED_BETWEEN, BEGUN, *CUT)))
    text = SHOW.format("solo.service", "inactive", 0)
    answers = {journal_query("solo.service"): said}
    service = next(s for s in build_snapshot(capture(node(answers, site="", units=[file("/etc/systemd/system/solo.service", "[Service]\nExecStart=uvicorn a\n")], show=text))).services if s.unit)
    assert isinstance(service.log, Known) and service.unit is not None
    assert (service.unit.result, service.log.value[-1].text) == ("exit-code", "solo.service: Failed with result 'exit-code'.")
    assert len(service.log.value) == len(TRY)


def test_what_such_a_unit_fails_over_is_looked_at() -> None:
    """The place that systemd could not enter, though systemd itself calls the unit stopped."""
    said = timed((100, TRY), (101, (SCHEDULED, BEGUN, *CUT)))
    files = [file("/etc/systemd/system/solo.service", "[Service]\nWorkingDirectory=/srv/gone\nExecStart=uvicorn a\n")]
    seen = node({journal_query("solo.service"): said}, site="", units=files, show=SHOW.format("solo.service", "inactive", 0))
    asked = follow_up_queries(capture(seen), ObserveOptions())["local"]
    assert any(isinstance(query, ReadFile) and query.path == "/srv/gone" for query in asked)


@pytest.mark.parametrize("runs", [
    ((100, TRY), (101, (SCHEDULED, BEGUN)), (200, CUT)),                         # that one lived
    ((100, TRY[:1]), (200, TRY[1:]), (201, (SCHEDULED, BEGUN, *CUT))),           # the one before had lived: once is no loop
    ((100, TRY), (101, (SCHEDULED, BEGUN, *CUT)), (200, (BEGUN, *CUT))),         # somebody started it since
    ((100, TRY), (101, (SCHEDULED, TRY[3])), (102, (BEGUN, *CUT))),              # after systemd had given up
    ((100, TRY), (101, (SCHEDULED, BEGUN, CUT[1]))),                             # it ended by itself, with success
    ((100, TRY[1:]), (101, (SCHEDULED, BEGUN, *CUT))),                           # nobody knows how long the one before was
], ids=["lived", "once", "by hand", "given up", "clean end", "unknown"])
def test_a_run_that_may_have_been_well_is_no_try(runs: Sequence[tuple[float, Sequence[str]]]) -> None:
    was = unit("solo.service", **STOPPED)
    assert with_journal_state(was, timed(*runs), seen()) == was


@pytest.mark.parametrize("lines", [
    (*KILLED, "systemd[1]: Started solo.service.", "systemd[1]: Stopping solo.service...", "systemd[1]: Stopped solo.service."),
    (*KILLED, "systemd[1]: Started solo.service.", "systemd[1]: solo.service: Deactivated successfully."),
    ("systemd[1]: Started solo.service.", "uvicorn[77]: solo.service: Failed with result 'signal'."),   # its own words
    (),
])
def test_who_was_stopped_or_only_says_so_has_not_failed(lines: Sequence[str]) -> None:
    was = unit("solo.service", **STOPPED)
    assert with_journal_state(was, told(lines), seen()) == was


def test_what_was_before_the_boot_is_over() -> None:
    was = unit("solo.service", **STOPPED)
    assert with_journal_state(was, told(KILLED, BOOT - 100), seen()) == was


def test_a_count_of_restarts_that_was_reset_is_recalled() -> None:
    runs = unit("solo.service", active_enter=BOOT + 100)
    assert with_journal_state(runs, told((*KILLED, *AGAIN)), seen()).n_restarts == 6
    by_hand = with_journal_state(runs, told((*KILLED, "systemd[1]: Started solo.service - Solo.")), seen())
    assert by_hand == runs
    old = unit("solo.service", active_enter=BOOT + 500)
    assert with_journal_state(old, told((*KILLED, *AGAIN)), seen()) == old


# The moment in which systemd prepares the next try: the result is cleared, and the process is systemd's own.
TRYING = {"active_state": "activating", "sub_state": "start", "n_restarts": 2, "main_pid": 77}
AGAIN_NOW = timed((100, TRY), (101, (SCHEDULED, BEGUN)))


def trying(argv: Sequence[str] | None) -> View:
    running = [process(77, argv, comm="uvicorn", cgroup="/system.slice/solo.service")] if argv is not None else []
    return view(running=running)


@pytest.mark.parametrize("state", ["activating", "active"])
@pytest.mark.parametrize("argv", [("/usr/lib/systemd/systemd-executor", "--deserialize", "4"), ("(uvicorn)",), None, ()],
                         ids=["executor", "before 254", "gone", "ended"])
def test_while_the_next_try_is_prepared_the_try_before_tells(state: str, argv: Sequence[str] | None) -> None:
    found = with_journal_state(unit("solo.service", **TRYING | {"active_state": state}), AGAIN_NOW, trying(argv))
    assert (found.active_state, found.result, found.exec_main_status, found.main_pid) == (state, "exit-code", 200, 0)


@pytest.mark.parametrize("argv", [("/usr/lib/systemd/systemd-executor", "--deserialize", "4"), ("(uvicorn)",), None])
def test_so_it_does_where_the_count_of_restarts_was_reset_as_well(argv: Sequence[str] | None) -> None:
    now = {"active_state": "active", "sub_state": "running", "main_pid": 77, "active_enter": BOOT + 101.01}
    found = with_journal_state(unit("solo.service", **now), AGAIN_NOW, trying(argv))
    assert (found.active_state, found.result, found.exec_main_status, found.main_pid) == ("active", "exit-code", 200, 0)
    assert found.n_restarts == 2


@pytest.mark.parametrize(("said", "argv"), [
    (AGAIN_NOW, ("/srv/venv/bin/uvicorn", "a:b")),                                          # the program runs by now
    (timed((100, (*KILLED, *AGAIN))), None),                # a program that ran once may be there, and was only not seen
    (timed((100, TRY), (101, (SCHEDULED, BEGUN, *CUT)), (102, (BEGUN,))), None),            # somebody started it since
    (timed((100, TRY), (102, (BEGUN,))), None),
    (timed((101, (SCHEDULED, BEGUN))), None),
], ids=["runs", "not seen", "stopped since", "by hand", "no end known"])
def test_a_try_that_may_be_up_is_taken_as_it_is(said: Answer, argv: Sequence[str] | None) -> None:
    was = unit("solo.service", **TRYING)
    assert with_journal_state(was, said, trying(argv)) == was



def test_whether_a_masked_unit_would_start_at_boot_is_asked_once_its_file_is_known() -> None:
    show = SHOW.format("shop.service", "inactive", 0).replace("LoadState=loaded", "LoadState=masked")
    hidden = ReadFile("/usr/lib/systemd/system/shop.service", 64 << 10)
    text = file(hidden.path, "[Service]\nExecStart=/usr/bin/uvicorn a:b --port 8000\n[Install]\nWantedBy=multi-user.target\n")
    start = ReadFile("/etc/systemd/system/multi-user.target.wants/shop.service", 64 << 10)
    answers = {hidden: Answer("ok", files=(text,))}
    assert start in asked(node(answers, site=SITE, show=show))
    gone = node({**answers, start: Answer("ok", files=(FileAnswer(start.path, "absent"),))}, site=SITE, show=show)
    seen = build_snapshot(capture(gone)).services[0].settings
    assert [(s.key, s.value, s.present) for s in seen] == [("WantedBy", "multi-user.target", False)]


def _template(text: str, path: str = "/etc/systemd/system/api@.service") -> FileAnswer:
    return file(path, f"[Service]\n{text}\n")



def test_a_mask_also_hides_what_the_administrator_installed() -> None:
    show = SHOW.format("shop.service", "inactive", 0).replace("LoadState=loaded", "LoadState=masked")
    own = _template("ExecStart=/usr/bin/uvicorn a:b --port 8000", "/usr/local/lib/systemd/system/shop.service")
    assert build_snapshot(capture(node(site=SITE, show=show, units=[own]))).endpoints[0].configured_service == "local/shop.service"


def test_drop_ins_of_a_masked_unit_count_though_systemd_tells_none_of_them() -> None:
    show = SHOW.format("shop.service", "inactive", 0).replace("LoadState=loaded", "LoadState=masked")
    own = _template("ExecStart=/usr/bin/uvicorn a:b --port 7000", "/usr/local/lib/systemd/system/shop.service")
    folder = "systemd/system/shop.service.d"
    drops = [_template(f"ExecStart=\nExecStart=/usr/bin/uvicorn a:b --port {port}", f"{where}/{folder}/{name}.conf")
             for where, name, port in (("/run", "50-port", 7001), ("/etc", "50-port", 8000), ("/etc", "10-port", 7002))]
    seen = build_snapshot(capture(node(site=SITE, show=show, units=[own, *drops])))
    assert seen.endpoints[0].configured_service == "local/shop.service"
    bindings = seen.services[0].bindings
    assert isinstance(bindings, Known) and [b.port for b in bindings.value] == [8000]
