"""Tests of fixer/causes/unit_misconfigured/hidden_path.py."""

from __future__ import annotations

import pytest

from fixer.model.diagnosis import Undetermined
from fixer.model.plan import WriteFile
from tests.causes.paper_machine import UNIT, diagnose_machine
from tests.causes.snapshot_builders import verdict_of
from tests.causes.unit_misconfigured.unit_misconfigured_builders import GONE, MOVED, NOT_THERE, START, found, text_of

CAUSE = "unit-misconfigured"
PROGRAM = "/srv/shop/venv/bin/uvicorn"
APP = {"/srv/shop/app/main.py": "app = 1\n"}

CHDIR = "back.service: Failed at step CHDIR spawning /usr/bin/uvicorn: {}"


@pytest.mark.parametrize(("line", "risk", "words"), [
    ("ProtectHome=yes\n", "disruptive", "ProtectHome=yes hides /home/shop/app from it"),
    ("ProtectHome=tmpfs\n", "disruptive", "ProtectHome=tmpfs hides /home/shop/app from it"),
    ("InaccessiblePaths=-/home/shop /mnt\n", "manual", "InaccessiblePaths=-/home/shop /mnt hides /home/shop/app from it"),
    ("ProtectHome=read-only\n", "safe", "this is fixed, but the service was not started again"), ("InaccessiblePaths=/home/sho\n", "safe", "this is fixed, but the service was not started again"),
])
def test_a_folder_that_the_sandbox_hides_is_there_and_not_mended(line: str, risk: str, words: str) -> None:
    unit = MOVED.replace("/srv/old", "/home/shop/app") + line
    files = {"/home/shop/app/main.py": "app = 1", "/home/shop/app": ("dir", 0o755), "/home/shop": ("dir", 0o755)}
    show = {"ExecMainStatus": "200", "WorkingDirectory": "/home/shop/app"}
    for said in (CHDIR.format("Permission denied"), CHDIR.format("No such file or directory")):
        finding = found(diagnose_machine(unit, files, log=(said,), show=show))
        assert finding.variant == "start-200-chdir" and words in finding.summary
        assert finding.repairs[0].risk == risk
        if risk == "disruptive":
            edit = finding.repairs[0].steps[0]
            assert isinstance(edit, WriteFile) and b"ProtectHome=read-only\n" in (edit.after or b"")


def test_a_path_of_the_sandbox() -> None:
    unit = START + "ProtectSystem=strict\nReadWritePaths=-/srv/cache /srv/data\n"
    line = ("back.service: Failed to set up mount namespacing: /srv/data: No such file or directory",
            f"back.service: Failed at step NAMESPACE spawning {PROGRAM}: No such file or directory")
    finding = found(diagnose_machine(unit, APP, log=line, show={"ExecMainStatus": "226"}))
    assert finding.variant == "start-226-namespace" and "a path of its sandbox is missing: /srv/data" in finding.summary
    assert [(r.id, r.risk) for r in finding.repairs] == [("make-path-optional", "disruptive")]
    assert "ReadWritePaths=-/srv/cache -/srv/data\n" in text_of(finding)
    for mounted in ("nas:/x /srv nfs rw\n", "UUID=1 /srv/data ext4 rw\n"):
        table = diagnose_machine(unit, {**APP, "/etc/fstab": f"UUID=0 / ext4 rw\n{mounted}"}, log=line, show={"ExecMainStatus": "226"})
        (by_hand,) = found(table).repairs
        assert by_hand.risk == "manual" and f"{UNIT}:6" in by_hand.manual
    bind = found(diagnose_machine(START + "BindReadOnlyPaths=+/srv/data:/data\n", APP, log=line, show={"ExecMainStatus": "226"}))
    assert "BindReadOnlyPaths=-+/srv/data:/data\n" in text_of(bind)
    whole = diagnose_machine(START, APP, log=line[1:], show={"ExecMainStatus": "226"})
    assert isinstance(verdict_of(whole, CAUSE), Undetermined)


def test_all_paths_of_the_sandbox_that_are_gone_are_made_optional_at_once() -> None:
    """systemd names one at a time: with one of two mended it ended again, and the edit was taken back."""
    unit = START + "ReadOnlyPaths=/srv/data /srv/spool\nReadWritePaths=/srv/spool\n"
    line = ("back.service: Failed to set up mount namespacing: /srv/spool: No such file or directory",
            "back.service: Failed to set up mount namespacing: /srv/data: No such file or directory",
            f"back.service: Failed at step NAMESPACE spawning {PROGRAM}: No such file or directory")
    finding = found(diagnose_machine(unit, APP, log=line, show={"ExecMainStatus": "226"}))
    assert "paths of its sandbox are missing: /srv/data and /srv/spool" in finding.summary
    assert text_of(finding).endswith("ReadOnlyPaths=-/srv/data -/srv/spool\nReadWritePaths=-/srv/spool\n")
    table = diagnose_machine(unit, {**APP, "/etc/fstab": "UUID=1 /srv/spool ext4 rw\n"}, log=line, show={"ExecMainStatus": "226"})
    (by_hand,) = found(table).repairs
    assert by_hand.risk == "manual" and "/srv/spool" in by_hand.manual


@pytest.mark.parametrize(("status", "said", "setting"), [
    ("203", GONE, ""), ("200", NOT_THERE, "WorkingDirectory=/srv/old\n"),
])
def test_a_unit_with_a_root_of_its_own_is_not_judged_by_the_machines_files(
    status: str, said: tuple[str, ...], setting: str,
) -> None:
    """The program lies on the machine, and not in the unit's root: "that is mended" was told, and started in vain."""
    files = {**APP, PROGRAM: ("#!/bin/sh\n", 0o755), "/bin/sh": ("", 0o755), "/srv/old": ("dir", 0o755)}
    unit = f"{START}{setting}RootDirectory=/srv/jail\nBindReadOnlyPaths=/lib /etc\n"
    show = {"ExecMainStatus": status, "WorkingDirectory": "/srv/old" if setting else "/srv/shop"}
    finding = found(diagnose_machine(unit, files, log=said, show=show))
    assert finding.confidence == "likely" and "in its own root (RootDirectory=/srv/jail)" in finding.summary
    assert finding.repairs[0].risk == "manual" and "BindReadOnlyPaths=" in finding.repairs[0].manual
    outside = found(diagnose_machine(unit.replace("/srv/jail", "/"), files, log=said, show=show))
    assert "own root" not in outside.summary
