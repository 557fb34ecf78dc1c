"""What else starts a backend: cron, rc.local, units of a user's own systemd."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.model.deployment import BootEntry
from fixer.model.query import Answer, FileAnswer, Query, ReadFile, ReadGlob
from fixer.observe.boot.boot_entries import BOOT_ENTRY_FILES, boot_entries_of, boot_entry_queries
from fixer.observe.evidence_bundle import redact_capture
from fixer.observe.view.node_view import View
from tests.causes import snapshot_builders
from tests.observe.capture_builders import capture, file, node, stat, view

UVICORN = "/usr/bin/uvicorn web:app --host 127.0.0.1 --port 8123"
CRONTAB = "/var/spool/cron/crontabs/deploy"
UNIT = "/home/ann/.config/systemd/user/shop.service"


def seen(*files: FileAnswer, more: dict[Query, Answer] | None = None) -> View:
    made = view()
    return replace(made, node=replace(made.node, answers={
        **made.node.answers, BOOT_ENTRY_FILES: Answer("ok", files=files), **(more or {})}))


def found(*files: FileAnswer) -> list[BootEntry]:
    return list(boot_entries_of(seen(*files)))


def executable(path: str, data: str, mode: int) -> FileAnswer:
    return replace(file(path, data), stat=replace(stat(), mode=mode))


def test_a_line_for_the_reboot_names_its_port_user_and_place() -> None:
    (one,) = found(file(CRONTAB, f"# m h\n0 4 * * * /bin/true\n@reboot cd /opt/shop && {UVICORN} >> /tmp/x.log 2>&1\n"))
    assert (one.kind, one.line, one.user, one.port, one.text) == ("cron", 3, "deploy", 8123, UVICORN)
    assert one.not_run_reason == "cron does not run"


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


@pytest.mark.parametrize("line", [
    f'su deploy -s /bin/sh -c "nohup {UVICORN} &"', f"sudo -u deploy {UVICORN} &", f"runuser -u deploy -- {UVICORN} &",
    f"nohup {UVICORN} > /tmp/log 2>&1 &",
])
def test_what_rc_local_starts_where_it_is_not_executable(line: str) -> None:
    (one,) = found(executable("/etc/rc.local", f"#!/bin/sh\n{line}\nexit 0\n", 0o100644))
    assert (one.kind, one.line, one.port, one.not_run_reason) == ("rc.local", 2, 8123, "/etc/rc.local is not executable")


def test_a_unit_of_a_user_that_does_not_linger() -> None:
    text = "[Service]\nWorkingDirectory=%h/shop\nExecStart=%h/venv/bin/gunicorn -b unix:/run/shop/s.sock web:app\n"
    (one,) = found(file(UNIT, text))
    assert (one.kind, one.user, one.unix, one.line) == ("user-unit", "ann", "/run/shop/s.sock", 3)
    assert "does not linger" in one.not_run_reason
    (other,) = found(file(UNIT, text), file("/var/lib/systemd/linger/ann", ""))
    assert other.not_run_reason == ""


@pytest.mark.parametrize("text", ["", "#@reboot uvicorn web:app --port 8123\n", "@daily /usr/bin/uvicorn a:b --port 1\n",
                                  "@reboot /usr/bin/certbot renew\n", "@reboot\n", "@reboot 'unterminated\n"])
def test_other_lines_start_no_server(text: str) -> None:
    assert found(file(CRONTAB, text)) == []


def test_what_was_not_asked_is_nothing() -> None:
    assert boot_entries_of(view()) == ()


def test_secrets_of_such_a_line_are_in_no_bundle() -> None:
    line = file(CRONTAB, f"API_TOKEN=hunter2hunter2\n@reboot API_TOKEN=hunter2hunter2 {UVICORN}\n")
    made = node({BOOT_ENTRY_FILES: Answer("ok", files=(line,))})
    kept = redact_capture(capture(made)).nodes[0].answers[BOOT_ENTRY_FILES].files[0].data
    assert b"hunter2" not in kept and b"uvicorn" in kept


RUN = "#!/bin/sh\nexec 2>&1\ncd /opt/shop\nPORT=8123\nexec chpst -u shop /usr/bin/uvicorn web:app --port $PORT\n"


def watched(*argv: str, folder: str = "/etc/service/shop", more: tuple[FileAnswer, ...] = ()) -> list[BootEntry]:
    made = seen(file(f"{folder}/run", RUN), *more)
    watcher = replace(snapshot_builders.process(300), argv=argv, uid=0, comm=argv[0])
    return list(boot_entries_of(replace(made, by_pid={300: watcher})))


@pytest.mark.parametrize(("argv", "folder", "kind", "command"), [
    (("runsv", "shop"), "/etc/service/shop", "runit", "sv up shop"),
    (("s6-supervise", "shop"), "/run/service/shop", "s6", "s6-svc -u /run/service/shop"),
    (("supervise", "shop"), "/service/shop", "daemontools", "svc -u /service/shop"),
])
def test_a_folder_that_a_watcher_keeps(argv: tuple[str, ...], folder: str, kind: str, command: str) -> None:
    (one,) = watched(*argv, folder=folder)
    assert (one.kind, one.name, one.port, one.command, one.not_run_reason, one.line) == (kind, "shop", 8123, command, "", 5)


def test_what_runit_was_told_to_keep_down_and_what_nobody_watches() -> None:
    def status(wanted: bytes) -> FileAnswer:
        return replace(file("/etc/service/shop/supervise/status", ""), data=bytes(17) + wanted + bytes(2))
    (down,) = watched("runsv", "shop", more=(status(b"d"),))
    assert down.not_run_reason == "runsv was told to keep it down"
    (loop,) = watched("runsv", "shop", more=(status(b"u"),))
    assert loop.not_run_reason == ""
    (alone,) = watched("runsv", "blog")
    assert (alone.command, alone.not_run_reason) == ("", "no runsv, s6-supervise or supervise watches shop")


@pytest.mark.parametrize("argv", [
    ("/usr/bin/s6-svscan", "-d4", "/srv/scan/"), ("runsvdir", "-P", "/srv/scan", "log: ..."), ("svscan", "/srv/scan"),
])
def test_a_scanner_may_have_a_folder_of_its_own(argv: tuple[str, ...]) -> None:
    keeper = replace(snapshot_builders.process(300), argv=argv, uid=0, comm="scanner")
    watcher = replace(snapshot_builders.process(301), argv=("s6-supervise", "shop"), uid=0, comm="s6-supervise")
    made = replace(seen(), by_pid={300: keeper, 301: watcher})
    asked = next(q for q in boot_entry_queries(made) if isinstance(q, ReadGlob) and q != BOOT_ENTRY_FILES)
    assert asked.patterns == ("/srv/scan/*/run", "/srv/scan/*/supervise/status")
    answers = {**made.node.answers, asked: Answer("ok", files=(file("/srv/scan/shop/run", RUN),))}
    (one,) = boot_entries_of(replace(made, node=replace(made.node, answers=answers)))
    assert (one.kind, one.port, one.command) == ("s6", 8123, "s6-svc -u /srv/scan/shop")


@pytest.mark.parametrize(("uid", "folder"), [(1000, "/srv/scan"), (0, "scan"), (0, "/srv/*"), (0, "/etc/service")])
def test_a_folder_that_anybody_could_name_is_not_read(uid: int, folder: str) -> None:
    keeper = replace(snapshot_builders.process(300), argv=("svscan", folder), uid=uid, comm="svscan")
    made = replace(seen(), by_pid={300: keeper})
    assert [q for q in boot_entry_queries(made) if isinstance(q, ReadGlob)] == [BOOT_ENTRY_FILES]


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
    assert one.not_run_reason == "monit does not run"
    keeper = replace(snapshot_builders.process(300), comm="monit", argv=("/usr/bin/monit", "-I"), uid=0)
    (kept,) = boot_entries_of(replace(made, by_pid={300: keeper}))
    assert kept.not_run_reason == ""


def test_other_checks_of_monit_start_no_server() -> None:
    text = 'check filesystem root with path /\nstart program = "/usr/bin/uvicorn a:b --port 1"\ncheck process cron\n'
    assert found(file("/etc/monit/conf.d/x", text)) == []


def test_a_folder_that_two_places_lead_to_counts_once_and_the_watched_place_is_named() -> None:
    (one,) = watched("runsv", "shop", more=(file("/etc/sv/shop/run", RUN),))
    assert one.file == "/etc/service/shop/run"
    assert list(boot_entries_of(seen(file("/etc/sv/job/run", "#!/bin/sh\nwhile true; do sleep 9; done\n")))) == []


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
