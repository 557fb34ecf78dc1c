"""Services of boot entries that do not run: their address, their log, and when there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from fixer.model.facts import Known, Unknown
from fixer.model.query import Answer, FileAnswer, ReadFile
from fixer.model.service import CommandArgument, Service
from fixer.observe.bare_services import bare_services, start_log_queries, stdout_query, with_start_log
from fixer.observe.boot.boot_entries import BOOT_ENTRY_FILES, START_SCRIPTS
from fixer.observe.boot.boot_services import boot_log_queries, boot_services, with_boot_entry
from fixer.observe.docker.container_service import logs_query
from fixer.observe.files.log_files import log_file_query
from fixer.observe.view.node_view import View, view_of
from tests.causes.snapshot_builders import container, process
from tests.observe.boot.boot_entries_builders import seen
from tests.observe.capture_builders import NOW, file, node, stat, view

SCRIPT = "#!/bin/sh\ncd /opt/shop || exit 1\n. /etc/shop.env\nexport MODE=live\nexec uvicorn web:app --port 8123 >>shop.log 2>&1\n"
LOG = "/opt/shop/shop.log"


def host(script: str = SCRIPT, log: str | None = None, env: FileAnswer | None = None) -> View:
    made = view(file("/opt/shop/start.sh", script), env or file("/etc/shop.env", "KEY=x\n"))
    answers = {**made.node.answers,
               BOOT_ENTRY_FILES: Answer("ok", files=(file("/etc/cron.d/shop", "@reboot shop /opt/shop/start.sh\n"),))}
    if log is not None:
        answers[log_file_query(LOG)] = Answer("ok", files=(file(LOG, log, mtime=NOW - 50),))
    return replace(made, node=replace(made.node, answers=answers))


def test_a_boot_entry_is_a_service_with_its_address_variables_and_log() -> None:
    (one,) = boot_services(host(log="first\nlast\n"), ())
    assert (one.name, one.manager, one.pids, one.running) == ("start.sh", "none", (), False)
    assert [b.port for b in one.bindings.or_else(())] == [8123]
    assert {a.name: a.defined_in for a in one.env} == {"KEY": "/etc/shop.env:1", "MODE": "/opt/shop/start.sh:4"}
    assert [(line.at, line.text) for line in one.log.or_else(())] == [(NOW - 50, "first"), (NOW - 50, "last")]
    assert one.boot_entry is not None and (one.boot_entry.file, one.boot_entry.line) == ("/etc/cron.d/shop", 1)


def test_the_log_is_asked_for_before_it_is_known() -> None:
    made = host()
    assert list(boot_log_queries(made)) == [ReadFile(LOG, 64 << 10, tail=True)]
    (one,) = boot_services(made, ())
    assert one.log == Unknown("not asked")


def test_output_that_goes_nowhere_is_no_log() -> None:
    made = host(SCRIPT.replace(">>shop.log 2>&1", ">/dev/null 2>&1"))
    (one,) = boot_services(made, ())
    assert isinstance(one.log, Unknown) and "does not go to a file" in one.log.reason


def test_what_runs_or_is_managed_at_the_address_is_the_service() -> None:
    made = host()
    (one,) = boot_services(made, ())
    other: Service = replace(one, id="local/web.service", name="web.service", boot_entry=None)
    assert not list(boot_services(made, (other,)))
    elsewhere = replace(other, bindings=Known(()), pids=(7,))
    assert not list(boot_services(made, (elsewhere,)))         # the same command runs, at another address
    assert list(boot_services(made, (replace(elsewhere, argv=("sleep",)),)))
    assert list(boot_services(made, (replace(other, node="elsewhere"),)))


def test_another_kind_of_program_at_the_address_is_not_the_service() -> None:
    made = host()
    (one,) = boot_services(made, ())
    stranger = replace(one, id="local/feeder.service", name="feeder.service", boot_entry=None, pids=(7,),
                       argv=("/usr/bin/python3", "/usr/local/bin/feeder", "8123"), is_app_server=False)
    assert [s.name for s in boot_services(made, (stranger,))] == ["start.sh"]
    assert not list(boot_services(made, (replace(stranger, gateway="haproxy"),)))


def test_nothing_is_made_of_what_was_not_asked() -> None:
    assert not list(boot_services(view(), ()))
    assert not list(boot_services(seen(file("/etc/cron.d/other", "@reboot root /usr/bin/certbot renew\n")), ()))


GONE = FileAnswer("/etc/shop.env", "absent", None, b"")
GUARDED = "[ -r /etc/shop.env ] && . /etc/shop.env"


@pytest.mark.parametrize(("line", "env", "missing"), [
    (". /etc/shop.env", None, ""), (". /etc/shop.env", GONE, "/etc/shop.env"), ("source /etc/shop.env", GONE, "/etc/shop.env"),
    ("set -a; . '/etc/shop.env'; set +a", GONE, "/etc/shop.env"), (GUARDED, GONE, ""),
    ("if test -f /etc/shop.env; then\n  . /etc/shop.env\nfi", GONE, ""),
])
def test_a_script_cannot_do_without_a_file_that_no_test_guards(line: str, env: FileAnswer | None, missing: str) -> None:
    (one,) = boot_services(host(SCRIPT.replace(". /etc/shop.env", line), env=env), ())
    assert one.missing_file == missing


PASSWD = file("/etc/passwd", "root:x:0:0::/root:/bin/sh\nshop:x:1001:1001::/opt/shop:/bin/sh\nother:x:1002:1002::/:/bin/sh\n")
COMMAND = ("/usr/bin/uvicorn", "web:app", "--port", "8123")


def running(argv: Sequence[str] = ("/usr/bin/python3", *COMMAND), *, uid: int = 1001, mode: int = 0o755, owner: int = 0,
            crontab: str = "/etc/cron.d/shop") -> Service:
    """A process of a host whose cron starts a script at boot."""
    script = file("/opt/shop/start.sh", SCRIPT)
    assert script.stat is not None
    script = replace(script, stat=replace(script.stat, mode=mode, uid=owner))
    made = view(script, PASSWD)
    line = "@reboot shop /opt/shop/start.sh\n" if crontab.startswith("/etc/cron.d") else "@reboot /opt/shop/start.sh\n"
    entries = Answer("ok", files=(file(crontab, line),))
    made = replace(made, node=replace(made.node, answers={**made.node.answers, BOOT_ENTRY_FILES: entries}),
                   files={**made.files, crontab: file(crontab, line)},
                   by_pid={76: process(76, "runuser", "-u", "shop", uid=0), 77: process(77, *argv, uid=uid)})
    (one,) = boot_services(replace(made, by_pid={}), ())
    return with_boot_entry(replace(one, boot_entry=None, pids=(76, 77)), made)


def test_root_chose_what_a_boot_entry_of_root_starts() -> None:
    assert running().boot_entry is not None
    assert running(COMMAND).boot_entry is not None


@pytest.mark.parametrize("about", [
    {"uid": 1002}, {"uid": 0}, {"mode": 0o775}, {"owner": 1001}, {"argv": (*COMMAND[:-1], "8124")},
    {"argv": ("/home/other/gunicorn", *COMMAND[1:])}, {"crontab": "/var/spool/cron/crontabs/other"},
])
def test_somebody_else_chose_what_only_looks_alike(about: dict[str, Any]) -> None:
    assert running(**about).boot_entry is None


@pytest.mark.parametrize(("argv", "found"), [
    (("/usr/bin/python3", "desk.py", "--port", "8123"), ["python[77]"]),
    (("/usr/bin/python3", "desk.py", "--port", "8124"), []), (("/usr/bin/python3", "worker.py"), []),
])
def test_the_program_of_a_boot_entry_is_a_service_before_it_listens(argv: Sequence[str], found: list[str]) -> None:
    """Any script may be a server, and loads for a while before it has a socket."""
    made = host(SCRIPT.replace("uvicorn web:app --port 8123", "/usr/bin/python3 desk.py --port 8123"))
    busy = replace(made, by_pid={77: process(77, *argv, uid=1001, comm="python")})
    services = bare_services(busy, set())
    assert [s.name for s in services] == found
    assert [s.name for s in boot_services(busy, services)] == ([] if found else ["start.sh"])


ENTRY = "#!/bin/sh\ncd /opt/shop\nrunuser -u shop -- uvicorn web:app --uds /run/shop.sock{} &\nexec nginx -g 'daemon off;'\n"
OWN = replace(container("web"), argv=("/entry.sh",))
SAID = ("INFO:     Started server process [9]", "ModuleNotFoundError: No module named 'shop'")
NGINX_SAID = (
    "nginx: [warn] conflicting server name",
    "2026/01/02 03:04:06 [crit] 10#10: *1 connect() to unix:/run/shop.sock failed (2: No such file or directory) while "
    "connecting to upstream, client: 10.0.0.9, server: shop.example, request: \"GET / HTTP/1.1\"",
    '10.0.0.9 - - [02/Jan/2026:03:04:06 +0000] "GET / HTTP/1.1" 502 150 "-" "curl"')


def all_in_one(redirected: str = "") -> tuple[View, View]:
    """The view of a container whose script starts a server beside nginx, and its engine's."""
    made = view(file("/entry.sh", ENTRY.format(redirected)), kind="container", name="web")
    made = replace(made, node=replace(made.node, answers={**made.node.answers, BOOT_ENTRY_FILES: Answer("ok")}))
    log = "".join(f"2026-01-02T03:04:0{at}.000000000Z {text}\n" for at, text in enumerate((*SAID, *NGINX_SAID)))
    engine = view(name="engine", kind="engine")
    answers = {**engine.node.answers, logs_query(OWN): Answer("ok", log.encode())}
    return made, replace(engine, node=replace(engine.node, answers=answers))


def test_what_a_containers_script_starts_is_a_service_whose_log_is_the_containers_without_nginx() -> None:
    made, engine = all_in_one()
    (one,) = boot_services(made, (), OWN, engine)
    assert (one.name, one.pids, [b.unix for b in one.bindings.or_else(())]) == ("uvicorn", (), ["/run/shop.sock"])
    assert one.boot_entry is not None and (one.boot_entry.kind, one.boot_entry.user) == ("entrypoint", "shop")
    assert tuple(line.text for line in one.log.or_else(())) == SAID
    assert not list(boot_services(made, (), None, engine))


def test_a_server_beside_nginx_whose_output_goes_to_a_file_has_that_file_as_its_log() -> None:
    made, engine = all_in_one(" >shop.log 2>&1")
    (one,) = boot_services(made, (), OWN, engine)
    assert one.log == Unknown("not asked") and log_file_query("/opt/shop/shop.log") in list(boot_log_queries(made, OWN))


@pytest.mark.parametrize("line", ["if [ -f /etc/shop.env ]; then . /etc/shop.env; fi", ". /etc/shop.env 2>/dev/null || true"])
def test_a_file_of_variables_that_a_containers_script_takes_only_if_it_exists(line: str) -> None:
    made, engine = all_in_one()
    text = ENTRY.format("").replace("cd /opt/shop\n", f"cd /opt/shop\n{line}\n")

    def started(env: FileAnswer) -> Service:
        known = {**made.files, "/etc/shop.env": env, "/entry.sh": file("/entry.sh", text)}
        (one,) = boot_services(replace(made, files=known), (), OWN, engine)
        return one
    assert (started(GONE).absent_env_files, started(GONE).env_slots) == (("/etc/shop.env",), ())
    assert started(file("/etc/shop.env", "A=b\n")).absent_env_files == ()
    assert started(replace(GONE, status="denied")).absent_env_files == ()


def script_of(text: str = SCRIPT) -> View:
    """A machine on which only a start script is known."""
    return view_of(node({START_SCRIPTS: Answer("ok", files=(file("/opt/shop/start.sh", text),)),
                         BOOT_ENTRY_FILES: Answer("ok")}))


def test_a_script_that_somebody_runs_is_a_service_that_is_no_boot_entrys() -> None:
    (one,) = boot_services(script_of(), ())
    assert (one.name, one.is_hand_started, one.is_idle_boot_entry) == ("start.sh", True, True)
    assert [b.port for b in one.bindings.or_else(())] == [8123]
    alive = replace(one, boot_entry=None, pids=(77,), bindings=Known(()), argv=("/usr/bin/python3", *one.argv))
    assert not list(boot_services(script_of(), (alive,))), "it runs"


def test_a_script_of_a_service_manager_is_nobody_s_to_run() -> None:
    (one,) = boot_services(script_of(), ())
    unit = replace(one, id="local/shop.service", boot_entry=None, manager="systemd", bindings=Known(()))
    assert not list(boot_services(script_of(), (unit,)))
    named = replace(unit, command=(), entry=CommandArgument("/opt/shop/start.sh"))
    assert not list(boot_services(script_of(), (named,)))
    assert list(boot_services(script_of(), (replace(unit, command=()),)))


@pytest.mark.parametrize(("link", "asked", "texts"), [
    ("", [log_file_query(LOG)], ["first", "last"]),         # root of a container may not read the links of another account
    ("pipe:[5]", [], []), ("/opt/shop/other.log", [], []),
])
def test_the_log_of_a_process_whose_output_cannot_be_read_is_the_file_of_its_start(
    link: str, asked: list[ReadFile], texts: list[str],
) -> None:
    made = host(log="first\nlast\n")
    output = FileAnswer("/proc/77/fd/1", "absent" if not link else "ok", stat("link", link=link))
    made = replace(made, by_pid={77: process(77, "/usr/bin/python3", *COMMAND, uid=1001)}, node=replace(
        made.node, answers={**made.node.answers, stdout_query(77): Answer(output.status, files=(output,))}))
    (one,) = boot_services(replace(made, by_pid={}), ())
    service = replace(one, pids=(77,), log=Unknown("where its output goes could not be read"))
    assert list(start_log_queries(service, made)) == asked
    assert [line.text for line in with_start_log(service, made).log.or_else(())] == texts
    assert list(start_log_queries(replace(service, pids=(78,)), made)) == []      # not asked yet
