"""crash-missing-env: a copy beside a file of variables holds what is missing, and a person may say that it is taken."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from fixer.model.diagnosis import Finding, Repair
from fixer.model.plan import FileMeta, UnitAction, WriteFile
from fixer.redaction.masked_steps import describe_step, diff_of
from tests.causes.paper_machine import SITE, UNIT, UNIT_PROPERTIES, Entry, diagnose_machine
from tests.causes.snapshot_builders import finding_of
from tests.observe.capture_builders import file, node

CAUSE = "crash-missing-env"
ENV = "/etc/shop.env"
LOG = ("Started back.service - Office.", "Traceback (most recent call last):",
       '  File "/srv/shop/app/settings.py", line 3, in <module>', '    SEED = os.environ["SECRET_KEY"]',
       '  File "<frozen os>", line 679, in __getitem__', "KeyError: 'SECRET_KEY'",
       "back.service: Main process exited, code=exited, status=1/FAILURE", "back.service: Failed with result 'exit-code'.")
LACKS = ("back.service: Failed to load environment files: No such file or directory",
         "back.service: Failed with result 'resources'.")
TEXT = (f"[Service]\nUser=shop\nWorkingDirectory=/srv/shop\nEnvironmentFile={ENV}\n"
        "ExecStart=/usr/bin/uvicorn app.main:app --port 8000\n")


def told(files: Mapping[str, Entry], log: tuple[str, ...] = LOG, inputs: Mapping[str, str] | None = None,
         **show: str) -> Finding:
    """What is found of a unit that ended with that log, on a disk with those files."""
    shown = {**UNIT_PROPERTIES, "ExecMainStatus": "1", "EnvironmentFiles": f"{ENV} (ignore_errors=no)", **show}
    answers = "".join(f"{key}={value}\n" for key, value in shown.items())
    seen = node(site=SITE, units=[file(UNIT, TEXT)], show=answers)
    return finding_of(diagnose_machine("", {UNIT: TEXT, **files}, log=log, seen=seen, inputs=inputs), CAUSE)


def restore(finding: Finding) -> Repair | None:
    return next((repair for repair in finding.repairs if repair.id == "restore-backup"), None)


def written(files: Mapping[str, Entry], path: str, **more: object) -> WriteFile:
    chosen = restore(told(files, inputs={"restore-from": path}, **more))   # type: ignore[arg-type]
    assert chosen is not None and chosen.steps, chosen
    assert [s.verb for s in chosen.steps if isinstance(s, UnitAction)][-1] == "start"
    step = chosen.steps[0]
    assert isinstance(step, WriteFile)
    return step


@pytest.mark.parametrize("end", [".bak", "~", ".old", ".dpkg-old", ".rpmsave", "-2026-01-31"])
def test_only_what_is_missing_is_taken(end: str) -> None:
    """What was changed in the file since stays: of the copy only the line with the variable."""
    files: dict[str, Entry] = {ENV: "PORT=8000\nDSN=new\n", ENV + end: "PORT=8001\nSECRET_KEY='a b'\nDSN=old\n"}
    finding = told(files)
    assert [r.id for r in finding.repairs] == ["set-variable", "restore-backup"]
    offered = restore(finding)
    assert offered is not None and (offered.risk, offered.steps) == ("disruptive", ())
    (need,) = offered.needs
    assert (need.key, need.kind, need.choices, need.default) == ("restore-from", "choice", (ENV + end,), None)
    assert any(e.where == ENV + end and e.text == "sets SECRET_KEY" for e in finding.evidence)
    step = written(files, ENV + end)
    assert (step.path, step.after, step.meta) == (ENV, b"PORT=8000\nDSN=new\nSECRET_KEY='a b'\n", None)


def test_an_empty_value_is_filled_where_it_stands() -> None:
    files: dict[str, Entry] = {ENV: "SECRET_KEY=\nPORT=8000", f"{ENV}.bak": "PORT=1\nSECRET_KEY=x\n"}
    assert written(files, f"{ENV}.bak").after == b"SECRET_KEY=x\nPORT=8000"


def test_an_empty_file_gets_all_of_it() -> None:
    copy = "# of the shop\nPORT=8000\n\nSECRET_KEY=x\n"
    step = written({ENV: "", f"{ENV}.bak": copy}, f"{ENV}.bak")
    assert (step.path, step.before, step.after) == (ENV, b"", copy.encode())


@pytest.mark.parametrize("copy", [
    "PORT=8000\n", "SECRET_KEY=\n", "# SECRET_KEY=x\n", "export SECRET_KEY=x\n", "", "OLD_SECRET_KEY=x\n", "SECRET_KEY\n",
    "A=\"x\nSECRET_KEY=y\"\n",
])
def test_a_copy_without_it_is_not_offered(copy: str) -> None:
    assert restore(told({ENV: "PORT=8000\n", f"{ENV}.bak": copy})) is None


@pytest.mark.parametrize("name", [f"{ENV}.new", f"{ENV}.example", "/etc/blog.env.bak", "/etc/old/shop.env.bak"])
def test_other_names_are_other_files(name: str) -> None:
    assert restore(told({ENV: "PORT=8000\n", name: "SECRET_KEY=x\n"})) is None


def test_a_value_over_several_lines_is_taken_whole() -> None:
    files: dict[str, Entry] = {ENV: "PORT=8000\n", f"{ENV}.bak": "A=1\nSECRET_KEY=\"one\ntwo\"\nB=2\n"}
    assert written(files, f"{ENV}.bak").after == b"PORT=8000\nSECRET_KEY=\"one\ntwo\"\n"


def test_the_file_is_gone_and_a_copy_is_left() -> None:
    """It is made anew as the copy is, with its mode and owner; the way by hand stays offered."""
    files: dict[str, Entry] = {f"{ENV}.bak": ("SECRET_KEY=x\nPORT=8000\n", 0o640, 7)}
    finding = told(files, LACKS, Result="resources")
    assert finding.variant == "start-envfile-missing"
    assert [r.id for r in finding.repairs] == ["restore-backup", "restore-environment-file"]
    step = written(files, f"{ENV}.bak", log=LACKS, Result="resources")
    assert (step.path, step.before, step.after) == (ENV, None, b"SECRET_KEY=x\nPORT=8000\n")
    assert step.meta == FileMeta(0o640, 7, 7)
    for unlike in ("", "#!/bin/sh\n", "PORT\n"):
        assert restore(told({f"{ENV}.bak": unlike}, LACKS, Result="resources")) is None
    named = told({f"{ENV}.last-week": "SECRET_KEY=x\n"}, LACKS, Result="resources")
    assert restore(named) is None and named.repairs[0].manual.endswith(f"a copy of it: {ENV}.last-week")


def test_the_applications_own_file() -> None:
    """Which it reads itself from the folder in which it starts; renamed away, or without the variable."""
    copy = "/srv/shop/.env.old"
    assert written({ENV: "PORT=8000\n", copy: "SECRET_KEY=x\n"}, copy).before is None
    files: dict[str, Entry] = {ENV: "PORT=8000\n", "/srv/shop/.env": "DEBUG=0\n", copy: "export SECRET_KEY=x\n"}
    assert written(files, copy).after == b"DEBUG=0\nexport SECRET_KEY=x\n"


def test_nothing_is_looked_for_beside_files_of_a_service_that_is_well() -> None:
    from tests.causes.paper_machine import observe_machine

    shown = "".join(f"{k}={v}\n" for k, v in {**UNIT_PROPERTIES, "ActiveState": "active", "SubState": "running", "Result": "success",
                                              "MainPID": "9", "EnvironmentFiles": f"{ENV} (ignore_errors=no)"}.items())
    seen = node(site=SITE, units=[file(UNIT, TEXT)], show=shown)
    snapshot = observe_machine("", {UNIT: TEXT, ENV: "A=1\n", f"{ENV}.bak": "SECRET_KEY=x\n"}, seen=seen)
    assert not [f for f in snapshot.files if f.path.endswith(".bak")]


@pytest.mark.parametrize("now", ["PORT=8000\nTOKEN=hunter-0\n", "", None])
def test_no_value_is_shown(now: str | None) -> None:
    files: dict[str, Entry] = {f"{ENV}.bak": "PORT=8000\nSECRET_KEY=hunter-1\nNAME=hunter-2\nURL=postgres://a:hunter-3@b/c\n"}
    gone = {"log": LACKS, "Result": "resources"} if now is None else {}
    inputs = {"restore-from": f"{ENV}.bak"}
    finding = told(files if now is None else {**files, ENV: now}, inputs=inputs, **gone)   # type: ignore[arg-type]
    chosen = restore(finding)
    assert chosen is not None and chosen.steps
    shown = "\n".join((diff_of(chosen.steps), chosen.summary, finding.summary, *(n.why for n in chosen.needs),
                       *(e.text for e in finding.evidence), *(describe_step(step) for step in chosen.steps)))
    assert "hunter" not in shown and "[redacted: " in shown


def test_a_copy_of_an_env_file_of_compose() -> None:
    """The lines of it that are taken are those of the copy, byte for byte; the project is brought up with them."""
    from dataclasses import replace

    from fixer.diagnose.run_causes import diagnose
    from fixer.model.plan import ComposeUp
    from fixer.model.snapshot import EnvCopy
    from tests.causes.crash_missing_env.test_crash_missing_env import composed
    from tests.causes.snapshot_builders import file as content

    scene = composed()
    older = "LANG=C\nSECRET_KEY='a$b'\n"
    at = older.index("SECRET")
    copy = EnvCopy("engine", "/home/lab/app.env.old", "/home/lab/app.env", (("SECRET_KEY", at, len(older) - 1),), ("LANG",))
    scene.services = [replace(service, env_copies=(copy,)) for service in scene.services]
    scene.files += [content("/home/lab/app.env", "LANG=C.UTF-8\n", node="engine"), content(copy.path, older, node="engine")]
    chosen = restore(finding_of(diagnose(scene.snapshot(), {"restore-from": copy.path}), CAUSE))
    assert chosen is not None
    write, up, *_ = chosen.steps
    assert isinstance(write, WriteFile) and isinstance(up, ComposeUp)
    assert (write.node, write.path, write.after) == ("engine", "/home/lab/app.env", b"LANG=C.UTF-8\nSECRET_KEY='a$b'\n")
