"""A file that a container has mounted at another place than where its program looks: whichever cause finds it missing."""

from __future__ import annotations

from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.formats.yaml_spans import parse_yaml
from fixer.model.diagnosis import Diagnosis
from fixer.model.facts import Known
from fixer.model.plan import WriteFile
from fixer.model.query import FileStat
from fixer.model.snapshot import Compose, ComposeSetting
from fixer.model.target import TargetRef
from fixer.observe.docker.compose_settings import volumes_in
from tests.causes.snapshot_builders import NOW, REFUSED, Scene, container_service, file, log_lines, roots, stat

MOUNT = "services:\n  app:\n    volumes:\n      - ./code:/srv/unused:ro\n"


def settings_of(text: str) -> tuple[ComposeSetting, ...]:
    """The mounts of the service in a compose file."""
    app: Any = parse_yaml(text.encode())
    for key in ("services", "app"):
        app = app.get(key)
    return tuple(volumes_in(app, "/p/compose.yaml", text.encode()))


@pytest.mark.parametrize(("text", "more", "risk"), [
    (MOUNT, (), "disruptive"),
    (MOUNT, (("/var/lib/shop", "/opt/shop/current", True),), "manual"),         # its folder holds another mount
    (MOUNT.replace("unused", "$PLACE"), (), "manual"),
])
def test_code_that_is_mounted_where_its_command_does_not_look_is_mounted_there(
        text: str, more: tuple[tuple[str, str, bool], ...], risk: str) -> None:
    """The command names its folder: no other working directory would help."""
    box = {"status": "restarting", "exit_code": 1, "restart_count": 3, "started_at": NOW - 40, "user": "0",
           "mounts": (("/p/code", "/srv/unused", False), *more)}
    made = container_service(box=box, pid=None, log=log_lines("ModuleNotFoundError: No module named 'office'"), compose_settings=settings_of(text),
                             argv=("uwsgi", "--http-socket", ":8000", "--chdir", "/opt/shop/current", "--module", "office:application"))
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused(configured_service=made.id)
    scene.files.append(file("/p/compose.yaml", text, "engine"))
    scene.extra = {"target": TargetRef("compose", "p"), "engine_files": (("/p/code/office.py", stat()),),
                   "compose": Compose("p", "/p", ("/p/compose.yaml",), (), (("app", True),), Known(True))}
    shown = diagnose(scene.snapshot()).findings[0]
    repair = shown.repairs[0]
    assert (repair.id, repair.risk) == ("mount-at-folder", risk) and "/opt/shop/current instead of /srv/unused" in repair.summary
    assert ("/p/compose.yaml:4" in {one.where for one in shown.evidence}) is (text == MOUNT)
    if risk == "manual":
        assert "needs /p/code at /opt/shop/current, and it is mounted at /srv/unused" in repair.manual and not repair.steps
    else:
        write = repair.steps[0]
        assert isinstance(write, WriteFile) and write.after == text.replace("/srv/unused", "/opt/shop/current").encode()


NODE = ("node:internal/modules/cjs/loader:1080", "  throw err;", "  ^",
        "Error: Cannot find module '/srv/shop/portal.js'", "    at node:internal/main/run_main_module:23:47 {",
        "  code: 'MODULE_NOT_FOUND',", "  requireStack: []", "}")
FOREIGN = ("node:internal/errors:490", "    ErrorCaptureStackTrace(err);",
           "Error [ERR_MODULE_NOT_FOUND]: Cannot find module '/srv/shop/portal.mjs' imported from /srv/shop/")
PYTHON = ("/usr/bin/python3: can't open file '/srv/shop/portal.py': [Errno 2] No such file or directory",)
OPENED = ("Traceback (most recent call last):", '  File "/app/main.py", line 4, in <module>',
          "FileNotFoundError: [Errno 2] No such file or directory: '/srv/shop/words.json'")
CHDIR = ("Error: can't chdir to '/srv/shop'",)
CONF = ("Error: '/srv/shop/gunicorn.conf.py' doesn't exist",)
ENGINE_ERROR = 'OCI runtime create failed: runc create failed: exec: "/srv/shop/serve.sh": stat /srv/shop/serve.sh: no such file or directory'
INIT = ("[FATAL tini (7)] exec /srv/shop/serve.sh failed: No such file or directory",)

SHELL = ("sh", "/srv/shop/start.sh")
UWSGI = ("uwsgi", "--http-socket", ":8000")
OTHERS = (
    (("sh: 0: cannot open /srv/shop/start.sh: No such file",), SHELL, "start.sh"),                                   # dash
    (("sh: can't open '/srv/shop/start.sh': No such file or directory",), SHELL, "start.sh"),                        # busybox
    (("bash: /srv/shop/start.sh: No such file or directory",), ("bash", "/srv/shop/start.sh"), "start.sh"),
    (("failed to open python file /srv/shop/desk.py", "unable to load app 0 (mountpoint='') (callable not found or import error)"),
     (*UWSGI, "--wsgi-file", "/srv/shop/desk.py"), "desk.py"),
    (("chdir(): No such file or directory [core/uwsgi.c line 2629]",), (*UWSGI, "--chdir", "/srv/shop", "--module", "desk:app"), "desk.py"),
    (("realpath() of /srv/shop/uwsgi.ini failed: No such file or directory [core/utils.c line 3640]",),
     ("uwsgi", "--ini", "/srv/shop/uwsgi.ini"), "uwsgi.ini"),
    (('error: Module not found "file:///srv/shop/portal.ts".',), ("deno", "run", "/srv/shop/portal.ts"), "portal.ts"),
    (('error: Module not found "/srv/shop/portal.ts"',), ("bun", "/srv/shop/portal.ts"), "portal.ts"),
)


def missed(lines: tuple[str, ...], argv: tuple[str, ...], *there: str, error: str = "",
           mounts: tuple[tuple[str, str, bool], ...] = (("/p/code", "/srv/unused", False),), **stats: FileStat) -> Diagnosis:
    box = {"status": "restarting", "exit_code": 127 if error or lines == INIT else 1, "restart_count": 3, "started_at": NOW - 40, "user": "0",
           "mounts": mounts, "error": error, "argv": argv}
    made = container_service(box=box, pid=None, log=log_lines(*lines), argv=argv, compose_settings=settings_of(MOUNT))
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused(configured_service=made.id)
    scene.endpoint(tcp=Known(REFUSED))
    scene.files.append(file("/p/compose.yaml", MOUNT, "engine"))
    scene.extra = {"target": TargetRef("compose", "p"), "engine_files": tuple((path, stats.get("kind", stat())) for path in there),
                   "compose": Compose("p", "/p", ("/p/compose.yaml",), (), (("app", True),), Known(True))}
    return diagnose(scene.snapshot())


@pytest.mark.parametrize(("lines", "argv", "there", "cause"), [
    (NODE, ("node", "/srv/shop/portal.js"), "/p/code/portal.js", "crash-code-error"),
    (FOREIGN, ("node", "/srv/shop/portal.mjs"), "/p/code/portal.mjs", "crash-code-error"),
    (PYTHON, ("/usr/bin/python3", "/srv/shop/portal.py"), "/p/code/portal.py", "crash-file-access"),
    (OPENED, ("uvicorn", "main:app", "--port", "8000"), "/p/code/words.json", "crash-file-access"),
    (CHDIR, ("gunicorn", "--chdir", "/srv/shop", "desk.web:app"), "/p/code/desk/web.py", "crash-file-access"),
    (CONF, ("gunicorn", "-c", "/srv/shop/gunicorn.conf.py", "desk:app"), "/p/code/gunicorn.conf.py", "crash-file-access"),
    (INIT, ("/srv/shop/serve.sh",), "/p/code/serve.sh", "unit-misconfigured"),
    *((lines, argv, f"/p/code/{name}", "crash-file-access") for lines, argv, name in OTHERS),
])
def test_the_mount_is_moved_to_where_the_program_looks(
        lines: tuple[str, ...], argv: tuple[str, ...], there: str, cause: str) -> None:
    diagnosis = missed(lines, argv, there)
    first = diagnosis.findings[0]
    assert roots(diagnosis) == [cause]
    assert first.summary.endswith("; /p/code, mounted at /srv/unused, has it") and first.confidence == "certain"
    assert {there, "/p/compose.yaml:4"} <= {one.where for one in first.evidence}
    repair = first.repairs[0]
    assert (repair.id, repair.risk) == ("mount-at-folder", "disruptive")
    write = repair.steps[0]
    assert isinstance(write, WriteFile) and write.after == MOUNT.replace("/srv/unused", "/srv/shop").encode()


def test_a_module_is_found_by_a_start_in_its_mount_where_nothing_can_be_mounted() -> None:
    lines = ("Traceback (most recent call last):", '  File "/usr/bin/daphne", line 8, in <module>', "ModuleNotFoundError: No module named 'desk'")
    repair = missed(lines, ("daphne", "desk:app"), "/p/code/desk.py").findings[0].repairs[0]
    assert (repair.id, repair.risk) == ("start-in-folder", "manual") and "working_dir of p-app-1 to /srv/unused" in repair.manual


def test_a_shell_that_misses_another_file_than_its_command_names_says_nothing_of_the_start() -> None:
    said = ("sh: can't open '/srv/shop/other.sh': No such file or directory",)
    assert roots(missed(said, SHELL, "/p/code/other.sh")) == ["crash-loop-gave-up"]


def test_a_program_that_the_engine_does_not_find_is_one_too() -> None:
    first = missed((), ("/srv/shop/serve.sh",), "/p/code/serve.sh", error=ENGINE_ERROR).findings[0]
    assert first.cause == "unit-misconfigured" and first.repairs[0].id == "mount-at-folder"


@pytest.mark.parametrize(("there", "mounts"), [
    ((), (("/p/code", "/srv/unused", False),)),                                                      # nothing was seen there
    (("/p/code/portal.py",), (("/p/code", "/srv/shop", False),)),                                    # it is below a mount
    (("/p/code/portal.py", "/p/more/portal.py"), (("/p/code", "/a", False), ("/p/more", "/b", False))),      # which of the two?
    (("/p/code/portal.py", "/p/code/shop/portal.py"), (("/p/code", "/a", False),)),                  # which of its folders?
])
def test_what_is_not_surely_the_file_is_not_mounted(there: tuple[str, ...], mounts: tuple[tuple[str, str, bool], ...]) -> None:
    diagnosis = missed(PYTHON, ("/usr/bin/python3", "/srv/shop/portal.py"), *there, mounts=mounts)
    assert "mount-at-folder" not in [repair.id for finding in diagnosis.findings for repair in finding.repairs]


def test_a_folder_of_that_name_is_not_the_file() -> None:
    diagnosis = missed(PYTHON, ("/usr/bin/python3", "/srv/shop/portal.py"), "/p/code/portal.py", kind=stat(kind="dir"))
    assert "mount-at-folder" not in [repair.id for finding in diagnosis.findings for repair in finding.repairs]


def test_one_file_that_is_mounted_under_another_path() -> None:
    first = missed(OPENED, ("uvicorn", "main:app"), "/p/words.json", mounts=(("/p/words.json", "/etc/words.json", False),)).findings[0]
    assert first.repairs[0].summary == "mount /p/words.json at /srv/shop/words.json instead of /etc/words.json"
    assert first.repairs[0].risk == "manual" and "needs /p/words.json at /srv/shop/words.json" in first.repairs[0].manual


def test_a_file_of_node_that_is_nowhere_is_no_package() -> None:
    repair = missed(NODE, ("node", "/srv/shop/portal.js")).findings[0].repairs[0]
    assert repair.summary == "restore /srv/shop/portal.js for p-app-1" and "package" not in repair.manual
