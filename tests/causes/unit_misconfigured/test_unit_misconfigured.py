"""unit-misconfigured: at which step systemd failed, what the disk shows of it, and which corrections are proven."""

from __future__ import annotations

import pytest

from fixer.model.diagnosis import Diagnosis, Finding, Found, RuledOut, Undetermined
from fixer.model.plan import DaemonReload, UnitAction, WriteFile
from tests.causes.paper_machine import UNIT, diagnose_machine
from tests.causes.snapshot_builders import finding_of, roots, verdict_of

CAUSE = "unit-misconfigured"
PROGRAM = "/srv/shop/venv/bin/uvicorn"
START = f"User=shop\nWorkingDirectory=/srv/shop\nExecStart={PROGRAM} app.main:app --port 8000\n"
APP = {"/srv/shop/app/main.py": "app = 1\n"}
GONE = (f"back.service: Failed at step EXEC spawning {PROGRAM}: No such file or directory",)
SHUT = (f"back.service: Failed at step EXEC spawning {PROGRAM}: Permission denied",)


def found(diagnosis: Diagnosis) -> Finding:
    assert roots(diagnosis) == [CAUSE]
    return finding_of(diagnosis, CAUSE)


def edit_of(finding: Finding) -> WriteFile:
    (repair,) = finding.repairs
    assert repair.risk == "disruptive" and repair.steps, repair
    step = repair.steps[0]
    assert isinstance(step, WriteFile)
    return step


def text_of(finding: Finding) -> str:
    return (edit_of(finding).after or b"").decode()


def test_hit_the_program_of_the_units_own_environment() -> None:
    finding = found(diagnose_machine(START, {**APP, "/srv/shop/.venv/bin/uvicorn": ("#!/bin/sh\n", 0o755)}, log=GONE))
    assert (finding.variant, finding.confidence) == ("start-203-exec-missing", "certain")
    assert text_of(finding) == f"[Service]\n{START}".replace(PROGRAM, "/srv/shop/.venv/bin/uvicorn")
    assert finding.evidence[0].where == f"{UNIT}:4" and finding.evidence[1].text == "not there"
    kinds = [type(step) for step in finding.repairs[0].steps[:4]]
    assert kinds == [WriteFile, DaemonReload, UnitAction, UnitAction]


def test_miss_a_program_that_ran_and_ended() -> None:
    crashed = diagnose_machine(START, APP, log=("x",), show={"ExecMainStatus": "1"})
    assert isinstance(verdict_of(crashed, CAUSE), RuledOut)
    killed = diagnose_machine(START, APP, log=GONE, show={"Result": "signal", "ExecMainStatus": "9"})
    assert isinstance(verdict_of(killed, CAUSE), RuledOut)


def test_unknown_where_the_program_was_not_looked_at() -> None:
    there = {**APP, "/srv/shop/x": ("#!/bin/sh\n", 0o755), "/bin/sh": ("", 0o755)}
    diagnosis = diagnose_machine(START.replace(PROGRAM, "/srv/shop/x"), there)
    assert isinstance(verdict_of(diagnosis, CAUSE), Undetermined)      # it is there, and no line says why it failed
    relative = {**APP, PROGRAM: ("#!python3\n", 0o755)}
    assert isinstance(verdict_of(diagnose_machine(START, relative, log=GONE, unseen=("python3",)), CAUSE), Undetermined)


@pytest.mark.parametrize(("files", "choices"), [
    ({"/usr/bin/uvicorn": ("#!/bin/sh\n", 0o755)}, ["/usr/bin/uvicorn"]),
    ({"/srv/shop/.venv/bin/uvicorn": ("", 0o755), "/srv/shop/env/bin/uvicorn": ("", 0o755)},
     ["/srv/shop/.venv/bin/uvicorn", "/srv/shop/env/bin/uvicorn"]),
])
def test_where_another_environment_could_be_meant_a_person_says_which(
    files: dict[str, tuple[str, int]], choices: list[str],
) -> None:
    finding = found(diagnose_machine(START, {**APP, **files}, log=GONE))
    (repair,) = finding.repairs
    assert repair.needs[0].key == "program" and list(repair.needs[0].choices) == choices and not repair.steps
    chosen = found(diagnose_machine(START, {**APP, **files}, log=GONE, inputs={"program": choices[0]}))
    assert choices[0] in text_of(chosen)


def test_the_systems_own_program_under_another_folder_of_the_system() -> None:
    unit = START.replace(PROGRAM, "/usr/local/bin/uvicorn")
    finding = found(diagnose_machine(unit, {**APP, "/usr/bin/uvicorn": ("#!/bin/sh\n", 0o755), "/bin": "-> usr/bin"}, log=GONE))
    assert "ExecStart=/usr/bin/uvicorn app" in text_of(finding)


def test_another_version_of_the_name_in_the_same_folder() -> None:
    unit = START.replace(PROGRAM, "/opt/py/bin/python -m uvicorn")
    finding = found(diagnose_machine(unit, {**APP, "/opt/py/bin/python3": ("", 0o755), "/opt/py/bin/python.bak": ("", 0o755)}, log=GONE))
    assert "ExecStart=/opt/py/bin/python3 -m uvicorn" in text_of(finding)
    unit = START.replace(PROGRAM, "/opt/shop/serve")
    other = found(diagnose_machine(unit, {**APP, "/opt/shop/serve.sh": ("", 0o755)}, log=GONE))
    assert other.repairs[0].needs[0].choices == ("/opt/shop/serve.sh",)


def test_nothing_that_could_be_meant() -> None:
    finding = found(diagnose_machine(START, {**APP, "/srv/shop/.venv/bin/uvicorn": ("", 0o644)}, log=GONE))
    assert finding.repairs[0].risk == "manual" and f"{UNIT}:4" in finding.repairs[0].manual
    bare = found(diagnose_machine(START.replace(PROGRAM, "uvicorn"), {**APP, "/srv/shop/venv/bin/uvicorn": ("", 0o755)}, log=GONE))
    assert "ExecStart=/srv/shop/venv/bin/uvicorn app" in text_of(bare)


@pytest.mark.parametrize(("launcher", "status", "said"), [
    ("/usr/bin/timeout 1d ", 127, "timeout: failed to run command '{}': No such file or directory"),
    ("/usr/bin/env A=1 ", 127, "/usr/bin/env: \u2018{}\u2019: No such file or directory"),
    ("/usr/bin/flock -n /run/back.lock ", 69, "flock: failed to execute {}: No such file or directory"),
    ("/usr/sbin/runuser -u shop -- ", 1, "runuser: failed to execute {}: No such file or directory"),
    ("/usr/bin/chpst -u shop ", 111, ""),
])
def test_a_launcher_that_could_not_start_its_program(launcher: str, status: int, said: str) -> None:
    unit = START.replace(PROGRAM, launcher + PROGRAM)
    files = {**APP, "/srv/shop/.venv/bin/uvicorn": ("#!/bin/sh\n", 0o755), launcher.split(maxsplit=1)[0]: ("\x7fELF", 0o755)}
    diagnosis = diagnose_machine(unit, files, log=(said.format(PROGRAM),), show={"ExecMainStatus": str(status)})
    if not said:
        assert CAUSE not in roots(diagnosis)        # nothing says that it could not
        return
    finding = found(diagnosis)
    assert (finding.variant, finding.confidence) == ("start-203-exec-missing", "certain")
    assert text_of(finding) == f"[Service]\n{unit}".replace(PROGRAM, "/srv/shop/.venv/bin/uvicorn")


READS = "/bin/bash: line 1: {}: No such file or directory"


@pytest.mark.parametrize(("command", "files", "status", "log"), [
    ("/bin/bash -lc 'source /srv/shop/venv/bin/activate && exec uvicorn app.main:app --port 8000'", {}, "1",
     (READS.format("/srv/shop/venv/bin/activate"),)),
    ("/bin/sh -c '. venv/bin/activate; exec uvicorn app.main:app --port 8000'", {}, "2",
     ("/bin/sh: 1: .: cannot open venv/bin/activate: No such file",)),
    ("/srv/shop/run", {"/srv/shop/run": ("#!/bin/bash\nsource venv/bin/activate\nexec uvicorn app.main:app --port 8000\n", 0o755)},
     "1", (READS.format("venv/bin/activate"), "Traceback (most recent call last):", '  File "/srv/shop/app/main.py", line 1',
           "ModuleNotFoundError: No module named 'orjson'")),
])
def test_what_a_shell_was_to_read_first_is_not_there(
    command: str, files: dict[str, tuple[str, int]], status: str, log: tuple[str, ...],
) -> None:
    unit = f"User=shop\nWorkingDirectory=/srv/shop\nExecStart={command}\n"
    diagnosis = diagnose_machine(unit, {**APP, **files, "/usr/bin/uvicorn": ("", 0o755)}, log=log, show={
        "ExecMainStatus": status, "ExecStart": f"{{ path=x ; argv[]={command} ; ignore_errors=no }}"})
    finding = found(diagnosis)
    assert "/srv/shop/venv/bin/activate, which its command reads first, is not there" in finding.summary
    assert finding.repairs[0].risk == "manual" and f"{UNIT}:4" in finding.repairs[0].manual
    other = diagnose_machine(unit, {**APP, **files, "/usr/bin/uvicorn": ("", 0o755)}, log=(READS.format("/srv/shop/other"),), show={
        "ExecMainStatus": status, "ExecStart": f"{{ path=x ; argv[]={command} ; ignore_errors=no }}"})
    assert not any("reads first" in f.summary for f in other.findings)


def test_what_a_program_says_of_another_file_is_no_launchers_word() -> None:
    unit = START.replace(PROGRAM, f"/usr/bin/timeout 1d {PROGRAM}")
    diagnosis = diagnose_machine(unit, {**APP, PROGRAM: ("#!/bin/sh\n", 0o755), "/bin/sh": ("", 0o755)},
                       log=("sh: 1: /srv/shop/tool: not found",), show={"ExecMainStatus": "1"})
    assert CAUSE not in roots(diagnosis)


def test_a_packages_unit_gets_a_drop_in() -> None:
    path = "/usr/local/lib/systemd/system/back.service"
    files = {**APP, path: f"[Service]\n{START}", "/srv/shop/.venv/bin/uvicorn": ("", 0o755)}
    from tests.causes.paper_machine import SITE, UNIT_PROPERTIES
    from tests.observe.capture_builders import file, node

    shown = "".join(f"{key}={value}\n" for key, value in {**UNIT_PROPERTIES, "FragmentPath": path}.items())
    seen = node(site=SITE, units=[file(path, f"[Service]\n{START}")], show=shown)
    step = edit_of(found(diagnose_machine(START, files, log=GONE, seen=seen)))
    assert step.path == "/etc/systemd/system/back.service.d/50-badgateway-unit.conf"
    assert step.after == b"[Service]\nExecStart=\nExecStart=/srv/shop/.venv/bin/uvicorn app.main:app --port 8000\n"


def test_a_program_by_a_specifier_is_written_nowhere_literally() -> None:
    unit = START.replace(PROGRAM, "/srv/%N/bin/uvicorn")
    finding = found(diagnose_machine(unit, {**APP, "/srv/shop/venv/bin/uvicorn": ("", 0o755)}, log=GONE))
    assert finding.repairs[0].risk == "manual"


def test_no_execute_bit() -> None:
    files = {**APP, PROGRAM: ("#!/bin/sh\nexec uvicorn app.main:app --port 8000\n", 0o640, 7)}
    finding = found(diagnose_machine(START, files, log=SHUT))
    step = edit_of(finding)
    assert finding.variant == "start-203-exec-not-executable" and step.before == step.after
    assert step.meta is not None and (step.meta.mode, step.meta.uid) == (0o750, 7)
    assert step.expect_meta is not None and step.expect_meta.mode == 0o640
    large = found(diagnose_machine(START, {**APP, PROGRAM: ("x" * 70000, 0o644)}, log=SHUT))
    assert large.repairs[0].risk == "manual" and "chmod +x" in large.repairs[0].manual


@pytest.mark.parametrize(("files", "said"), [
    ({PROGRAM: ("#!/bin/sh\n", 0o755), "/srv/shop": ("dir", 0o700), "/bin/sh": ("", 0o755)}, "pass through /srv/shop (mode 0700"),
    ({PROGRAM: ("#!/bin/sh\n", 0o750), "/bin/sh": ("", 0o755)}, "may not execute"),
    ({PROGRAM: ("dir", 0o755)}, "is a dir"),
])
def test_executable_but_not_for_this_account(files: dict[str, tuple[str, int]], said: str) -> None:
    finding = found(diagnose_machine(START, {**APP, **files}, log=SHUT))
    assert said in finding.summary and finding.repairs[0].risk == "manual"


def test_no_program_of_this_machine() -> None:
    line = f"back.service: Failed at step EXEC spawning {PROGRAM}: Exec format error"
    finding = found(diagnose_machine(START, {**APP, PROGRAM: ("exec uvicorn\n", 0o755)}, log=(line,)))
    assert finding.variant == "start-203-exec-bad-interpreter" and "names no interpreter" in finding.summary


def test_it_is_there_by_now() -> None:
    finding = found(diagnose_machine(START, {**APP, PROGRAM: ("\x7fELF", 0o755)}, log=GONE))
    assert finding.confidence == "likely" and finding.repairs[0].id == "start-service" and finding.repairs[0].risk == "safe"


def test_carriage_returns() -> None:
    script = "#!/bin/sh\r\nexec uvicorn app.main:app --port 8000\r\n"
    finding = found(diagnose_machine(START, {**APP, PROGRAM: (script, 0o755), "/bin/sh": ("", 0o755)}, log=GONE))
    assert finding.variant == "start-203-exec-bad-interpreter"
    assert edit_of(finding).after == script.replace("\r", "").encode()


@pytest.mark.parametrize(("interpreter", "files", "expected"), [
    ("/usr/local/bin/bash", {"/usr/bin/bash": ("", 0o755)}, "/usr/bin/bash"),
    ("/home/old/venv/bin/python3.11", {"/srv/shop/venv/bin/python3.11": ("", 0o755)}, "/srv/shop/venv/bin/python3.11"),
])
def test_an_interpreter_that_moved(interpreter: str, files: dict[str, tuple[str, int]], expected: str) -> None:
    script = f"#!{interpreter} -u\nprint(1)\n"
    finding = found(diagnose_machine(START, {**APP, **files, PROGRAM: (script, 0o755)}, log=GONE))
    assert text_of(finding) == f"#!{expected} -u\nprint(1)\n"


def test_an_interpreter_of_another_version_is_a_choice() -> None:
    script = "#!/srv/shop/venv/bin/python3.9\nprint(1)\n"
    files = {**APP, PROGRAM: (script, 0o755), "/srv/shop/venv/bin/python3": ("", 0o755)}
    finding = found(diagnose_machine(START, files, log=GONE))
    assert finding.repairs[0].needs[0].choices == ("/srv/shop/venv/bin/python3",)
    chosen = found(diagnose_machine(START, files, log=GONE, inputs={"interpreter": "/srv/shop/venv/bin/python3"}))
    assert text_of(chosen).startswith("#!/srv/shop/venv/bin/python3\n")
    nothing = found(diagnose_machine(START, {**APP, PROGRAM: (script, 0o755)}, log=GONE))
    assert nothing.repairs[0].risk == "manual" and f"{PROGRAM}:1" in nothing.repairs[0].manual


def test_the_link_of_an_environment_leads_nowhere() -> None:
    unit = START.replace(PROGRAM, "/srv/shop/venv/bin/python -m uvicorn")
    links = {"/srv/shop/venv/bin/python": "-> python3", "/srv/shop/venv/bin/python3": "-> /usr/local/bin/python3.11"}
    finding = found(diagnose_machine(unit, {**APP, **links, "/usr/bin/python3.11": ("", 0o755)}, log=GONE))
    remove, make = finding.repairs[0].steps[:2]
    assert isinstance(remove, WriteFile) and isinstance(make, WriteFile)
    assert (remove.path, remove.link_target, remove.after) == ("/srv/shop/venv/bin/python3", "/usr/local/bin/python3.11", None)
    assert (make.path, make.link_target, make.after) == ("/srv/shop/venv/bin/python3", "/usr/bin/python3.11", b"")
    other = found(diagnose_machine(unit, {**APP, **links, "/usr/bin/python3.13": ("", 0o755)}, log=GONE))
    assert other.repairs[0].risk == "manual" and "make the environment /srv/shop/venv anew" in other.repairs[0].manual


def test_a_script_whose_interpreter_is_such_a_link() -> None:
    files = {**APP, PROGRAM: ("#!/srv/shop/venv/bin/python\n", 0o755), "/srv/shop/venv/bin/python": "-> /usr/bin/python3.9"}
    finding = found(diagnose_machine(START, files, log=GONE))
    assert finding.variant == "start-203-exec-bad-interpreter" and f"{PROGRAM} asks for" in finding.summary


CHDIR = "back.service: Failed at step CHDIR spawning /usr/bin/uvicorn: {}"
MOVED = "User=shop\nWorkingDirectory=/srv/old\nExecStart=/usr/bin/uvicorn app.main:app --port 8000\n"
OLD = {"ExecMainStatus": "200", "WorkingDirectory": "/srv/old"}
NOT_THERE = (CHDIR.format("No such file or directory"),)


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


def test_a_program_that_one_release_lacks_is_in_another() -> None:
    program = "/srv/shop/current/venv/bin/uvicorn"
    files = {"/srv/shop/current": "-> releases/7", "/srv/shop/releases/7/app/main.py": "app = 1\n",
             "/srv/shop/releases/6/venv/bin/uvicorn": ("#!/bin/sh\n", 0o755), "/usr/bin/uvicorn": ("", 0o755)}
    show = {"ExecMainStatus": "203", "WorkingDirectory": "/srv/shop/current"}
    said = GONE[0].replace(PROGRAM, program)
    finding = found(diagnose_machine(LINKED.format(program), files, log=(said,), show=show))
    first, second = finding.repairs
    assert first.id == "previous-release" and first.needs[0].choices == ("/srv/shop/releases/6",) and not first.steps
    assert "lacks venv/bin/uvicorn" in first.needs[0].why and second.id == "correct-program"
    chosen = found(diagnose_machine(LINKED.format(program), files, log=(said,), show=show,
                          inputs={"release": "/srv/shop/releases/6"})).repairs[0]
    make = chosen.steps[1]
    assert isinstance(make, WriteFile) and make.link_target == "releases/6"


def test_a_release_that_is_not_complete() -> None:
    files = {"/srv/shop/current": "-> releases/7", "/srv/shop/releases/7": ("dir", 0o755),
             "/srv/shop/releases/6/app/main.py": "app = 1\n", "/srv/shop/releases/5/app/main.py": "app = 1\n"}
    show = {"ExecMainStatus": "1", "WorkingDirectory": "/srv/shop/current"}
    said = 'ERROR:    Error loading ASGI app. Could not import module "app.main".'
    diagnosis = diagnose_machine(LINKED.format("/usr/bin/uvicorn"), files, log=(said,), show=show)
    assert roots(diagnosis) == ["crash-code-error"]
    first = finding_of(diagnosis, "crash-code-error").repairs[0]
    assert first.id == "previous-release" and "lacks app/main.py" in first.needs[0].why
    assert first.needs[0].choices == ("/srv/shop/releases/6", "/srv/shop/releases/5")


def test_a_folder_that_the_account_may_not_enter() -> None:
    files = {"/srv/shop/app/main.py": "a", "/srv/shop": ("dir", 0o700)}
    unit = MOVED.replace("/srv/old", "/srv/shop")
    finding = found(diagnose_machine(unit, files, log=(CHDIR.format("Permission denied"),), show={"ExecMainStatus": "200"}))
    assert "shop may not enter /srv/shop (mode 0700, owner 0:0)" in finding.summary
    assert finding.repairs[0].risk == "manual" and f"{UNIT}:3" in finding.repairs[0].manual


def test_a_folder_that_was_opened_since_needs_a_start() -> None:
    unit = MOVED.replace("/srv/old", "/srv/shop")
    finding = found(diagnose_machine(unit, APP, log=(CHDIR.format("Permission denied"),), show={"ExecMainStatus": "200"}))
    assert (finding.confidence, finding.repairs[0].id) == ("likely", "start-service")
    assert "might not enter /srv/shop" in finding.summary and "mended" in finding.summary


@pytest.mark.parametrize(("line", "risk", "words"), [
    ("ProtectHome=yes\n", "disruptive", "ProtectHome=yes hides /home/shop/app from it"),
    ("ProtectHome=tmpfs\n", "disruptive", "ProtectHome=tmpfs hides /home/shop/app from it"),
    ("InaccessiblePaths=-/home/shop /mnt\n", "manual", "InaccessiblePaths=-/home/shop /mnt hides /home/shop/app from it"),
    ("ProtectHome=read-only\n", "safe", "mended"), ("InaccessiblePaths=/home/sho\n", "safe", "mended"),
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


def test_what_other_services_share_is_not_edited_for_one_of_them() -> None:
    from tests.causes.paper_machine import SITE, UNIT_PROPERTIES
    from tests.observe.capture_builders import file, node

    every, mine = "/etc/systemd/system/service.d/60-hard.conf", "/etc/systemd/system/back.service.d/60-hard.conf"
    unit = MOVED.replace("/srv/old", "/home/shop/app")
    for path, own in ((every, False), (mine, True)):
        files = {"/home/shop/app/main.py": "app = 1", "/home/shop/app": ("dir", 0o755), path: "[Service]\nProtectHome=yes\n"}
        show = {**UNIT_PROPERTIES, "ExecMainStatus": "200", "WorkingDirectory": "/home/shop/app", "DropInPaths": path}
        seen = node(site=SITE, units=[file(UNIT, f"[Service]\n{unit}"), file(path, "[Service]\nProtectHome=yes\n")],
                    show="".join(f"{key}={value}\n" for key, value in show.items()))
        step = edit_of(found(diagnose_machine(unit, files, log=(CHDIR.format("Permission denied"),), seen=seen)))
        assert step.after == b"[Service]\nProtectHome=read-only\n"
        assert step.path == (mine if own else "/etc/systemd/system/back.service.d/zz-50-badgateway-unit.conf")


@pytest.mark.parametrize(("lines", "barred"), [
    ("NoExecPaths=/srv\n", True), ("NoExecPaths=/\nExecPaths=/srv/shop/venv\n", False), ("NoExecPaths=/srv/other\n", False),
])
def test_what_may_execute_nothing_there_is_told_by_its_setting(lines: str, barred: bool) -> None:
    files = {**APP, PROGRAM: ("#!/bin/sh\n", 0o755), "/bin/sh": ("\x7fELF", 0o755)}
    finding = found(diagnose_machine(START + lines, files, log=SHUT))
    assert ("NoExecPaths=/srv lets it execute nothing there" in finding.summary) == barred
    assert finding.repairs[0].risk == "manual"


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


def test_a_path_of_the_sandbox() -> None:
    unit = START + "ProtectSystem=strict\nReadWritePaths=-/srv/cache /srv/data\n"
    line = ("back.service: Failed to set up mount namespacing: /srv/data: No such file or directory",
            f"back.service: Failed at step NAMESPACE spawning {PROGRAM}: No such file or directory")
    finding = found(diagnose_machine(unit, APP, log=line, show={"ExecMainStatus": "226"}))
    assert finding.variant == "start-226-namespace" and "/srv/data," in finding.summary
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
    assert "/srv/data and /srv/spool, paths of its sandbox, are not there" in finding.summary
    assert text_of(finding).endswith("ReadOnlyPaths=-/srv/data -/srv/spool\nReadWritePaths=-/srv/spool\n")
    table = diagnose_machine(unit, {**APP, "/etc/fstab": "UUID=1 /srv/spool ext4 rw\n"}, log=line, show={"ExecMainStatus": "226"})
    (by_hand,) = found(table).repairs
    assert by_hand.risk == "manual" and "/srv/spool" in by_hand.manual


def test_what_the_start_limit_says_is_its_consequence() -> None:
    log = (*GONE, "back.service: Start request repeated too quickly.")
    diagnosis = diagnose_machine(START, {**APP, "/srv/shop/.venv/bin/uvicorn": ("", 0o755)}, log=log)
    assert roots(diagnosis) == [CAUSE] and isinstance(verdict_of(diagnosis, "crash-loop-gave-up"), Found)
    assert {f.role for f in diagnosis.findings if f.cause == "crash-loop-gave-up"} == {"consequence"}


def test_the_interpreter_of_an_environment_is_not_the_systems() -> None:
    """The packages of the script lie in its environment: under another Python they are not there."""
    unit = START.replace(PROGRAM, "/srv/shop/venv/bin/uvicorn")
    files = {**APP, "/srv/shop/venv/bin/uvicorn": ("#!/srv/shop/venv/bin/python3\nprint(1)\n", 0o755),
             "/usr/bin/python3": ("", 0o755)}
    (repair,) = found(diagnose_machine(unit, files, log=GONE)).repairs
    assert repair.risk == "manual" and "where /srv/shop/venv is an environment of Python's" in repair.manual


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


STEP = "back.service: Failed at step {} spawning " + PROGRAM + ": {}"


@pytest.mark.parametrize(("status", "step", "why", "line", "words"), [
    ("209", "STDOUT", "No such file or directory", "StandardOutput=append:/var/log/shop/out.log", "/var/log/shop is not"),
    ("243", "CREDENTIALS", "No such file or directory", "LoadCredential=key:/etc/shop/key", "/etc/shop/key is not there"),
    ("225", "NETWORK", "Operation not permitted", "PrivateNetwork=yes", "the step NETWORK: Operation not permitted"),
    ("205", "LIMITS", "Operation not permitted", "LimitNOFILE=9999999", "the step LIMITS: Operation not permitted"),
])
def test_further_steps_are_told_by_the_settings_that_they_carry_out(
    status: str, step: str, why: str, line: str, words: str,
) -> None:
    finding = found(diagnose_machine(f"{START}{line}\n", APP, log=(STEP.format(step, why),), show={"ExecMainStatus": status}))
    assert (finding.variant, finding.confidence) == ("start-step-failed", "certain") and words in finding.summary
    assert finding.evidence[0].text == line and f"{UNIT}:5" in finding.repairs[0].manual


def test_a_file_of_a_further_step_that_is_there_by_now_needs_a_start_and_a_status_alone_is_no_step() -> None:
    unit = f"{START}StandardOutput=append:/var/log/shop/out.log\n"
    said = (STEP.format("STDOUT", "No such file or directory"),)
    files = {**APP, "/var/log/shop": ("dir", 0o755)}
    assert found(diagnose_machine(unit, files, log=said, show={"ExecMainStatus": "209"})).repairs[0].id == "start-service"
    assert isinstance(verdict_of(diagnose_machine(unit, files, log=("x",), show={"ExecMainStatus": "209"}), CAUSE), RuledOut)


POST = f"{START}ExecStartPost=/usr/bin/curl -sf http://127.0.0.1:8001/health\n"
TRY = ("Starting back.service - Back...", "INFO: Application startup complete.",
       "back.service: Control process exited, code=exited, status=7/NOTRUNNING")
LEFT = ("back.service: Failed with result 'exit-code'.", "Failed to start back.service - Back.")


@pytest.mark.parametrize("after", [(), ("back.service: Scheduled restart job, restart counter is at 5.",
                                        "back.service: Start request repeated too quickly.", *LEFT)])
def test_a_command_after_the_program_that_failed_is_why_it_was_ended(after: tuple[str, ...]) -> None:
    finding = found(diagnose_machine(POST, APP, log=(*TRY, *LEFT, *after), show={"ExecMainStatus": "15"}))
    assert (finding.variant, finding.confidence) == ("start-execstartpost-failed", "certain")
    assert "`/usr/bin/curl -sf http://127.0.0.1:8001/health`" in finding.summary and "status 7" in finding.summary
    assert f"{UNIT}:5" in finding.repairs[0].manual


@pytest.mark.parametrize("log", [
    (*TRY[:2], "back.service: Main process exited, code=exited, status=1/FAILURE", TRY[2], *LEFT),   # it ended before
    (*TRY, *LEFT, "Started back.service - Back.", "back.service: Main process exited, code=killed, status=9/KILL"),
    (*TRY[:2], *LEFT),
    (*TRY[:2], "back.service: start operation timed out. Terminating.", TRY[2], *LEFT),        # of the stop
])
def test_a_program_that_ended_by_itself_is_not_laid_to_what_runs_after_it(log: tuple[str, ...]) -> None:
    diagnosis = diagnose_machine(POST, APP, log=log, show={"ExecMainStatus": "1"})
    assert CAUSE not in roots(diagnosis)
