"""Tests of fixer/causes/unit_misconfigured/missing_place.py."""

from __future__ import annotations

import pytest

from fixer.model.diagnosis import Undetermined
from fixer.model.plan import WriteFile
from tests.causes.paper_machine import UNIT, diagnose_machine
from tests.causes.snapshot_builders import verdict_of
from tests.causes.unit_misconfigured.unit_misconfigured_builders import MOVED, NOT_THERE, START, found, text_of

CAUSE = "unit-misconfigured"
APP = {"/srv/shop/app/main.py": "app = 1\n"}

CHDIR = "back.service: Failed at step CHDIR spawning /usr/bin/uvicorn: {}"
OLD = {"ExecMainStatus": "200", "WorkingDirectory": "/srv/old"}


def test_the_one_folder_that_holds_the_application() -> None:
    finding = found(diagnose_machine(MOVED, APP, log=NOT_THERE, show=OLD))
    assert finding.variant == "start-200-chdir"
    assert text_of(finding) == f"[Service]\n{MOVED}".replace("/srv/old", "/srv/shop")


def test_several_folders_hold_it() -> None:
    files = {**APP, "/opt/two/app/main.py": "app = 1\n"}
    (repair,) = found(diagnose_machine(MOVED, files, log=NOT_THERE, show=OLD)).repairs
    assert repair.needs[0].key == "directory" and repair.needs[0].choices == ("/opt/two", "/srv/shop")
    chosen = found(diagnose_machine(MOVED, files, log=NOT_THERE, show=OLD, inputs={"directory": "/opt/two"}))
    assert "WorkingDirectory=/opt/two" in text_of(chosen)
    around = MOVED.replace("/usr/bin/uvicorn", "/opt/two/venv/bin/uvicorn")
    assert "WorkingDirectory=/opt/two" in text_of(found(diagnose_machine(around, files, log=NOT_THERE, show=OLD)))


def test_no_folder_holds_it() -> None:
    for unit, files in ((MOVED, {}), (MOVED.replace("app.main:app", "--factory"), APP)):
        (repair,) = found(diagnose_machine(unit, files, log=NOT_THERE, show=OLD)).repairs
        assert repair.risk == "manual" and f"{UNIT}:3" in repair.manual


def test_a_release_that_is_gone() -> None:
    unit = MOVED.replace("/srv/old", "/srv/shop/current")
    show = {"ExecMainStatus": "200", "WorkingDirectory": "/srv/shop/current"}
    files = {"/srv/shop/current": "-> releases/7", "/srv/shop/releases/6/app/main.py": "app = 1\n", "/srv/x/app/main.py": "a"}
    remove, make = found(diagnose_machine(unit, files, log=NOT_THERE, show=show)).repairs[0].steps[:2]
    assert isinstance(remove, WriteFile) and isinstance(make, WriteFile)
    assert (remove.link_target, make.link_target) == ("releases/7", "/srv/shop/releases/6")
    several = {**files, "/srv/shop/releases/5/app/main.py": "app = 1\n"}
    (repair,) = found(diagnose_machine(unit, several, log=NOT_THERE, show=show)).repairs
    assert repair.needs[0].choices == ("/srv/shop/releases/5", "/srv/shop/releases/6") and not repair.steps


LINKED = "User=shop\nWorkingDirectory=/srv/shop/current\nExecStart={} app.main:app --port 8000\n"


def test_a_link_to_nowhere_is_led_to_a_folder_below_its_own() -> None:
    unit = LINKED.format("/usr/bin/uvicorn")
    show = {"ExecMainStatus": "200", "WorkingDirectory": "/srv/shop/current"}
    files = {"/srv/shop/current": "-> /home/ci/shop", "/srv/shop/releases/6/app/main.py": "app = 1\n"}
    remove, make = found(diagnose_machine(unit, files, log=NOT_THERE, show=show)).repairs[0].steps[:2]
    assert isinstance(remove, WriteFile) and isinstance(make, WriteFile)
    assert (remove.link_target, make.link_target) == ("/home/ci/shop", "/srv/shop/releases/6")


@pytest.mark.parametrize(("table", "is_named"), [
    ("/dev/sdb1 /mnt/apps ext4 noauto,nofail 0 2\n", True), ("# /dev/sdb1 /mnt/apps ext4 noauto 0 2\n", False),
    ("/dev/sdb1 /mnt/apps ext4 noauto 0 2\n#mounted", False),
    ("/dev/sdb1 /mnt/app ext4 noauto 0 2\n", False), ("/dev/sda1 / ext4 defaults 0 1\n", False),
])
def test_a_folder_of_what_is_to_be_mounted_is_not_looked_for_elsewhere(table: str, *, is_named: bool) -> None:
    unit = MOVED.replace("/srv/old", "/mnt/apps/shop")
    now = "/dev/sda1 / ext4 rw 0 0\n" + ("/dev/sdb1 /mnt/apps ext4 rw 0 0\n" if "#mounted" in table else "")
    finding = found(diagnose_machine(unit, {**APP, "/etc/fstab": table, "/proc/mounts": now}, log=NOT_THERE,
                           show={"ExecMainStatus": "200", "WorkingDirectory": "/mnt/apps/shop"}))
    (repair,) = finding.repairs
    assert (repair.id, repair.risk) == (("mount-folder", "manual") if is_named else ("correct-directory", "disruptive"))
    assert ("/mnt/apps is not mounted" in finding.summary) is is_named


def test_a_folder_that_the_account_may_not_enter() -> None:
    files = {"/srv/shop/app/main.py": "a", "/srv/shop": ("dir", 0o700)}
    unit = MOVED.replace("/srv/old", "/srv/shop")
    finding = found(diagnose_machine(unit, files, log=(CHDIR.format("Permission denied"),), show={"ExecMainStatus": "200"}))
    assert "shop may not enter /srv/shop (mode 0700, owner 0:0)" in finding.summary
    assert finding.repairs[0].risk == "manual" and f"{UNIT}:3" in finding.repairs[0].manual


def test_the_folder_that_is_closed_to_its_account_is_named_and_no_folder_of_its_own() -> None:
    accounts = {"/etc/passwd": "shop:x:1000:1000::/srv:/bin/sh\n", "/etc/group": "shop:x:1000:\n"}
    files = {"/srv/shop/app/main.py": "a", "/srv": ("dir", 0o700, 1000), "/srv/shop": ("dir", 0o700), **accounts}
    unit = MOVED.replace("/srv/old", "/srv/shop")
    finding = found(diagnose_machine(unit, files, log=(CHDIR.format("Permission denied"),), show={"ExecMainStatus": "200"}))
    assert "shop may not enter /srv/shop (mode 0700, owner 0:0)" in finding.summary


def test_a_folder_that_was_opened_since_needs_a_start() -> None:
    unit = MOVED.replace("/srv/old", "/srv/shop")
    finding = found(diagnose_machine(unit, APP, log=(CHDIR.format("Permission denied"),), show={"ExecMainStatus": "200"}))
    assert (finding.confidence, finding.repairs[0].id) == ("likely", "start-service")
    assert "was not allowed to enter its working directory /srv/shop" in finding.summary and "this is fixed, but the service was not started again" in finding.summary


def test_a_folder_that_is_there_by_now() -> None:
    unit = MOVED.replace("/srv/old", "/srv/shop")
    finding = found(diagnose_machine(unit, APP, log=NOT_THERE, show={"ExecMainStatus": "200"}))
    assert finding.repairs[0].id == "start-service"
    link = "WorkingDirectory=~\nExecStart=/usr/bin/uvicorn app.main:app --port 8000\n"
    unknown = diagnose_machine(link, APP, log=NOT_THERE, show={"ExecMainStatus": "200", "WorkingDirectory": ""})
    assert isinstance(verdict_of(unknown, CAUSE), Undetermined)


PASSWD = "root:x:0:0::/root:/bin/sh\nweb:x:7:9::/:/bin/false\n"
GROUPS = "root:x:0:\nweb:x:9:\n"


def test_an_account_that_does_not_exist() -> None:
    files = {**APP, "/srv/shop": ("dir", 0o755, 7), "/etc/passwd": PASSWD}
    (repair,) = found(diagnose_machine(START, files, show={"ExecMainStatus": "217"})).repairs
    assert repair.needs[0].key == "user" and repair.needs[0].choices == ("web",) and not repair.steps
    chosen = found(diagnose_machine(START, files, show={"ExecMainStatus": "217"}, inputs={"user": "web"}))
    assert chosen.variant == "start-217-user" and "User=web\n" in text_of(chosen)
    nobody = found(diagnose_machine(START, {**APP, "/etc/passwd": PASSWD}, show={"ExecMainStatus": "217"}))
    assert nobody.repairs[0].risk == "manual" and "useradd --system shop" in nobody.repairs[0].manual


def test_a_group_that_does_not_exist() -> None:
    files = {**APP, "/etc/passwd": PASSWD, "/etc/group": GROUPS}
    show = {"ExecMainStatus": "216", "User": "web", "Group": "shops"}
    unit = START.replace("User=shop", "User=web\nGroup=shops")
    chosen = found(diagnose_machine(unit, files, show=show, inputs={"group": "web"}))
    assert chosen.variant == "start-216-group" and "Group=web\n" in text_of(chosen)


def test_an_account_that_exists_by_now_or_cannot_be_looked_up() -> None:
    line = ("back.service: Failed at step USER spawning /x: No such process",)
    by_now = found(diagnose_machine(START, {**APP, "/etc/passwd": "shop:x:5:5::/:/x\n"}, log=line, show={"ExecMainStatus": "217"}))
    assert by_now.repairs[0].id == "start-service"
    refused = ("back.service: Failed at step USER spawning /x: Operation not permitted",)     # in a container, say
    files = {**APP, "/etc/passwd": "shop:x:5:5::/:/x\n"}
    unknown = verdict_of(diagnose_machine(START, files, log=refused, show={"ExecMainStatus": "217"}), CAUSE)
    assert isinstance(unknown, Undetermined) and "as shop (Operation not permitted)" in " ".join(unknown.missing)
    assert isinstance(verdict_of(diagnose_machine(START, APP, show={"ExecMainStatus": "217"}), CAUSE), Undetermined)
