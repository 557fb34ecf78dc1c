"""crash-missing-env: a copy beside a file of variables holds what is missing, and a person may say that it is taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.plan import ABSENT, ComposeUp, FileMeta, UnitAction, WriteFile
from fixer.model.snapshot import Compose, EnvAssignment, MissingEnvFile, UncreatedService
from fixer.model.target import TargetRef
from fixer.redaction.masked_steps import describe_step, diff_of
from tests.causes.crash_missing_env.crash_missing_env_builders import TRACEBACK
from tests.causes.paper_machine import SITE, UNIT, UNIT_PROPERTIES, Entry, diagnose_machine
from tests.causes.snapshot_builders import (
    SLOW,
    Scene,
    failed_service,
    finding_of,
    log_lines,
    roots,
    stat,
)
from tests.causes.snapshot_builders import (
    file as snapshot_file,
)
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
    assert restore(named) is None and named.repairs[0].manual.endswith(f"Possible copies: {ENV}.last-week")


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
    assert "hunter" not in shown and "[masked " in shown


def test_a_copy_of_an_env_file_of_compose() -> None:
    """The lines of it that are taken are those of the copy, byte for byte; the project is brought up with them."""
    from dataclasses import replace

    from fixer.diagnose.run_causes import diagnose
    from fixer.model.plan import ComposeUp
    from fixer.model.snapshot import EnvCopy
    from tests.causes.crash_missing_env.crash_missing_env_builders import composed
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


# crash-missing-env / start-envfile-missing of a compose service without a container: a file named by env_file is
# gone.
ABSENT_ENV_FILE_CAUSE, PATH = "crash-missing-env", "/srv/shop/app.env"
GONE = UncreatedService("app", ("app",), Evidence("file", "/srv/shop/compose.yaml:7", "service app"))
ABSENT_ENV_FILE_LACKS = MissingEnvFile("app", Evidence("file", "/srv/shop/compose.yaml:9", "env_file: app.env"), PATH)


def scene(*lacked: MissingEnvFile, files: dict[str, str] | None = None, **changes: Any) -> Scene:
    made = Scene("app:8000", node="web", back="web").answers(SLOW)
    made.endpoint(node=None, listener=Unknown("nowhere"), tcp=Unknown("not asked"), http=Unknown("not asked"), configured_service=None,
                  listening_service=None, addresses=Known(()))
    project = Compose("p", "/srv/shop", ("/srv/shop/compose.yaml",), (), (), Known(True), (GONE,), missing_env_files=lacked)
    made.extra = {"compose": replace(project, **changes), "target": TargetRef("compose", "p")}
    made.files += [snapshot_file(path, text, node="engine", stat=stat(mode=0o100640, uid=7)) for path, text in (files or {}).items()]
    return made


def found(made: Scene, **inputs: str) -> Finding:
    return finding_of(diagnose(made.snapshot(), {key.replace("_", "-"): value for key, value in inputs.items()}), ABSENT_ENV_FILE_CAUSE)


def test_hit_the_file_is_named_and_the_missing_container_follows_from_it() -> None:
    diagnosis = diagnose(scene(ABSENT_ENV_FILE_LACKS).snapshot())
    assert roots(diagnosis) == [ABSENT_ENV_FILE_CAUSE] and finding_of(diagnosis, "backend-down").role == "consequence"
    told = finding_of(diagnosis, ABSENT_ENV_FILE_CAUSE)
    assert (told.variant, told.service, told.confidence) == ("start-envfile-missing", "app", "certain") and PATH in told.summary
    (repair,) = told.repairs
    assert repair.risk == "manual" and "/srv/shop/compose.yaml:9" in repair.manual and f"restore {PATH}" in repair.manual


BESIDE = replace(ABSENT_ENV_FILE_LACKS, copies=(f"{PATH}.bak", f"{PATH}.example"))
FILES = {f"{PATH}.bak": "KEY=old\n", f"{PATH}.example": "KEY=change-me\n"}


def test_what_lies_beside_it_is_a_choice_and_never_taken_by_itself() -> None:
    repair, by_hand = found(scene(BESIDE, files=FILES)).repairs
    (need,) = repair.needs
    assert (need.key, need.kind, need.choices, need.default) == ("restore-from", "choice", BESIDE.copies, None)
    assert "an example: its values may be placeholders" in need.why and not repair.steps and by_hand.risk == "manual"
    write, up = found(scene(BESIDE, files=FILES), restore_from=f"{PATH}.bak").repairs[0].steps
    assert isinstance(write, WriteFile) and isinstance(up, ComposeUp)
    assert (write.path, write.before, write.after, up.service, up.was) == (PATH, None, b"KEY=old\n", "app", ABSENT)
    assert write.meta is not None and (write.meta.mode, write.meta.uid) == (0o640, 7) and write.mask == (b"KEY=old",)
    assert not found(scene(BESIDE, files=FILES), restore_from="/etc/passwd").repairs[0].steps


def test_compose_that_complains_of_the_very_file_is_no_obstacle() -> None:
    said = Unknown(f"docker compose does not take them: env file {PATH} not found")
    assert found(scene(BESIDE, files=FILES, editable=said), restore_from=f"{PATH}.bak").repairs[0].steps
    other = scene(BESIDE, files=FILES, editable=Unknown("/srv/shop/compose.yaml: denied"))
    assert [repair.risk for repair in found(other).repairs] == ["manual"]


def test_the_file_of_another_service_stops_every_up_too() -> None:
    other = replace(ABSENT_ENV_FILE_LACKS, service="jobs", path="/srv/shop/jobs.env")
    assert "of service jobs; Compose refuses every `up` without it" in found(scene(other)).summary
    both = found(scene(other, BESIDE, files=FILES))
    assert PATH in both.summary and both.detail[-1] == "/srv/shop/jobs.env of service jobs does not exist either"
    assert [repair.risk for repair in both.repairs] == ["manual"]      # one of them alone helps nothing


@pytest.mark.parametrize("made", [scene(), scene(ABSENT_ENV_FILE_LACKS, uncreated=(replace(GONE, profiles=("night",)),))])
def test_miss(made: Scene) -> None:
    assert roots(diagnose(made.snapshot())) == ["backend-down"]


def test_a_missing_environment_file_is_for_a_person() -> None:
    scene = Scene().with_service(failed_service(
        unit_changes={"result": "resources", "environment_files": ("/etc/shop.env (ignore_errors=no)", "-/etc/other")},
        log=log_lines("backend.service: Failed to load environment files: No such file or directory"))).refused()
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert found.variant == "start-envfile-missing" and "/etc/shop.env" in found.repairs[0].manual
    assert found.repairs[0].manual.endswith("Its contents are unknown")
    seen = scene.snapshot()
    paths = {"/etc/shop.env.bak-20260101": 5.0, "/etc/shop.env~": 9.0, "/etc/shop.envelope": 1.0}
    near = tuple((path, replace(stat(mtime=at), kind="file")) for path, at in paths.items())
    named = finding_of(diagnose(replace(seen, nodes=tuple(replace(n, files=near) for n in seen.nodes))), CAUSE)
    assert named.repairs[0].manual.endswith("Possible copies: /etc/shop.env~, /etc/shop.env.bak-20260101")
    scene.files.append(snapshot_file("/etc/shop.env", ""))
    back = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert (back.confidence, back.repairs[0].id, back.repairs[0].risk) == ("likely", "start-service", "safe")
    assert "it exists now" in back.summary


# A variable that stands in an EnvironmentFile= in a line which a shell takes and systemd does not.
SHELL_ONLY_LINES_CAUSE, SHELL_ONLY_LINES_PATH = "crash-missing-env", "/etc/shop.env"


def crashed(text: str, word: str = f"{SHELL_ONLY_LINES_PATH} (ignore_errors=no)") -> Scene:
    """The program misses SECRET_KEY; this is what its file holds."""
    scene = Scene().with_service(failed_service(log=log_lines(*TRACEBACK), unit_changes={"environment_files": (word,)})).refused()
    scene.files.append(snapshot_file(SHELL_ONLY_LINES_PATH, text))
    return scene


@pytest.mark.parametrize(("text", "after", "line"), [
    ("# x\nexport SECRET_KEY=s3c\nexport B=1\n", "# x\nSECRET_KEY=s3c\nB=1\n", 2),
    ("export SECRET_KEY=s3c\nexport B=$HOME\nexport C=2\n", "SECRET_KEY=s3c\nexport B=$HOME\nC=2\n", 1),
    ("export SECRET_KEY=\"s3c$8x)\"\n", "SECRET_KEY=\"s3c$8x)\"\n", 1),
    ("export SECRET_KEY='s3c$A`'\n", "SECRET_KEY='s3c$A`'\n", 1),
    ("  export  SECRET_KEY='a b'\r\n", "  SECRET_KEY='a b'\r\n", 1),
    ("declare -x SECRET_KEY=\"a b\"", "SECRET_KEY=\"a b\"", 1),
    ("\ufeffSECRET_KEY=s3c\nB=1\n", "SECRET_KEY=s3c\nB=1\n", 1),
])
def test_what_stands_before_the_name_is_taken_away(text: str, after: str, line: int) -> None:
    found = finding_of(diagnose(crashed(text).snapshot()), SHELL_ONLY_LINES_CAUSE)
    (repair,) = found.repairs
    first, *rest = repair.steps
    assert (repair.id, repair.risk, repair.needs) == ("mend-variable-line", "disruptive", ())
    assert isinstance(first, WriteFile) and (first.path, first.before, first.after) == (
        SHELL_ONLY_LINES_PATH, text.encode(), after.encode())
    assert any(isinstance(step, UnitAction) and step.verb == "start" for step in rest)
    assert found.evidence[-1].where == f"{SHELL_ONLY_LINES_PATH}:{line}" and "s3c" not in repr((found.detail, found.evidence))
    assert any(b"s3c" in masked for masked in first.mask) is ("s3c" in text)


def test_the_other_ignored_lines_are_named_and_one_that_is_set_elsewhere_is_left() -> None:
    scene = crashed("export A=1\nexport SECRET_KEY=s3c\nexport SET=2\nexport B=3\n")
    seen = scene.snapshot()
    (service,) = seen.services
    held = replace(service, env=(*service.env, EnvAssignment("SET", "/etc/other.env:1", False)))
    found = finding_of(diagnose(replace(seen, services=(held,))), SHELL_ONLY_LINES_CAUSE)
    (step,) = (step for step in found.repairs[0].steps if isinstance(step, WriteFile))
    assert step.after == b"A=1\nSECRET_KEY=s3c\nexport SET=2\nB=3\n"
    assert "systemd ignores A (line 1), B (line 4) there too" in found.detail
    assert "write SECRET_KEY, A, B in" in found.repairs[0].summary


@pytest.mark.parametrize(("text", "after", "line"), [
    ('A="x\nSECRET_KEY=s3c\n', 'A="x"\nSECRET_KEY=s3c\n', 2),
    ("# y\r\nA='x y\r\nB=2\r\nSECRET_KEY=s3c\r\n", "# y\r\nA='x y'\r\nB=2\r\nSECRET_KEY=s3c\r\n", 4),
])
def test_an_open_quote_above_it_is_closed(text: str, after: str, line: int) -> None:
    found = finding_of(diagnose(crashed(text).snapshot()), SHELL_ONLY_LINES_CAUSE)
    (repair,) = found.repairs
    first = repair.steps[0]
    assert isinstance(first, WriteFile) and (first.before, first.after) == (text.encode(), after.encode())
    assert "the quote of A at line" in repair.summary
    assert f"{SHELL_ONLY_LINES_PATH}:{line} sets SECRET_KEY inside the value of A" in found.detail[0] and "s3c" not in repr(found.detail)


@pytest.mark.parametrize("text", [
    'A="x\nB="y"\nSECRET_KEY="s3c"\n'.replace('B="y"\n', ""),       # closed by the quote that was to open another
    "A=C:\\shop\\\nSECRET_KEY=s3c\n", 'A=x"y\nB=\'-----BEGIN\nSECRET_KEY=abc\n-----END\'\n', 'A="x $(y)\nSECRET_KEY=s3c\n',
])
def test_what_runs_on_in_another_way_is_said_and_a_person_gives_the_value(text: str) -> None:
    found = finding_of(diagnose(crashed(text).snapshot()), SHELL_ONLY_LINES_CAUSE)
    assert found.repairs[0].id == "set-variable" and "sets SECRET_KEY inside the value of" in found.detail[0]


@pytest.mark.parametrize("value", ["$(cat /run/key)", "$OTHER", "a # b", "a b", "", "a\\nb", '"a"b'])
def test_a_value_that_a_shell_makes_is_for_a_person_to_give(value: str) -> None:
    found = finding_of(diagnose(crashed(f"export SECRET_KEY={value}\n").snapshot()), SHELL_ONLY_LINES_CAUSE)
    assert found.repairs[0].id == "set-variable" and found.repairs[0].needs[0].key == "SECRET_KEY"
    assert "after `export`" in found.detail[0]
    assert f"{SHELL_ONLY_LINES_PATH}:1 holds it, in a form that" in found.repairs[0].needs[0].why


@pytest.mark.parametrize("text", ["export SECRET_KEYS=1\n", "#export SECRET_KEY=1\n", "A=1\n\ufeffSECRET_KEY=1\n", ""])
def test_no_such_line(text: str) -> None:
    found = finding_of(diagnose(crashed(text).snapshot()), SHELL_ONLY_LINES_CAUSE)
    assert found.repairs[0].id == "set-variable" and found.detail == ("nothing listens while it does not run",)


def test_a_value_that_a_person_gives_goes_before() -> None:
    found = finding_of(diagnose(crashed("export SECRET_KEY=s3c\n").snapshot(), {"SECRET_KEY": "new"}), SHELL_ONLY_LINES_CAUSE)
    assert found.repairs[0].id == "set-variable" and found.repairs[0].steps
