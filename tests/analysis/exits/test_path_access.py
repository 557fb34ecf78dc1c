"""Tests of fixer/analysis/exits/path_access.py."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.snapshot import UnitValue
from tests.causes.crash_file_access.crash_file_access_builders import (
    HEAD,
    OPENED,
    OWN_GROUP,
    OWN_LINE,
    crashed,
    looked_at,
    module_below,
)
from tests.causes.snapshot_builders import (
    NOW,
    Scene,
    container_service,
    file,
    finding_of,
    log_lines,
    roots,
    stat,
    supervised_service,
)

CAUSE = "crash-file-access"
DENIED = "PermissionError: [Errno 13] Permission denied: '/var/log/shop/app.log'"
GONE_SAID = "FileNotFoundError: [Errno 2] No such file or directory: '/srv/shop/words'"
DENIED_SAID = "PermissionError: [Errno 13] Permission denied: '/srv/shop/words'"


@pytest.mark.parametrize(("said", "changes", "words"), [
    (GONE_SAID, {"absent": ("/srv/shop/words",)}, "is not there"),
    (GONE_SAID, {"absent": ("/srv/shop", "/srv/shop/words")}, "is not there"),
    (GONE_SAID, {"absent": ("/srv/shop", "/srv/shop/words"), "call": "open('/srv/shop/words', 'w')"}, "is not there, nor is its folder"),
    (GONE_SAID, {"file": 0o600}, "may not read /srv/shop/words"),
    (DENIED_SAID, {"folder": 0o700}, "may not enter /srv/shop"),
    (DENIED_SAID, {"call": "open('/srv/shop/words', 'a')"}, "may not write to /srv/shop/words"),
    (DENIED_SAID, {"call": "open('/srv/shop/words', 'a')", "file": 0o600}, "may not write to /srv/shop/words"),     # nor read it
    (DENIED_SAID, {"call": "open('/srv/shop/words', 'a')", "absent": ("/srv/shop/words",)}, "may not write to /srv/shop"),
])
def test_what_still_holds_is_certain_and_says_what_closes_it(said: str, changes: dict[str, object], words: str) -> None:
    first = finding_of(diagnose(looked_at(said, **changes).snapshot()), CAUSE)    # type: ignore[arg-type]
    assert (first.confidence, first.repairs[0].risk) == ("certain", "manual") and words in first.summary


@pytest.mark.parametrize("scene", [
    crashed(*HEAD, DENIED),                                                            # nobody looked
    looked_at(DENIED_SAID, call="load()"),                                             # it may read and not write
    looked_at(DENIED_SAID, accounts=False),
    looked_at(GONE_SAID, scene=crashed(*OPENED, GONE_SAID, unit_values=(
        UnitValue("RootDirectory", "/srv/root", "/etc/systemd/system/backend.service", 5, 9, 18),))),
    looked_at(DENIED_SAID, scene=crashed(*OPENED, DENIED_SAID, unit_changes={"user": ""})),
])
def test_what_cannot_be_looked_at_is_likely_and_said_to_be(scene: Scene) -> None:
    first = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert (first.confidence, first.repairs[0].risk) == ("likely", "manual")
    assert any("it is unknown whether that still holds" in line for line in first.detail)


@pytest.mark.parametrize(("options", "confidence", "risk"), [("rw,relatime", "likely", "safe"), ("ro", "certain", "manual")])
def test_a_file_system_that_may_be_written_to_by_now(options: str, confidence: str, risk: str) -> None:
    scene = crashed(*HEAD, "OSError: [Errno 30] Read-only file system: '/var/log/shop/app.log'")
    scene.files.append(file("/proc/mounts", f"/dev/a / ext4 rw 0 0\n/dev/b /var/log ext4 {options} 0 0\n"))
    first = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert (first.confidence, first.repairs[0].risk) == (confidence, risk)


@pytest.mark.parametrize(("there", "confidence", "risk"), [(True, "likely", "safe"), (False, "certain", "manual")])
def test_what_is_mounted_into_a_container_is_looked_at_on_its_host(there: bool, confidence: str, risk: str) -> None:
    mounts = (("/opt/shop/data", "/srv/shop", True),)
    box = {"status": "exited", "exit_code": 1, "mounts": mounts, "started_at": NOW - 40, "finished_at": NOW - 20}
    scene = Scene("app:8000", node="web", back="app").with_service(
        container_service(box=box, log=log_lines(*OPENED, "    open('/srv/shop/words')", GONE_SAID), pids=())).refused()
    if there:
        scene.extra["engine_files"] = (("/opt/shop/data/words", stat()),)
    first = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert (first.confidence, first.repairs[0].risk) == (confidence, risk)


@pytest.mark.parametrize(("user", "mode", "uid", "closed"), [
    ("app", 0o40700, 0, True), ("1000", 0o40700, 0, True), ("1000", 0o40755, 0, False), ("1000", 0o40700, 1000, False),
    ("app", 0o40700, 500, False), ("0", 0o40700, 0, False), ("", 0o40700, 0, False), ("1000:50", 0o40750, 0, False),
])
def test_code_of_the_docker_host_that_is_closed_to_a_containers_account(user: str, mode: int, uid: int, closed: bool) -> None:
    """Python says only that there is no such module; a name has a number that only the image knows."""
    box = {"status": "restarting", "exit_code": 1, "started_at": NOW - 40, "finished_at": NOW - 20, "user": user,
           "working_dir": "/code", "mounts": (("/srv/shop", "/code", False),)}
    scene = Scene("app:8000", node="web", back="app").with_service(container_service(
        box=box, log=log_lines('ERROR:    Error loading ASGI app. Could not import module "main".'), pids=(), argv=("uvicorn", "main:app"))).refused()
    scene.extra["engine_files"] = (("/srv/shop", stat(kind="dir", mode=mode, uid=uid, gid=50 if "50" in user else 0)),
                                   ("/srv/shop/main.py", stat(mode=0o100644)))
    found = [f.summary for f in diagnose(scene.snapshot()).findings if f.cause == CAUSE]
    assert bool(found) is closed and (not closed or f"{user} cannot access /code" in found[0])


UNFOUND = 'ERROR:    Error loading ASGI app. Could not import module "app.main".'


@pytest.mark.parametrize("line", [UNFOUND, "ModuleNotFoundError: No module named 'app.main'"])
def test_a_module_in_a_closed_folder_is_no_wrong_name(line: str) -> None:
    """Python says that there is none; its file is there for root."""
    diagnosis = diagnose(module_below(0o700, line=line).snapshot())
    assert roots(diagnosis) == [CAUSE]
    first = finding_of(diagnosis, CAUSE)
    assert (first.variant, first.confidence) == ("start-file-denied", "certain")
    assert "shop cannot access /srv/shop/app" in first.summary and "chown or chmod" in first.repairs[0].manual


@pytest.mark.parametrize(("shut", "mode", "told"), [
    ("/opt/code/app", 0o700, True), ("/opt/code", 0o711, True), ("/opt", 0o700, True), ("/opt", 0o711, False),
])
def test_a_module_is_looked_for_where_the_command_says(shut: str, mode: int, told: bool) -> None:
    """`--app-dir`: it starts in a folder that lacks the module. A folder on the way need be passed through only."""
    scene = crashed(UNFOUND, argv=("/usr/bin/uvicorn", "app.main:app", "--app-dir", "/opt/code"))
    scene.files += [file("/etc/passwd", OWN_LINE), file("/etc/group", OWN_GROUP)]
    modes = dict.fromkeys(("/", "/srv", "/srv/shop", "/opt", "/opt/code", "/opt/code/app"), 0o755) | {shut: mode}
    stats = [(path, stat(kind="dir", mode=0o40000 | bits)) for path, bits in modes.items()]
    scene.node_changes["local"] = {"files": (*stats, ("/opt/code/app/main.py", stat(mode=0o100644)))}
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [CAUSE if told else "crash-code-error"]
    assert not told or f"shop cannot access {shut}" in finding_of(diagnosis, CAUSE).summary


@pytest.mark.parametrize(("setting", "words"), [
    (UnitValue("LoadCredential", "key:/etc/shop/key", "/etc/x.service", 4, 0, 0), "(LoadCredential names key:/etc/shop/key)"),
    (UnitValue("LoadCredential", "tls:/etc/shop/tls", "/etc/x.service", 4, 0, 0), "its unit passes tls"),
])
def test_a_credential_is_not_there_between_two_runs_and_nobody_puts_it_there_by_hand(
    setting: UnitValue, words: str,
) -> None:
    path = "/run/credentials/backend.service/key"
    scene = crashed(*HEAD[:2], f"    open('{path}')", f"FileNotFoundError: [Errno 2] No such file or directory: '{path}'",
                    unit_values=(setting,))
    scene.node_changes["local"] = {"missing_paths": (path,)}
    finding = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert finding.confidence == "likely" and words in finding.summary and "put /run" not in finding.repairs[0].manual


@pytest.mark.parametrize(("mode", "cause"), [(0o700, CAUSE), (0o755, "crash-code-error")])
def test_the_folder_of_a_program_of_supervisord_may_be_closed_too(mode: int, cause: str) -> None:
    scene = module_below(mode)
    folder = UnitValue("directory", "/srv/shop", "/etc/supervisor/conf.d/shop.conf", 3, 0, 9)
    account = UnitValue("user", "shop", "/etc/supervisor/conf.d/shop.conf", 4, 0, 4)
    told = scene.services[0]
    scene.services[0] = supervised_service("FATAL", log=told.log, argv=told.argv, unit_values=(folder, account),
                                           program={"expected": False, "ended": "exit status 1"})
    scene.refused(configured_service=scene.services[0].id)
    assert roots(diagnose(scene.snapshot())) == [cause]
