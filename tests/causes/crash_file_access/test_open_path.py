"""What lets a program use its path: a folder that it may write to, one for temporary files, its socket's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Evidence, Known
from fixer.model.plan import DaemonReload, UnitAction, WriteFile
from fixer.model.snapshot import Binding, Compose, EnvSlot, UnitValue
from fixer.model.target import TargetRef
from tests.causes.crash_file_access.crash_file_access_builders import (
    BOUND,
    CAUSE,
    GUNICORN,
    HEAD,
    NEW_FILE,
    NO_TEMP_SAID,
    NOT_THERE,
    OPENED,
    PASSWD,
    ROOT_ONLY,
    crashed,
    no_socket,
)
from tests.causes.snapshot_builders import (
    NOW,
    Scene,
    container_service,
    file,
    finding_of,
    log_lines,
    stat,
    stopped_service,
)


def guarded(path: str, value: str = "strict", line: str = "") -> Scene:
    where = "/etc/systemd/system/backend.service.d/hard.conf"
    setting = UnitValue("ProtectSystem", value, where, 2, 24, 24 + len(value))
    said = f"OSError: [Errno 30] Read-only file system: '{path}'"
    return crashed(*HEAD, line or said, unit_values=(setting,))


def test_its_own_folder_is_opened_where_only_the_protection_of_its_unit_forbids_it() -> None:
    first = finding_of(diagnose(guarded("/var/lib/shop/a.lock").snapshot()), CAUSE)
    assert "ProtectSystem=strict" in first.summary and first.evidence[1].where.endswith("hard.conf:2")
    (repair,) = first.repairs
    write, reload_, *rest = repair.steps
    assert (repair.id, repair.risk) == ("open-folder", "disruptive")
    assert isinstance(write, WriteFile) and write.after == b"[Service]\nReadWritePaths=/var/lib/shop\n"
    assert isinstance(reload_, DaemonReload) and [s.verb for s in rest if isinstance(s, UnitAction)][-1] == "start"


@pytest.mark.parametrize(("path", "value"), [
    ("/etc/shop/a.lock", "strict"), ("/var/lib/a.lock", "strict"), ("/var/lib/shop/../../../etc/x/y", "strict"),
    ("/var/lib/shop x/a.lock", "strict"), ("/var/lib/shop/a.lock", "full"), ("/usr/lib/shop/a.lock", "yes"),
    ("/var/lib/shop/a.lock", "no"),
])
def test_what_else_is_read_only_stays_for_a_person(path: str, value: str) -> None:
    (repair,) = finding_of(diagnose(guarded(path, value).snapshot()), CAUSE).repairs
    assert repair.risk == "manual" and not repair.steps


@pytest.mark.parametrize("lines", [
    (*BOUND, NOT_THERE), (HEAD[0], "    sock.bind(path)", "    ~~~~~~~~~^^^^^^", NOT_THERE),
    (GUNICORN.format("2] No such file or directory"),
     "[2026-01-01 10:00:01 +0000] [16] [ERROR] Can't connect to /run/hub/a.sock"),
])
def test_the_folder_of_its_socket_that_a_boot_took_away_is_made_by_systemd(lines: tuple[str, ...]) -> None:
    first = finding_of(diagnose(no_socket(*lines).snapshot()), CAUSE)
    assert (first.variant, first.confidence) == ("start-file-missing", "certain")
    write, reload, *rest = first.repairs[0].steps
    assert isinstance(write, WriteFile) and isinstance(reload, DaemonReload) and first.repairs[0].risk == "disruptive"
    assert write.after == b"[Service]\nRuntimeDirectory=hub\n"
    assert [s.verb for s in rest if isinstance(s, UnitAction)] == ["reset-failed", "start"]


@pytest.mark.parametrize("asked", ["/srv/shop/a.sock", "/srv/gone/a.sock"])
def test_a_socket_that_is_told_into_no_folder_goes_where_nginx_asks(asked: str) -> None:
    """To put the folder back would not help: nginx asks in another, that is there."""
    scene = no_socket(*BOUND, NOT_THERE).endpoint(unix=asked)
    path, text = "/etc/systemd/system/backend.service", "[Service]\nExecStart=uvicorn a:b --uds /run/hub/a.sock\n"
    at = text.index("/run/hub")
    told = Binding("", 0, "/run/hub/a.sock", Evidence("unit", f"{path}:2", "--uds"), path, at, at + len("/run/hub/a.sock"))
    scene.services[0] = replace(scene.services[0], bindings=Known((told,)))
    scene.files = [f if f.path != path else file(path, text) for f in scene.files]
    node = scene.node_changes["local"]
    node["files"] = (*node["files"], ("/srv/shop", replace(ROOT_ONLY, mode=0o40755)))
    first = finding_of(diagnose(scene.snapshot()), CAUSE)
    if asked.startswith("/srv/gone"):
        assert first.repairs[0].id != "listen-where-nginx-asks"
        return
    write = first.repairs[0].steps[0]
    assert (first.repairs[0].id, first.repairs[0].risk) == ("listen-where-nginx-asks", "disruptive")
    assert isinstance(write, WriteFile) and write.after == text.replace("/run/hub/a.sock", asked).encode()


def test_a_folder_that_another_program_is_told_to_use_too_is_for_a_person() -> None:
    scene = no_socket(*BOUND, NOT_THERE)
    told = Binding("", 0, "/run/hub/b.sock", Evidence("unit", "/etc/systemd/system/other.service:4", "--uds"))
    scene.with_service(stopped_service("other.service", bindings=Known((told,))))
    assert finding_of(diagnose(scene.snapshot()), CAUSE).repairs[0].risk == "manual"


def no_temp(mode: int = 0o1777, *settings: UnitValue) -> Scene:
    made = crashed(*OPENED, "    self.__tmp__ = tempfile.mkstemp()", NO_TEMP_SAID, unit_values=settings)
    tmp = stat(kind="dir", mode=0o040000 | mode)
    made.node_changes["local"] = {"files": (("/", stat(kind="dir", mode=0o040755)), ("/tmp", tmp)), "missing_paths": (NEW_FILE,)}
    made.files += [file(path, data) for path, data in zip(("/etc/passwd", "/etc/group"), PASSWD, strict=True)]
    return made


def test_a_tmp_that_has_lost_its_mode_is_named_with_what_puts_it_right() -> None:
    first = finding_of(diagnose(no_temp(0o755).snapshot()), CAUSE)
    (repair,) = first.repairs
    assert (first.confidence, repair.risk) == ("certain", "manual")
    assert "may not write to /tmp" in first.summary and "chmod 1777 /tmp" in (repair.manual or "")
    assert ("/tmp", "dir, mode 0755, owner 0:0") in {(e.where, e.text) for e in first.evidence}


def test_a_unit_whose_protection_leaves_it_no_tmp_is_given_one_of_its_own() -> None:
    where = "/etc/systemd/system/backend.service.d/hard.conf"
    strict = UnitValue("ProtectSystem", "strict", where, 2, 24, 30)
    first = finding_of(diagnose(no_temp(0o1777, strict).snapshot()), CAUSE)
    (repair,) = first.repairs
    write = repair.steps[0]
    assert (first.confidence, repair.id, repair.risk) == ("certain", "open-folder", "disruptive")
    assert isinstance(write, WriteFile) and write.after == b"[Service]\nPrivateTmp=yes\n"
    own = UnitValue("PrivateTmp", "no", where, 3, 31, 33)
    assert finding_of(diagnose(no_temp(0o1777, strict, own).snapshot()), CAUSE).repairs[0].risk == "manual"     # meant so


def test_why_there_was_no_room_for_temporary_files_is_not_guessed() -> None:
    first = finding_of(diagnose(no_temp().snapshot()), CAUSE)
    assert (first.confidence, first.repairs[0].risk) == ("likely", "manual") and "df -h /tmp" in (first.repairs[0].manual or "")


@pytest.mark.parametrize(("said", "shares", "given"), [
    ("OSError: [Errno 30] Read-only file system: '/tmp/words.db'", (), "[/tmp]"),
    ("OSError: [Errno 30] Read-only file system: '/var/tmp/a/words.db'", (), "[/var/tmp]"),
    ("FileNotFoundError: [Errno 2] No usable temporary directory found in ['/tmp', '/var/tmp', '/usr/tmp', '/srv']", (), "[/tmp]"),
    ("OSError: [Errno 30] Read-only file system: '/tmp/words.db'", (("/srv/t", "/tmp"),), ""),
    ("OSError: [Errno 30] Read-only file system: '/srv/words.db'", (), ""),
])
def test_a_container_that_was_made_read_only_is_given_tmp(said: str, shares: tuple[tuple[str, str], ...], given: str) -> None:
    text = "services:\n  app:\n    image: x"
    slot = EnvSlot("engine", "/p/compose.yaml", len(text), "\n    {name}: {value}", "yaml-map")
    box = {"status": "restarting", "exit_code": 1, "started_at": NOW - 40, "finished_at": NOW - 20, "read_only": True, "shares": shares}
    scene = Scene("app:8000", node="web", back="app").with_service(
        container_service(box=box, log=log_lines(*OPENED, said), pids=(), setting_slot=slot)).refused()
    scene.files.append(file("/p/compose.yaml", text, "engine"))
    scene.extra = {"target": TargetRef("compose", "p"),
                   "compose": Compose("p", "/p", ("/p/compose.yaml",), (), (("app", True),), Known(True))}
    repairs = finding_of(diagnose(scene.snapshot()), CAUSE).repairs
    assert [r.id for r in repairs] == [*(["give-folder"] if given else []), "open-path"]
    assert repairs[-1].risk == "manual" and "chown" not in repairs[-1].manual
    if given:
        write = repairs[0].steps[0]
        assert isinstance(write, WriteFile) and write.after == f"{text}\n    tmpfs: {given}".encode()


@pytest.mark.parametrize(("path", "present", "absent", "said", "todo"), [
    ("/var/log/shop/a.log", "/var/log/shop", "/var/log/shop/a.log", "a.log is not there", "restore /var/log/shop/a.log for "),
    ("/var/log/shop/a.log", "/var/log", "/var/log/shop", "a.log is not there, nor is its folder", "set LogsDirectory=shop in the unit"),
    ("/var/lib/shop/in/a", "/var/lib", "/var/lib/shop/in", "in/a is not there, nor is its folder", "set StateDirectory=shop/in in the unit"),
    ("/var/log/shop/a.log", "/var", "", "a.log is not there", "if the folder is gone, set LogsDirectory=shop in the unit"),
    ("/etc/shop/a.json", "/etc", "/etc/shop", "a.json is not there, nor is its folder", "restore /etc/shop/a.json and its folder for "),
])
def test_a_setting_that_makes_a_folder_is_named_only_where_the_folder_may_be_gone(path: str, present: str, absent: str, said: str, todo: str) -> None:
    scene = crashed(*OPENED, f"    open('{path}')", f"FileNotFoundError: [Errno 2] No such file or directory: '{path}'")
    missing = tuple(part for part in (absent, path) if absent)
    scene.node_changes["local"] = {"files": ((present, stat(kind="dir", mode=0o040755)),), "missing_paths": missing}
    one = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert one.summary.endswith(said) and todo in one.repairs[0].manual
    assert ("Directory=" in one.repairs[0].manual) is ("Directory=" in todo)


def test_a_file_is_restored_for_the_account_that_the_start_script_changes_to() -> None:
    """rc.local runs as root, and its `runuser -u shop` is who must read the file."""
    scene = crashed(*OPENED, "    open('/srv/shop/words')", NOT_THERE + ": '/srv/shop/words'", runs_as="shop")
    scene.node_changes["local"] = {"missing_paths": ("/srv/shop/words",)}
    assert "for the account shop" in finding_of(diagnose(scene.snapshot()), CAUSE).repairs[0].manual
