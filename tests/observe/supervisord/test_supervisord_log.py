"""supervisord as the first process of a container: its words and its programs' are the container's log."""

from __future__ import annotations

import pytest

from fixer.analysis.run_log import program_lines
from fixer.formats.ini_file import ini_sections
from fixer.model.facts import Known, Unknown
from fixer.model.query import Answer, Command, ReadFile
from fixer.model.snapshot import LogLine, Service
from fixer.observe.supervisord.supervisord_log import (
    history_of,
    lines_since_healthy,
    own_stream_lines,
    parse_supervisord_log,
    stream_container,
    stream_of,
)
from fixer.observe.supervisord.supervisord_programs import program_services
from fixer.observe.view.node_view import ENGINE, view_of
from tests.causes.snapshot_builders import container
from tests.observe.capture_builders import NOW, file, node, process
from tests.observe.supervisord.supervisord_programs_builders import CONF, DAEMON, said, shop, stamp

NGINX = "[program:nginx]\ncommand=/usr/sbin/nginx -g 'daemon off;'\nstdout_logfile=/dev/stdout\n"
SHOP = ("[program:shop]\ncommand=uvicorn shop:app --port 8001\nstdout_logfile=/dev/fd/1\nstderr_logfile=/dev/stderr\n")
BLOG = "[program:blog]\ncommand=uvicorn blog:app --port 8002\nstdout_logfile=/dev/stdout\n"
MAIN = "[supervisord]\nnodaemon=true\nlogfile=/dev/null\n"
FIRST = process(1, ["/usr/bin/python3", "/usr/bin/supervisord", "-c", CONF], comm="supervisord", ppid=0)


def lines(*texts: tuple[float, str]) -> tuple[LogLine, ...]:
    return tuple(LogLine(NOW - ago, text if "%" not in text else text.replace("%", stamp(ago)), "docker logs web")
                 for ago, text in texts)


CRASH = lines(
    (60.0, "% INFO supervisord started with pid 1"), (59.0, "% INFO spawned: 'shop' with pid 7"),
    (58.5, "KeyError: 'OLD'"), (58.0, "% WARN exited: shop (exit status 1; not expected)"),
    (20.0, "% INFO spawned: 'shop' with pid 9"), (19.8, "2026/11/26 16:25:32 [error] 9#9: *5 connect() failed (111)"),
    (19.7, '127.0.0.1 - - [26/Nov/2026:16:25:32 +0000] "GET / HTTP/1.1" 502 157 "-" "x"'),
    (19.5, "KeyError: 'SHOP_KEY'"), (19.0, "% WARN exited: shop (exit status 1; not expected)"),
    (18.9, "% INFO gave up: shop entered FATAL state, too many start retries too quickly"))


def told(stream: tuple[LogLine, ...], programs: str = NGINX + SHOP) -> Service:
    made = view_of(node({ReadFile(CONF): Answer("ok", files=(file(CONF, MAIN + programs),))}, running=[FIRST],
                        nginx=False, kind="container", name="web"))
    return next(s for s in program_services(made, stream) if s.name == "shop")


def test_its_state_and_last_words_are_read_from_the_containers_log() -> None:
    service = told(CRASH)
    assert service.program is not None and service.program.state == "FATAL" and isinstance(service.log, Known)
    own = [line.text for line in service.log.value if line.at is not None and line.text.startswith("KeyError")]
    assert own == ["KeyError: 'SHOP_KEY'"]
    assert any(line.text.startswith("gave up: shop") for line in service.log.value)
    # a run that wrote nothing is told by it: what supervisord says of it is no word of its own
    assert [line.text for line in program_lines(service.log.value)] == own


def test_a_stop_is_a_stop() -> None:
    stopped = told(lines((60.0, "% INFO spawned: 'shop' with pid 7"), (5.0, "% INFO stopped: shop (terminated by SIGTERM)")))
    assert stopped.program is not None and stopped.program.state == "STOPPED"


def test_a_try_that_somebody_stopped_does_not_hide_why_those_before_it_failed() -> None:
    """gunicorn says the same last words when it is stopped as after an orderly end: so a trial of kills left a program
    whose reason nobody knew any more."""
    tried = ((20.0, "% INFO spawned: 'shop' with pid 7"), (19.5, "KeyError: 'SHOP_KEY'"),
             (19.0, "% WARN exited: shop (exit status 3; not expected)"), (18.0, "% INFO spawned: 'shop' with pid 8"))
    ends = ((17.0, "[INFO] Handling signal: term"), (16.5, "[INFO] Shutting down: Master"), (16.0, "% INFO stopped: shop (exit status 0)"))
    texts = [line.text for line in program_lines(told(lines(*tried, *ends)).log.or_else(()))]
    assert "KeyError: 'SHOP_KEY'" in texts
    served = (17.9, "% INFO success: shop entered RUNNING state, x")
    long_ago = tuple((ago + 400, text) for ago, text in tried)
    over = [line.text for line in program_lines(told(lines(*long_ago, served, *ends)).log.or_else(()))]
    assert "KeyError: 'SHOP_KEY'" not in over, "it ran for minutes, and was stopped in good order"


def test_what_several_programs_write_is_nobodys_word() -> None:
    """Their lines stand between one another, and which wrote which nobody knows; the state is supervisord's own word."""
    service = told(CRASH, NGINX + SHOP + BLOG)
    assert service.program is not None and service.program.state == "FATAL" and isinstance(service.log, Unknown)


RUNS = lines(
    (60.0, "% INFO supervisord started with pid 1"), (59.5, "blog: job 1 done"),
    (59.0, "% INFO spawned: 'shop' with pid 7"), (58.7, "blog: job 2 done"), (58.6, "Booting worker 8"),
    (58.5, "KeyError: 'SHOP_KEY'"), (58.0, "% WARN exited: shop (exit status 1; not expected)"),
    (57.0, "blog: job 3 done"), (20.0, "% INFO spawned: 'shop' with pid 9"), (19.9, "ValueError: blog"),
    (19.8, "blog: job 4 done"), (19.7, "Booting worker 10"), (19.5, "KeyError: 'SHOP_KEY'"),
    (19.0, "% WARN exited: shop (exit status 1; not expected)"))


def test_what_a_program_says_in_each_run_and_nobody_between_them_is_its_own() -> None:
    log = told(RUNS, NGINX + SHOP + BLOG).log
    assert isinstance(log, Known)
    assert [line.text for line in log.value][-2:] == ["Booting worker 10", "KeyError: 'SHOP_KEY'"]
    assert not any("blog" in line.text for line in log.value)


def test_the_end_of_a_run_whose_start_was_cut_off_is_nobody_elses() -> None:
    cut = (*lines((70.0, "KeyError: 'SHOP_KEY'"), (69.0, "% WARN exited: shop (exit status 1; not expected)")), *RUNS[2:])
    log = told(cut, NGINX + SHOP + BLOG).log
    assert isinstance(log, Known) and log.value[-1].text == "KeyError: 'SHOP_KEY'"


def test_one_run_among_several_writers_says_nothing() -> None:
    assert isinstance(told(RUNS[:8], NGINX + SHOP + BLOG).log, Unknown)


def test_without_the_log_nothing_is_known_of_what_does_not_run() -> None:
    service = told(())
    assert service.program is not None and service.program.state == "UNKNOWN" and isinstance(service.log, Unknown)


def test_a_program_that_writes_to_a_file_has_no_lines_there() -> None:
    (section,) = ini_sections("/x", SHOP.replace("/dev/fd/1", "/var/log/a").replace("/dev/stderr", "/var/log/b").encode())
    assert own_stream_lines(section, [section], CRASH, 0.0) is None


@pytest.mark.parametrize(("init", "expected"), [("systemd", None), ("supervisord", "p-web-1"), ("sh", "p-web-1")])
def test_on_a_machine_of_systemds_the_containers_log_is_not_asked_for(init: str, expected: str | None) -> None:
    box = container("web")
    first = process(1, [f"/sbin/{init}"], comm=init, ppid=0)
    made = view_of(node(running=[first], nginx=False, kind="container", name=box.name))
    found = stream_container(made, (box,))
    assert (found.name if found is not None else None) == expected
    engine = view_of(node({Command("docker-logs", (box.name, "2000")): Answer("ok", b"2026-11-26T16:25:32.1Z hello\n")},
                          nginx=False, name=ENGINE))
    read = stream_of(made, {box.name: made, ENGINE: engine}, (box,))
    assert [line.text for line in read] == (["hello"] if expected else [])


def test_what_was_well_before_is_over() -> None:
    kept = lines_since_healthy(lines((9.0, "KeyError: 'a'"), (8.0, "INFO: Application startup complete."), (7.0, "ValueError: b")))
    assert [line.text for line in kept] == ["ValueError: b"]


DIED = "[2027-01-15 08:00:00 +0000] [24] [WARNING] Worker with pid 25 was terminated due to signal 6"


def test_a_worker_that_died_is_told_though_its_successor_is_well() -> None:
    kept = lines_since_healthy(lines((99.0, DIED.replace("25", "7")), (90.0, "[INFO] Listening at: x"), (9.0, DIED),
                                     (8.0, "INFO: Application startup complete."), (7.0, "ValueError: b")), NOW - 90.0)
    assert [line.text for line in kept] == [DIED, "ValueError: b"], "the first one is of an earlier run"


@pytest.mark.parametrize(("lines", "state", "ended", "restarts"), [
    ([(9, "spawned: 'shop' with pid 5"), (8, "stopped: shop (exit status 0)")], "STOPPED", "exit status 0", 0),
    ([(9, "spawned: 'shop' with pid 5"), (8, "success: shop entered RUNNING state, x"),
      (7, "exited: shop (terminated by SIGKILL; not expected)")], "BACKOFF", "terminated by SIGKILL", 1),
    ([(9, "spawned: 'shop' with pid 5"), (8, "success: shop entered RUNNING state, x"),
      (7, "exited: shop (exit status 0; expected)")], "EXITED", "exit status 0", 0),
    # supervisord itself starts it again at once; later a person did
    ([(9, "spawned: 'shop' with pid 5"), (8, "success: shop entered RUNNING state, x"),
      (7, "exited: shop (exit status 0; expected)"), (6, "spawned: 'shop' with pid 6")], "STARTING", "exit status 0", 1),
    ([(99, "spawned: 'shop' with pid 5"), (98, "success: shop entered RUNNING state, x"),
      (90, "exited: shop (exit status 0; expected)"), (6, "spawned: 'shop' with pid 6")], "STARTING", "exit status 0", 0),
    ([(9, "spawned: 'shop' with pid 5"), (8, "exited: shop (exit status 1; not expected)"),
      (7, "gave up: shop entered FATAL state, too many start retries too quickly")], "FATAL", "exit status 1", 1),
    ([(9, "spawned: 'shop' with pid 5"), (8, "exited: shop (exit status 1; not expected)"),
      (7, "spawned: 'shop' with pid 6")], "STARTING", "exit status 1", 1),
    ([(20, "spawned: 'shop' with pid 5"), (19, "exited: shop (exit status 3; not expected)"),
      (9, "spawned: 'shop' with pid 6"), (8, "stopped: shop (exit status 0)")], "STOPPED", "exit status 3", 1),
    ([(90, "spawned: 'shop' with pid 5"), (89, "exited: shop (exit status 3; not expected)"),
      (9, "spawned: 'shop' with pid 6"), (8, "stopped: shop (exit status 0)")], "STOPPED", "exit status 0", 1),
    ([(20, "spawned: 'shop' with pid 5"), (19, "exited: shop (exit status 3; not expected)"), (12, "spawned: 'shop' with pid 6"),
      (10.5, "success: shop entered RUNNING state, x"), (10, "stopped: shop (exit status 0)")], "STOPPED", "exit status 3", 1),
    ([(29, "spawned: 'shop' with pid 5"), (28, "exited: shop (exit status 3; not expected)"), (20, "spawned: 'shop' with pid 6"),
      (19, "success: shop entered RUNNING state, x"), (10, "stopped: shop (exit status 0)")], "STOPPED", "exit status 0", 1),
    # somebody restarted it since: that is another try
    ([(29, "spawned: 'shop' with pid 5"), (28, "exited: shop (exit status 3; not expected)"), (20, "spawned: 'shop' with pid 6"),
      (19, "success: shop entered RUNNING state, x"), (10, "stopped: shop (exit status 0)"), (9, "spawned: 'shop' with pid 7"),
      (8, "success: shop entered RUNNING state, x")], "RUNNING", "exit status 0", 0),
    ([(20, "spawned: 'shop' with pid 5"), (19, "exited: shop (exit status 3; not expected)"), (9, "spawned: 'shop' with pid 6"),
      (8, "stopped: shop (exit status 0)"), (7, "spawned: 'shop' with pid 7")], "STARTING", "exit status 3", 1),
    ([(9, "spawned: 'shop' with pid 5"), (8, "supervisord started with pid 60")], "UNREAD", "", 0),
    ([(9, "spawned: 'shop' with pid 5"), (8, "spawnerr: can't find command '/x'"), (7, "strange words")], "BACKOFF",
     "can't find command '/x'", 0),
    ([(900, "exited: shop (exit status 1; not expected)"), (9, "spawned: 'shop' with pid 5")], "STARTING", "exit status 1", 0),
])
def test_its_log_tells_the_state(lines: list[tuple[float, str]], state: str, ended: str, restarts: int) -> None:
    found = shop(DAEMON, log=said(*lines)).program
    assert found is not None
    assert (found.state, found.ended, found.restarts) == (state, ended, restarts)


def test_signals_and_times_are_read() -> None:
    events = parse_supervisord_log(b"no line\n2027-01-15 09:00:00,250 INFO exited: a (terminated by SIGSEGV; not expected)\n", 3600.0)
    assert events[0].at == pytest.approx(1_800_000_000.25)
    course = history_of(["a"], events, 1_800_000_001.0)
    assert course is not None and (course.signal, course.expected) == (11, False)
    assert history_of(["b"], events, 0.0) is None


def test_what_a_gunicorn_that_is_started_again_and_again_said_before_still_matters() -> None:
    """Its master says that it ends in both cases: in order, and since its workers do not come up."""
    failed = ("[INFO] Starting gunicorn 23.0.0", "KeyError: 'SHOP_KEY'", "[ERROR] Shutting down: Master",
              "[ERROR] Reason: Worker failed to boot.", "[INFO] Starting gunicorn 23.0.0", "[INFO] Booting worker with pid: 9")

    def said(*texts: str) -> list[str]:
        return [line.text for line in lines_since_healthy(tuple(LogLine(None, text, "x") for text in texts))]

    assert said(*failed) == list(failed)
    assert said("KeyError: 'OLD'", "[INFO] Shutting down: Master", *failed) == list(failed)
    older = ("KeyError: 'SHOP_KEY'", "[INFO] Shutting down: Master", "[INFO] Reason: Worker failed to boot.")
    assert said(*older) == list(older)
    assert said(*failed, "INFO: Application startup complete.") == []
    tried = ("KeyError: 'SHOP_KEY'", "INFO: Started server process [7]", "INFO: Finished server process [7]")
    assert said(*tried) == list(tried), "stopped in one more try it had not been well"
    assert said(*tried[:2], "INFO: Application startup complete.", tried[2], "KeyError: 'B'") == ["KeyError: 'B'"]
    assert said(tried[2], "KeyError: 'B'") == ["KeyError: 'B'"]
