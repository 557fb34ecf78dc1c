"""What else starts a backend: cron, rc.local, units of a user's own systemd."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.model.deployment import BootEntry
from fixer.model.query import Answer, FileAnswer, Query, ReadFile
from fixer.observe.boot.boot_entries import (
    BOOT_ENTRY_FILES,
    START_SCRIPTS,
    boot_commands_of,
    boot_entries_of,
    boot_entry_queries,
    missing_boot_programs,
)
from fixer.observe.commands.written_values import missing_file
from fixer.observe.view.node_view import View, view_of
from tests.causes import snapshot_builders
from tests.causes.snapshot_builders import unit
from tests.observe.boot.boot_entries_builders import seen
from tests.observe.capture_builders import file, node, stat, view

UVICORN = "/usr/bin/uvicorn web:app --host 127.0.0.1 --port 8123"
CRONTAB = "/var/spool/cron/crontabs/deploy"
UNIT = "/home/ann/.config/systemd/user/shop.service"


def found(*files: FileAnswer) -> list[BootEntry]:
    return list(boot_entries_of(seen(*files)))


def executable(path: str, data: str, mode: int) -> FileAnswer:
    return replace(file(path, data), stat=replace(stat(), mode=mode))


def test_a_line_for_the_reboot_names_its_port_user_and_place() -> None:
    (one,) = found(file(CRONTAB, f"# m h\n0 4 * * * /bin/true\n@reboot cd /opt/shop && {UVICORN} >> /tmp/x.log 2>&1\n"))
    assert (one.kind, one.line, one.user, one.port, one.text) == ("cron", 3, "deploy", 8123, UVICORN)
    assert one.not_run_reason == "cron is not running"


def test_the_crontab_of_the_system_names_the_user_in_the_line() -> None:
    (one,) = found(file("/etc/cron.d/shop", f"PATH=/usr/bin\n@reboot www-data {UVICORN} &\n"))
    assert (one.user, one.port) == ("www-data", 8123)


def test_a_script_of_ones_own_is_asked_for_and_followed() -> None:
    made = seen(file(CRONTAB, "@reboot /opt/shop/start.sh\n"))
    asked = ReadFile("/opt/shop/start.sh", 64 << 10)
    assert asked in list(boot_entry_queries(made))
    script = file("/opt/shop/start.sh", f"#!/bin/sh\ncd /opt/shop\nexec {UVICORN}\n")
    both = view(script)
    both = replace(both, node=replace(both.node, answers={**both.node.answers, BOOT_ENTRY_FILES: made.node.answers[BOOT_ENTRY_FILES]}))
    assert [s.port for s in boot_entries_of(both)] == [8123]


@pytest.mark.parametrize(("place", "text", "told"), [
    (CRONTAB, "# m\n@reboot /opt/shop/start.sh\n", [2]), ("/etc/cron.d/shop", "@reboot shop nohup /opt/shop/start.sh &\n", [1]),
    ("/etc/rc.local", "#!/bin/sh\nsudo -u shop /opt/shop/start.sh &\nexit 0\n", [2]), (CRONTAB, "@daily /opt/shop/start.sh\n", []),
    (CRONTAB, "@reboot /opt/shop/other.sh\n", []), (CRONTAB, "@reboot sudo\n", []),
])
def test_a_program_that_is_gone_is_named_by_the_line_that_starts_it(place: str, text: str, told: list[int]) -> None:
    """It was renamed, and nothing started the backend: fixer did not know which service belongs there."""
    made = seen(file(place, text))
    missing = {**made.node.answers, ReadFile("/opt/shop/start.sh", 64 << 10): Answer("absent", files=(FileAnswer("/opt/shop/start.sh", "absent"),))}
    both = view_of(replace(made.node, answers=missing))
    assert [(line.where, line.text) for line in missing_boot_programs(both)] == [(f"{place}:{n}", "/opt/shop/start.sh") for n in told]


@pytest.mark.parametrize("line", [
    f'su deploy -s /bin/sh -c "nohup {UVICORN} &"', f"sudo -u deploy {UVICORN} &", f"runuser -u deploy -- {UVICORN} &",
    f"nohup {UVICORN} > /tmp/log 2>&1 &",
])
def test_what_rc_local_starts_where_it_is_not_executable(line: str) -> None:
    (one,) = found(executable("/etc/rc.local", f"#!/bin/sh\n{line}\nexit 0\n", 0o100644))
    assert (one.kind, one.line, one.port, one.not_run_reason) == ("rc.local", 2, 8123, "/etc/rc.local is not executable")


def test_a_line_that_leads_to_the_server_is_quoted_as_it_stands() -> None:
    """The command stands in the script that the line runs, under that script's name."""
    line = "nohup runuser -u deploy -- /usr/local/bin/start-shop </dev/null >/dev/null 2>&1 &"
    made = view(executable("/etc/rc.local", f"#!/bin/sh\n{line}\n", 0o100644), file("/usr/local/bin/start-shop", f"#!/bin/sh\nexec {UVICORN}\n"))
    asked = {BOOT_ENTRY_FILES: Answer("ok", files=(executable("/etc/rc.local", f"#!/bin/sh\n{line}\n", 0o100644),))}
    (one,) = boot_entries_of(replace(made, node=replace(made.node, answers={**made.node.answers, **asked})))
    assert (one.file, one.line, one.port, one.text) == ("/etc/rc.local", 2, 8123, line)


@pytest.mark.parametrize("has_unit", [True, False])
def test_an_executable_rc_local_is_a_boot_entry_unless_systemd_has_made_a_unit_of_it(has_unit: bool) -> None:
    """systemd makes the unit as it boots: one that was written since is no unit yet, and somebody started it by hand."""
    made = seen(executable("/etc/rc.local", f"#!/bin/sh\n{UVICORN} &\nexit 0\n", 0o100755))
    units = {"rc-local.service": unit("rc-local.service")} if has_unit else {}
    assert [entry.port for entry in boot_entries_of(replace(made, units=units))] == ([] if has_unit else [8123])


def test_a_unit_of_a_user_that_does_not_linger() -> None:
    text = "[Service]\nWorkingDirectory=%h/shop\nExecStart=%h/venv/bin/gunicorn -b unix:/run/shop/s.sock web:app\n"
    (one,) = found(file(UNIT, text))
    assert (one.kind, one.user, one.unix, one.line) == ("user-unit", "ann", "/run/shop/s.sock", 3)
    assert "lingering is not enabled for" in one.not_run_reason
    (other,) = found(file(UNIT, text), file("/var/lib/systemd/linger/ann", ""))
    assert other.not_run_reason == ""


@pytest.mark.parametrize("text", ["", "#@reboot uvicorn web:app --port 8123\n", "@daily /usr/bin/uvicorn a:b --port 1\n",
                                  "@reboot /usr/bin/certbot renew\n", "@reboot\n", "@reboot 'unterminated\n"])
def test_other_lines_start_no_server(text: str) -> None:
    assert found(file(CRONTAB, text)) == []


def test_what_was_not_asked_is_nothing() -> None:
    assert boot_entries_of(view()) == ()


MONIT = "check process shop with pidfile /run/shop.pid\n  start program = \"{}\"{}\n  stop program = \"/bin/kill 1\"\n"


@pytest.mark.parametrize(("path", "command", "more", "user"), [
    ("/etc/monit/conf.d/shop", f"/bin/sh -c '{UVICORN}'", "", "root"),
    ("/etc/monit/conf-enabled/shop", f"/usr/bin/env {UVICORN}", ' as uid "shop" and gid "shop" with timeout 30 seconds', "shop"),
    ("/etc/monit.d/shop.conf", "/opt/shop/start.sh", "", "root"),
])
def test_what_monit_starts(path: str, command: str, more: str, user: str) -> None:
    script = file("/opt/shop/start.sh", f"#!/bin/sh\ncd /opt/shop; setsid {UVICORN} >/var/log/shop.log 2>&1 &\n")
    made = view(script)
    asked = {BOOT_ENTRY_FILES: Answer("ok", files=(file(path, MONIT.format(command, more)),))}
    made = replace(made, node=replace(made.node, answers={**made.node.answers, **asked}))
    (one,) = boot_entries_of(made)
    assert (one.kind, one.name, one.port, one.user, one.command) == ("monit", "shop", 8123, user, "monit start shop")
    assert one.not_run_reason == "monit is not running"
    keeper = replace(snapshot_builders.process(300), comm="monit", argv=("/usr/bin/monit", "-I"), uid=0)
    (kept,) = boot_entries_of(replace(made, by_pid={300: keeper}))
    assert kept.not_run_reason == ""


def test_other_checks_of_monit_start_no_server() -> None:
    text = 'check filesystem root with path /\nstart program = "/usr/bin/uvicorn a:b --port 1"\ncheck process cron\n'
    assert found(file("/etc/monit/conf.d/x", text)) == []


BOX = snapshot_builders.container("web")
ENTRY = f"#!/bin/bash\nset -e\ncd /opt/shop\n{UVICORN} &\nexec nginx -g 'daemon off;'\n"


@pytest.mark.parametrize("argv", [
    ("/entry.sh",), ("bash", "/entry.sh"), ("/bin/sh", "-c", f"cd /opt/shop; {UVICORN} & nginx -g 'daemon off;'"),
    ("/docker-entrypoint.sh", "/entry.sh"), ("tini", "--", "/entry.sh"),
])
def test_a_containers_own_script_names_what_it_starts_beside_nginx(argv: tuple[str, ...]) -> None:
    hands_over = file("/docker-entrypoint.sh", "#!/bin/sh\nset -e\nexec \"$@\"\n")
    made = view(file("/entry.sh", ENTRY), hands_over, kind="container")
    made = replace(made, node=replace(made.node, answers={**made.node.answers, BOOT_ENTRY_FILES: Answer("ok")}))
    box = replace(BOX, argv=argv)
    (one,) = boot_entries_of(made, box)
    assert (one.kind, one.port, one.name, one.text) == ("entrypoint", 8123, box.name, UVICORN)
    assert boot_entries_of(made, replace(box, is_machine=True)) == ()


def test_a_containers_own_script_is_asked_for() -> None:
    made = view(kind="container")
    asked = list(boot_entry_queries(made, replace(BOX, argv=("./entry.sh",), working_dir="/srv")))
    assert ReadFile("/srv/entry.sh", 64 << 10) in asked
    assert list(boot_entries_of(made, replace(BOX, argv=("nginx", "-g", "daemon off;")))) == []


def test_what_starts_at_boot_is_traced_once_for_a_view() -> None:
    asked = seen(file("/var/spool/cron/crontabs/shop", "@reboot uvicorn a --port 8000\n"))
    first = boot_commands_of(asked)
    assert first and boot_commands_of(asked) is first


@pytest.mark.parametrize(("text", "mode", "uid", "expected"), [
    ("@reboot shop /opt/shop/start.sh", 0o100644, 0, "/opt/shop/start.sh"),
    ("SHELL=/bin/sh\nMAILTO=root\n@reboot shop /opt/shop/start.sh", 0o100644, 0, "/opt/shop/start.sh"),
    ("@reboot shop /opt/shop/start.sh --fast", 0o100644, 0, ""), ("@reboot shop /opt/shop/start.sh >/tmp/log 2>&1 &", 0o100644, 0, ""),
    ("@reboot shop cd /opt/shop && ./start.sh", 0o100644, 0, ""), ("PATH=/opt/bin\n@reboot shop /opt/shop/start.sh", 0o100644, 0, ""),
    ('"LEVEL" = 3\n@reboot shop /opt/shop/start.sh', 0o100644, 0, ""),
    ("@reboot shop /opt/shop/start.sh", 0o100664, 0, ""), ("@reboot shop /opt/shop/start.sh", 0o100644, 1000, ""),
])
def test_a_line_that_is_nothing_but_a_program(text: str, mode: int, uid: int, expected: str) -> None:
    crontab = replace(file("/etc/cron.d/shop", f"{text}\n"), stat=replace(stat(), mode=mode, uid=uid))
    script = file("/opt/shop/start.sh", f"#!/bin/sh\nexec {UVICORN}\n")
    made = view(script)
    both = replace(made, node=replace(made.node, answers={**made.node.answers, BOOT_ENTRY_FILES: Answer("ok", files=(crontab,))}))
    assert [one.program for one in boot_entries_of(both)] in ([expected], [])
    assert not expected or boot_entries_of(both)


START = f"#!/bin/sh\ncd /opt/shop || exit 1\n. /etc/shop.env\nexec {UVICORN}\n"


def by_hand(*files: FileAnswer, boot: tuple[FileAnswer, ...] = (), more: dict[Query, Answer] | None = None) -> View:
    """A machine whose start scripts were read."""
    return view_of(node({START_SCRIPTS: Answer("ok", files=files), BOOT_ENTRY_FILES: Answer("ok", files=boot), **(more or {})}))


def scripts_of(made: View) -> list[tuple[str, str, int]]:
    return [(c.entry.kind, c.entry.file, c.entry.line) for c in boot_commands_of(made)]


def test_a_script_that_somebody_runs_says_how_a_server_starts() -> None:
    made = by_hand(file("/usr/local/bin/start-shop", START))
    (one,) = boot_commands_of(made)
    assert (one.entry.kind, one.entry.file, one.entry.line) == ("by-hand", "/usr/local/bin/start-shop", 4)
    assert (one.entry.directory, one.entry.not_run_reason) == ("/opt/shop", "nothing starts it at boot")
    assert not boot_entries_of(made), "no boot runs it"
    assert ReadFile("/etc/shop.env", 64 << 10) in list(boot_entry_queries(made))
    gone = by_hand(file("/usr/local/bin/start-shop", START), more={
        ReadFile("/etc/shop.env", 64 << 10): Answer("absent", files=(FileAnswer("/etc/shop.env", "absent", None, b""),))})
    assert [missing_file(c.command, gone) for c in boot_commands_of(gone)] == ["/etc/shop.env"]


@pytest.mark.parametrize(("path", "text"), [
    ("/usr/local/bin/start-shop.bak", START), ("/usr/local/bin/start-shop", f"{UVICORN}\n"),
    ("/usr/local/bin/start-shop", "#!/usr/bin/python3\nimport shop\n"), ("/usr/local/bin/run-backup", "#!/bin/sh\nexec tar c /\n"),
])
def test_other_files_there_start_no_server(path: str, text: str) -> None:
    assert not scripts_of(by_hand(file(path, text)))


def test_a_script_that_cron_runs_is_cron_s() -> None:
    script = file("/usr/local/bin/start-shop", START)
    line = file("/etc/cron.d/shop", "@reboot shop /usr/local/bin/start-shop\n")
    assert scripts_of(by_hand(script, boot=(line,))) == [("cron", "/etc/cron.d/shop", 1)]
