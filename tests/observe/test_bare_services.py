"""Processes started by hand, and their logs."""

from __future__ import annotations

from fixer.analysis.service_names import service_words
from fixer.model.facts import Known, Unknown
from fixer.model.query import Answer, FileAnswer
from fixer.model.snapshot import Service
from fixer.observe.bare_services import stdout_query
from fixer.observe.build_snapshot import build_snapshot
from tests.observe.capture_builders import capture, node, process, sockets, stat, tcp_row
from tests.observe.services_builders import look

SITE = "server { listen 80; location / { proxy_pass http://127.0.0.1:8000; } }"


def bare(*running: list[FileAnswer], **more: object) -> list[Service]:
    return [s for s in look(running=list(running), **more).services if s.unit is None and "nginx" not in s.name]  # type: ignore[arg-type]


def test_processes_started_by_hand_are_one_service() -> None:
    shell = process(5, ["-bash"], comm="bash", cgroup="/user.slice/session-1.scope")
    top = process(6, ["python3", "/usr/bin/uvicorn", "a", "--workers", "2"], ppid=5, comm="uvicorn")
    child = process(7, ["python3", "-c", "spawn"], ppid=6)
    (found,) = bare(shell, top, child, listening=sockets([tcp_row("127.0.0.1", 8000, 5)], {5: [6, 7]}))
    assert (found.id, found.manager, found.pids) == ("local/uvicorn[6]", "none", (6, 7)) and found.is_app_server
    assert isinstance(found.workers, Known) and found.workers.value == 2


def test_what_starts_a_known_server_and_waits_for_it_is_no_part_of_it() -> None:
    """Cron's `runuser -u shop -- start-shop` lives as long as the server; its words tell nothing of an address."""
    above = process(5, ["runuser", "-u", "shop", "--", "/usr/local/bin/start-shop"], comm="runuser")
    top = process(6, ["/usr/bin/python3", "/usr/bin/gunicorn", "-b", "0.0.0.0:8000", "a:app"], ppid=5, comm="gunicorn")
    child = process(7, ["/usr/bin/python3", "/usr/bin/gunicorn"], ppid=6)
    (found,) = bare(above, top, child, listening=sockets([tcp_row("0.0.0.0", 8000, 5)], {5: [6, 7]}))
    assert (found.name, found.pids) == ("gunicorn[6]", (6, 7))
    assert isinstance(found.bindings, Known) and [b.port for b in found.bindings.value] == [8000]
    (kept,) = bare(process(5, ["/usr/local/bin/tool"], comm="tool"), process(6, ["/usr/local/bin/part"], ppid=5, comm="part"),
                   listening=sockets([tcp_row("0.0.0.0", 8000, 5)], {5: [6]}))
    assert kept.pids == (5, 6), "two programs of unknown kind stay one"


def test_it_starts_in_the_folder_in_which_it_runs() -> None:
    (found,) = bare(process(6, ["/usr/bin/python3", "/usr/bin/uvicorn", "desk:app"], comm="uvicorn", cwd="/srv/shop"))
    assert found.start_folder == "/srv/shop" and "shop" in service_words(found)


def test_what_a_launcher_waits_for_runs_in_the_folder_of_the_application() -> None:
    above = process(5, ["runuser", "-u", "shop", "--", "/usr/bin/uvicorn", "desk:app"], comm="runuser", cwd="/")
    top = process(6, ["/usr/bin/python3", "/usr/bin/uvicorn", "desk:app"], ppid=5, comm="uvicorn", cwd="/srv/shop")
    (found,) = bare(above, top)
    assert (found.name, found.pids, found.cwd) == ("uvicorn[5]", (5, 6), "/srv/shop") and "shop" in service_words(found)


def test_a_script_that_a_launcher_waits_for_is_not_named_after_the_launcher() -> None:
    """Nobody called it `runuser`: that is no name by which it would belong to another site."""
    words = ["/usr/bin/python3", "/srv/shop/counter.py", "--port", "8000"]
    above = process(5, ["runuser", "-u", "shop", "--", *words], comm="runuser", cwd="/")
    (found,) = bare(above, process(6, words, ppid=5, comm="python3", cwd="/srv/shop"),
                    listening=sockets([tcp_row("127.0.0.1", 8000, 5)], {5: [6]}))
    assert (found.name, found.pids, found.cwd) == ("python3[5]", (5, 6), "/srv/shop")


def test_a_supervised_process() -> None:
    above = process(5, ["/usr/bin/python3", "/usr/bin/supervisord", "-n"], comm="supervisord")
    (found,) = [s for s in bare(above, process(6, ["uvicorn", "a"], ppid=5)) if s.runtime == "uvicorn"]
    assert found.manager == "supervisord" and found.pids == (6,)


def test_the_log_of_a_process() -> None:
    asked = stdout_query(6)
    entry = FileAnswer("/proc/6/fd/1", "ok", stat("link", link="/tmp/back.log"), b"one\ntwo\n")
    seen = build_snapshot(capture(node({asked: Answer("ok", files=(entry,))}, site=SITE, running=[process(6, ["uvicorn", "a"])])))
    (found,) = [s for s in seen.services if s.runtime == "uvicorn"]
    assert isinstance(found.log, Known) and [line.text for line in found.log.value] == ["one", "two"]
    (silent,) = bare(process(6, ["uvicorn", "a"]))
    assert silent.log == Unknown("not asked")
    pipe = FileAnswer("/proc/6/fd/1", "ok", stat("link", link="pipe:[5]"))
    seen = build_snapshot(capture(node({asked: Answer("ok", files=(pipe,))}, site=SITE, running=[process(6, ["uvicorn", "a"])])))
    assert [s.log for s in seen.services if s.runtime == "uvicorn"] == [Unknown("its output does not go to a file")]
