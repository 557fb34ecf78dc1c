"""unit-misconfigured: an older state of a unit's file, or the package's own, may be put back where a person says so."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from fixer.model.diagnosis import Finding, Repair
from fixer.model.plan import DaemonReload, UnitAction, WriteFile
from fixer.redaction.masked_steps import describe_step, diff_of
from tests.causes.paper_machine import SITE, UNIT, UNIT_PROPERTIES, Entry, diagnose_machine
from tests.causes.snapshot_builders import finding_of
from tests.observe.capture_builders import file, node

CAUSE = "unit-misconfigured"
PASSWD = "root:x:0:0::/root:/bin/sh\nweb:x:7:9::/:/bin/false\n"
UNIT_TEXT = ("[Unit]\nDescription=Office\n\n[Service]\nUser={user}\nWorkingDirectory={folder}\n{more}"
             "ExecStart={program} app.main:app --port 8000\nRestart=always\n\n[Install]\nWantedBy=multi-user.target\n")
DISK: dict[str, Entry] = {"/srv/shop/app/main.py": "app = 1\n", "/etc/passwd": PASSWD, "/etc/group": "root:x:0:\n",
                          "/srv/shop/bin/uvicorn": ("\x7fELF", 0o755)}


def text(user: str = "web", folder: str = "/srv/shop", program: str = "/srv/shop/bin/uvicorn", more: str = "") -> str:
    return UNIT_TEXT.format(user=user, folder=folder, program=program, more=more)


def told(now: str, copies: Mapping[str, Entry], status: int = 217, inputs: Mapping[str, str] | None = None,
         **show: str) -> Finding:
    """What is found of a unit with that text, with copies beside it."""
    shown = {**UNIT_PROPERTIES, "ExecMainStatus": str(status), "User": "shop", **show}
    answers = "".join(f"{key}={value}\n" for key, value in shown.items())
    own = [file(UNIT, now), *(file(p, str(t)) for p, t in copies.items() if p.endswith(".conf"))]
    seen = node(site=SITE, units=own, show=answers)
    step = {200: "CHDIR", 203: "EXEC", 217: "USER", 226: "NAMESPACE"}.get(status, "")
    log = (f"back.service: Failed at step {step} spawning /srv/shop/bin/uvicorn: No such file or directory",) if step else \
        ("back.service: Control process exited, code=exited, status=1/FAILURE", "back.service: Failed with result 'exit-code'.")
    return finding_of(diagnose_machine("", {**DISK, **copies, UNIT: now}, log=log, seen=seen, inputs=inputs), CAUSE)


def restore(finding: Finding) -> Repair | None:
    return next((repair for repair in finding.repairs if repair.id == "restore-backup"), None)


@pytest.mark.parametrize("name", [
    f"{UNIT}.bak", f"{UNIT}~", f"{UNIT}.old", f"{UNIT}.orig", f"{UNIT}.dpkg-old", f"{UNIT}.rpmsave", f"{UNIT}.ucf-old",
    f"{UNIT}.dpkg-dist", f"{UNIT}-2026-01-31", "/usr/lib/systemd/system/back.service", "/lib/systemd/system/back.service",
])
def test_a_person_may_choose_an_older_state(name: str) -> None:
    """Beside it, or the packaged unit that it stands before: never without being told which, be it the only one."""
    finding = told(text("shop"), {name: text()})
    offered = restore(finding)
    assert offered is not None and (offered.risk, offered.steps) == ("disruptive", ())
    (need,) = offered.needs
    assert (need.key, need.kind, need.choices, need.default) == ("restore-from", "choice", (name,), None)
    assert [r.id for r in finding.repairs] == ["restore-backup", "correct-account"] and finding.repairs[1].risk == "manual"
    chosen = restore(told(text("shop"), {name: text()}, inputs={"restore-from": name}))
    assert chosen is not None
    write, reload, *begin = chosen.steps
    assert isinstance(write, WriteFile) and isinstance(reload, DaemonReload)
    assert (write.path, write.before, write.after, write.meta) == (UNIT, text("shop").encode(), text().encode(), None)
    assert [s.verb for s in begin if isinstance(s, UnitAction)] == ["reset-failed", "start"]
    other = restore(told(text("shop"), {name: text()}, inputs={"restore-from": "/etc/passwd"}))
    assert other is not None and other.steps == ()


def test_a_choice_of_another_kind_comes_first() -> None:
    """Whose the files are may be what is meant; the older state is the other way."""
    finding = told(text("shop"), {f"{UNIT}.bak": text(), "/srv/shop": ("dir", 0o755, 7)})
    assert [r.id for r in finding.repairs] == ["correct-account", "restore-backup"]


@pytest.mark.parametrize("copy", [
    text("shop"), text("gone"), text().replace("app.main", "blog.main"), text().replace("8000", "8001"),
    text().replace("[Service]\n", ""), text() + "half a li\n", text(program="/srv/shop/venv/bin/uvicorn"),
    text(folder="/srv/gone"), "", "#!/bin/sh\n", text().replace("[Unit]\n", "{\n"), text().replace("ExecStart=", "#"),
])
def test_what_would_not_help_is_not_offered(copy: str) -> None:
    """The same account, one that is not there either, another application or port, no unit file, other things gone."""
    assert restore(told(text("shop"), {f"{UNIT}.bak": copy})) is None


@pytest.mark.parametrize("name", [f"{UNIT}.new", f"{UNIT}.disabled", f"{UNIT}.swp", "/etc/systemd/system/front.service.bak"])
def test_other_names_are_other_files(name: str) -> None:
    assert restore(told(text("shop"), {name: text()})) is None


def test_a_link_or_a_folder_is_no_older_state() -> None:
    assert restore(told(text("shop"), {f"{UNIT}.bak": "-> /srv/x.service", "/srv/x.service": text()})) is None
    assert restore(told(text("shop"), {f"{UNIT}.bak": ("dir", 0o755)})) is None


def test_the_newest_comes_first() -> None:
    copies: dict[str, Entry] = {f"{UNIT}.old": (text(), 0o644, 0, 9000.0), f"{UNIT}.bak": (text(), 0o644, 0, 50.0)}
    offered = restore(told(text("shop"), copies))
    assert offered is not None and offered.needs[0].choices == (f"{UNIT}.bak", f"{UNIT}.old")


def test_a_drop_in_of_the_unit() -> None:
    path = "/etc/systemd/system/back.service.d/override.conf"
    copies = {path: "[Service]\nUser=shop\n", f"{path}.dpkg-old": "[Service]\nUser=web\nUMask=022\n"}
    inputs = {"restore-from": f"{path}.dpkg-old"}
    chosen = restore(told(text("web"), copies, inputs=inputs, DropInPaths=path))
    assert chosen is not None and isinstance(chosen.steps[0], WriteFile)
    assert (chosen.steps[0].path, chosen.steps[0].after) == (path, b"[Service]\nUser=web\nUMask=022\n")
    unlike = {**copies, f"{path}.dpkg-old": "[Service]\nGroup=web\n"}
    assert restore(told(text("web"), unlike, inputs=inputs, DropInPaths=path)) is None


def test_a_program_that_is_there() -> None:
    now = text("web", program="/opt/shop/serve")
    offered = restore(told(now, {f"{UNIT}.bak": text()}, 203, User="web"))
    assert offered is not None and offered.needs[0].choices == (f"{UNIT}.bak",)
    shut: dict[str, Entry] = {f"{UNIT}.bak": text(), "/srv/shop/bin/uvicorn": ("\x7fELF", 0o644)}
    assert restore(told(now, shut, 203, User="web")) is None


def test_a_folder_that_is_there() -> None:
    now = text(folder="/srv/old")
    two: dict[str, Entry] = {f"{UNIT}.bak": text(), "/opt/two/app/main.py": "app = 1\n"}
    finding = told(now.replace("app.main:app", "--port=8000 app.main:app"), {f"{UNIT}.bak": text()}, 200, WorkingDirectory="/srv/old", User="web")
    assert restore(finding) is None       # another command: --port=8000
    finding = told(now.replace("/srv/shop/bin", "/usr/bin"), {
        **two, f"{UNIT}.bak": text(program="/usr/bin/uvicorn"), "/usr/bin/uvicorn": ("\x7fELF", 0o755)}, 200,
        WorkingDirectory="/srv/old", User="web")
    assert [r.id for r in finding.repairs] == ["correct-directory", "restore-backup"]


def test_where_the_disk_shows_what_is_meant_nothing_is_asked() -> None:
    """One folder holds the application: it is corrected without anybody."""
    finding = told(text(folder="/srv/old"), {f"{UNIT}.bak": text()}, 200, WorkingDirectory="/srv/old", User="web")
    assert [r.id for r in finding.repairs] == ["correct-directory"] and finding.repairs[0].steps


def test_a_path_of_the_sandbox() -> None:
    now = text(more="ReadWritePaths=/srv/shop /srv/data\n")
    copies: dict[str, Entry] = {f"{UNIT}.bak": text(more="ReadWritePaths=/srv/shop\n"), "/etc/fstab": "nas:/x /srv/data nfs rw\n"}
    finding = told(now, copies, 226, User="web")
    assert [r.id for r in finding.repairs] == ["restore-backup", "mend-sandbox"]
    same: dict[str, Entry] = {**copies, f"{UNIT}.bak": text(more="ReadWritePaths=/srv/data\n")}
    assert restore(told(now, same, 226, User="web")) is None


def test_a_command_before_the_program() -> None:
    now = text(more="ExecStartPre=/usr/bin/test -d /srv/shop/media\n")
    pre = "{ path=/usr/bin/test ; argv[]=/usr/bin/test -d /srv/shop/media ; ignore_errors=no ; start_time=[n/a] ; code=exited ; status=1 }"
    finding = told(now, {f"{UNIT}.bak": text()}, 0, ExecMainCode="0", ExecStartPre=pre, User="web")
    assert [r.id for r in finding.repairs] == ["restore-backup", "mend-start-pre"]
    same = text(more="Nice=1\nExecStartPre=/usr/bin/test -d '/srv/shop/media'\n")
    assert restore(told(now, {f"{UNIT}.bak": same}, 0, ExecMainCode="0", ExecStartPre=pre, User="web")) is None


def test_what_the_files_set_is_shown_to_nobody() -> None:
    now = text("shop", more='Environment="SECRET_KEY=hunter-2"\n')
    older = text(more='Environment="SECRET_KEY=hunter-1" DSN=postgres://a:hunter-0@db/x\n')
    chosen = restore(told(now, {f"{UNIT}.bak": older}, inputs={"restore-from": f"{UNIT}.bak"}))
    assert chosen is not None and chosen.steps
    shown = "\n".join((diff_of(chosen.steps), chosen.summary, *(need.why for need in chosen.needs),
                       *(describe_step(step) for step in chosen.steps)))
    assert "hunter" not in shown and "[masked " in shown and "User=web" in shown
