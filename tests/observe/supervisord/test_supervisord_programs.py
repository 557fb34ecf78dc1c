"""Programs of supervisord: its files with places, its log as states, its processes, where a variable would go."""

from __future__ import annotations

import pytest

from fixer.model.facts import Known
from fixer.model.query import Answer, ReadGlob
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.supervisord.supervisord_config import USUAL_FILES
from fixer.observe.systemd.unit_journal import journal_query
from fixer.observe.view.node_view import MOST_PROGRAM_FILES
from fixer.observe.view.observe_options import ObserveOptions
from tests.observe.capture_builders import capture, file, node, process, sockets, tcp_row
from tests.observe.nginx.endpoints_builders import SHOW
from tests.observe.supervisord.supervisord_programs_builders import (
    ARGV,
    CHILD,
    CONF,
    DAEMON,
    MAIN,
    PROGRAM,
    SHOP,
    SITE,
    answers,
    said,
    shop,
)

INI = "/etc/supervisor/conf.d/shop.ini"


@pytest.mark.parametrize(("socket", "told"), [
    ("tcp://localhost:7600", ("localhost", 7600, None)), ("unix:///run/chat.sock", ("0.0.0.0", 0, "/run/chat.sock")),
    ("tcp://%(ENV_HOST)s:7600", None),
])
def test_a_program_for_which_supervisord_listens_itself(socket: str, told: tuple[str, int, str | None] | None) -> None:
    text = f"[fcgi-program:chat]\nsocket={socket} ; shared\ncommand=/usr/bin/daphne --fd 0 chat.asgi:app\nnumprocs=2\n" \
           "process_name=asgi%(process_num)d\n"
    made = shop(DAEMON, program=text)
    assert (made.name, made.is_app_server, made.program is not None and made.program.name) == ("chat", True, "chat:*")
    assert isinstance(made.bindings, Known)
    assert [(b.host, b.port, b.unix) for b in made.bindings.value] == ([told] if told else [])
    for binding in made.bindings.value:
        assert text[binding.start : binding.end] in ("7600", "/run/chat.sock") and binding.source.where == f"{SHOP}:2"



def test_the_unit_of_supervisord_does_not_hold_its_programs() -> None:
    show = SHOW.format("supervisor.service", "active", 60).rstrip() + "\n" + f"ExecStart={{ path=/usr/bin/supervisord ; argv[]=/usr/bin/supervisord -n -c {CONF} ; ignore_errors=no }}\n"
    made = node(answers(log=said((50, "spawned: 'shop' with pid 71"))), site=SITE, running=[DAEMON, CHILD], show=show,
                listening=sockets([tcp_row("127.0.0.1", 8001, 9)], {9: [71]}))
    services = {s.name: s for s in build_snapshot(capture(made)).services}
    assert services["supervisor.service"].pids == (60,)
    assert services["shop"].pids == (71,)
    assert not any(s.manager == "none" and 71 in s.pids for s in services.values())


def test_without_its_log_the_child_that_runs_the_command_is_it() -> None:
    assert shop(DAEMON, CHILD).pids == (71,)
    found = shop(DAEMON)
    assert found.program is not None and found.program.state == "UNKNOWN"


@pytest.mark.parametrize("last", ["stopped: shop (exit status 0)", "gave up: shop entered FATAL state, too many start retries too quickly"])
def test_a_process_that_the_log_gives_another_program_is_not_its_own(last: str) -> None:
    """Both have one command line, in folders of their own."""
    programs = PROGRAM + PROGRAM.replace("[program:shop]", "[program:zine]").replace("/srv/shop", "/srv/zine")
    log = said((90, "spawned: 'shop' with pid 70"), (80, "success: shop entered RUNNING state, x"), (70, last),
               (60, "spawned: 'zine' with pid 71"), (59, "success: zine entered RUNNING state, x"))
    told = node(answers(program=programs, log=log), site=SITE, running=[DAEMON, CHILD])
    made = {s.name: s for s in build_snapshot(capture(told)).services if s.program is not None}
    assert (made["shop"].pids, made["zine"].pids) == ((), (71,))
    assert made["shop"].program is not None and made["shop"].program.state in ("STOPPED", "FATAL")


@pytest.mark.parametrize(("began", "text", "log", "state"), [
    (600, "autostart=false\n", (), "UNREAD"), (400, "autostart=false\n", (), "STOPPED"),   # written 500 s ago
    (400, "", (), "UNREAD"), (3, "", (), "UNKNOWN"),    # a copy keeps its time; at once nothing is started yet
    (600, "", ((300, "spawned: 'shop' with pid 5"), (200, "stopped: shop (terminated by SIGTERM)")), "STOPPED"),
])
def test_a_file_that_supervisord_has_not_read(began: int, text: str, log: tuple[tuple[int, str], ...], state: str) -> None:
    found = shop(DAEMON, program=PROGRAM + text, log=said((began, "supervisord started with pid 60"), *log)).program
    assert found is not None and found.state == state


@pytest.mark.parametrize(("main", "lacks"), [
    (MAIN, (MAIN.index("/etc/supervisor/conf.d/*.conf"), "/etc/supervisor/conf.d/shop.ini ")),
    (MAIN.partition("[include]")[0], (len(MAIN.partition("[include]")[0]), "\n[include]\nfiles = /etc/supervisor/conf.d/shop.ini\n")),
    (MAIN.partition("files =")[0], (MAIN.index("[include]") + 9, "\nfiles = /etc/supervisor/conf.d/shop.ini")),
])
def test_a_file_that_no_include_names(main: str, lacks: tuple[int, str]) -> None:
    """Other distributions name such files *.ini, or keep them in another folder."""
    found = {**answers(main=main), USUAL_FILES: Answer("ok", files=(file(INI, PROGRAM),))}
    found[ReadGlob(("/etc/supervisor/conf.d/*.conf",), max_files=MOST_PROGRAM_FILES)] = Answer("ok")
    for running, told in (([DAEMON], ("UNREAD", lacks)), ([], None)):
        seen = build_snapshot(capture(node(found, site=SITE, running=running))).services
        programs = [s.program for s in seen if s.program is not None]
        assert [(p.state, p.missing_include) for p in programs] == ([told] if told is not None else [])


def test_a_file_that_is_included_is_no_second_program() -> None:
    found = {**answers(), USUAL_FILES: Answer("ok", files=(file(SHOP, PROGRAM),))}
    seen = build_snapshot(capture(node(found, site=SITE, running=[DAEMON]))).services
    assert [s.program.missing_include for s in seen if s.program is not None] == [None]


@pytest.mark.parametrize(("text", "state"), [
    ("autostart=false\n", "STOPPED"), ("autorestart=false\n", "EXITED"), ("autorestart=true\n", "BACKOFF"),
])
def test_what_its_file_says_counts(text: str, state: str) -> None:
    log = "" if "autostart" in text else said((9, "spawned: 'shop' with pid 5"), (8, "success: shop entered RUNNING state, x"),
                                              (7, "exited: shop (exit status 3; not expected)"))
    found = shop(DAEMON, program=PROGRAM + text, log=log).program
    assert found is not None and found.state == state
    if "autostart" in text:
        assert found.autostart_span is not None
        assert (PROGRAM + text)[found.autostart_span[0] : found.autostart_span[1]] == "false"


def test_all_processes_of_a_program_that_has_several() -> None:
    several = PROGRAM.replace("8001", "80%(process_num)02d") + "numprocs=2\nprocess_name=shop_%(process_num)02d\n"
    children = [process(pid, [*ARGV[:-1], port], ppid=60, comm="uvicorn") for pid, port in ((71, "8000"), (72, "8001"), (73, "9x"))]
    found = shop(DAEMON, *children, program=several, log=said((9, "spawned: 'shop_01' with pid 72")))
    assert found.pids == (71, 72)
    assert isinstance(found.bindings, Known) and [b.port for b in found.bindings.value] == [8000, 8001]
    only = several.replace("[program", "[group:web]\nprograms=shop\n[program")
    program = shop(DAEMON, program=only).program
    assert program is not None and program.name == "web:*"        # what supervisorctl calls the processes of that group


def test_a_process_of_several_that_does_not_run_is_told_apart() -> None:
    """One of them was stopped, and the others' ports were said to be what nginx should ask in its place."""
    several = PROGRAM.replace("8001", "80%(process_num)02d") + "numprocs=3\nprocess_name=shop_%(process_num)02d\n"
    children = [process(pid, [*ARGV[:-1], port], ppid=60, comm="uvicorn") for pid, port in ((71, "8000"), (73, "8002"))]
    log = said(*((60, f"spawned: 'shop_0{n}' with pid 7{n + 1}") for n in range(3)),
               *((59, f"success: shop_0{n} entered RUNNING state") for n in range(3)), (9, "stopped: shop_01 (exit status 0)"))
    told = node(answers(program=several, log=log), site=SITE, running=[DAEMON, *children])
    made = {s.name: s for s in build_snapshot(capture(told)).services if s.program is not None}
    assert list(made) == ["shop", "shop_01"]
    rest, one = made["shop"], made["shop_01"]
    assert [b.port for b in rest.bindings.value] == [8000, 8002] and rest.pids == (71, 73)    # type: ignore[union-attr]
    assert [b.port for b in one.bindings.value] == [8001] and one.pids == ()                 # type: ignore[union-attr]
    assert rest.program is not None and (rest.program.name, rest.program.state) == ("shop:*", "RUNNING")
    assert one.program is not None and (one.program.name, one.program.state) == ("shop:shop_01", "STOPPED")
    assert rest.id != one.id


def test_a_supervisord_that_does_not_run() -> None:
    show = SHOW.format("supervisor.service", "inactive", 0).rstrip() + "\n" + "UnitFileState=enabled\n" + \
        f"ExecStart={{ path=/usr/bin/supervisord ; argv[]=/usr/bin/supervisord --configuration={CONF} ; ignore_errors=no }}\n"
    found = shop(show=show).program
    assert found is not None and found.state == "DOWN"
    assert found.unit is not None and found.unit.name == "supervisor.service"


def test_what_ended_supervisord_itself_is_looked_for_in_its_journal() -> None:
    show = SHOW.format("supervisor.service", "failed", 0).rstrip() + "\n" + "UnitFileState=enabled\n" + \
        f"ExecStart={{ path=/usr/bin/supervisord ; argv[]=/usr/bin/supervisord --configuration={CONF} ; ignore_errors=no }}\n"
    found = capture(node(answers(), site=SITE, show=show))
    assert journal_query("supervisor.service") in follow_up_queries(found, ObserveOptions(probe=False))["local"]
