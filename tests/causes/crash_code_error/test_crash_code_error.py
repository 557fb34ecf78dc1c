"""crash-code-error: which last words are an error of code or command, what is offered for it, and what is no proof."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.analysis.exits.code_error import find_code_fault
from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding, Repair, RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.plan import ContainerAction, DaemonReload, UnitAction, WriteFile
from fixer.model.snapshot import CommandArgument, Compose, ComposeSetting, EnvAssignment, UnitValue
from fixer.model.target import TargetRef
from tests.causes.snapshot_builders import (
    NOW,
    Scene,
    container_service,
    failed_service,
    file,
    finding_of,
    healthy_scene,
    listener,
    log_lines,
    probe,
    roots,
    service,
    stat,
    unit,
    verdict_of,
)

CAUSE = "crash-code-error"
MAIN = "/srv/shop/app/main.py"
STARTED = "Started backend.service - Office."
HEAD = ("Traceback (most recent call last):", '  File "/usr/bin/uvicorn", line 33, in <module>',
        '  File "/usr/lib/python3/dist-packages/uvicorn/importer.py", line 19, in import_from_string')
IMPORT = (STARTED, *HEAD, f'  File "{MAIN}", line 3, in <module>', "    import orjson",
          "ModuleNotFoundError: No module named 'orjson'", "backend.service: Failed with result 'exit-code'.")
SYNTAX = (STARTED, *HEAD, f'  File "{MAIN}", line 2', "    def page(:", "             ^", "SyntaxError: invalid syntax")
TARGET = (STARTED, 'ERROR:    Error loading ASGI app. Attribute "application" not found in module "app.main".')
TLS = (STARTED, *HEAD, '  File "/usr/lib/python3/dist-packages/uvicorn/config.py", line 110, in create_ssl_context',
       "    ctx.load_cert_chain(certfile, keyfile, get_password)",
       "ssl.SSLError: [X509: KEY_VALUES_MISMATCH] key values mismatch (_ssl.c:3895)")
ARGV = ("/usr/bin/python3", "-m", "uvicorn", "app.main:application", "--port", "8000")


def crashed(*lines: str, **changes: object) -> Scene:
    return Scene().with_service(failed_service(log=log_lines(*(lines or IMPORT)), **changes)).refused()   # type: ignore[arg-type]


def found(scene: Scene, **inputs: str) -> Finding:
    return finding_of(diagnose(scene.snapshot(), inputs), CAUSE)


def repair_called(scene: Scene, name: str, **inputs: str) -> Repair:
    return next(repair for repair in found(scene, **inputs).repairs if repair.id == name)


def test_hit() -> None:
    scene = crashed()
    scene.files.append(file(MAIN, "from os import path\n\nimport orjson\n"))
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [CAUSE]
    one = diagnosis.findings[0]
    assert (one.variant, one.confidence) == ("start-import-error", "certain")
    assert [e.text for e in one.evidence[:2]] == ["ModuleNotFoundError: No module named 'orjson'", "import orjson"]
    assert one.evidence[1].where == f"{MAIN}:3"
    (repair,) = one.repairs
    assert repair.risk == "manual" and "orjson" in repair.manual and f"{MAIN}:3: import orjson" in repair.manual


@pytest.mark.parametrize(("lines", "variant", "words"), [
    (SYNTAX, "start-syntax-error", f"{MAIN}:2"),
    (TARGET, "start-wrong-app-target", "app.main:application"),
    (TLS, "start-tls-key-mismatch", "KEY_VALUES_MISMATCH"),
    ((STARTED, 'ERROR:    Error loading ASGI app. Could not import module "nosuch".'), "start-wrong-app-target", "nosuch"),
    ((STARTED, "Usage: flask run [OPTIONS]", "Error: Could not import 'blog'."), "start-wrong-app-target", "blog"),
    ((STARTED, "/usr/bin/python3: No module named uvicorn"), "start-server-package-missing", "uvicorn"),
    ((STARTED, *HEAD[:2], "ModuleNotFoundError: No module named 'uvicorn'"), "start-server-package-missing", "uvicorn"),
    ((STARTED, "/usr/bin/python3: No module named office"), "start-import-error", "office"),
    ((*IMPORT, "[ERROR] Reason: Worker failed to boot."), "gunicorn-worker-boot-failed", "orjson"),
    ((STARTED, "Failed to find attribute 'nope' in 'app.main'.", "[ERROR] Reason: Worker failed to boot."),
     "gunicorn-worker-boot-failed", "app.main:nope"),
    ((STARTED, *HEAD, f'  File "{MAIN}", line 4, in <module>', "    from app.x import y",
      f"ImportError: cannot import name 'y' from 'app.x' ({MAIN})"), "start-import-error", "cannot import name"),
    ((STARTED, *HEAD, f'  File "{MAIN}", line 9, in <module>', "    setings.x", "NameError: name 'setings' is not defined"),
     None, f"{MAIN}:9"),
    ((STARTED, "Error: Cannot find module 'express'", "Require stack:", "- /srv/shop/server.js"), "start-import-error",
     "express"),
    ((STARTED, "/srv/shop/server.js:3", "const x = ;", "          ^", "", "SyntaxError: Unexpected token ';'"),
     "start-syntax-error", "/srv/shop/server.js:3"),
])
def test_hits_of_every_kind(lines: tuple[str, ...], variant: str | None, words: str) -> None:
    diagnosis = diagnose(crashed(*lines).snapshot())
    assert roots(diagnosis) == [CAUSE]
    assert diagnosis.findings[0].variant == variant and words in diagnosis.findings[0].summary
    assert diagnosis.findings[0].repairs[-1].risk in ("manual", "disruptive")


def test_a_parent_that_listens_before_its_workers_fail_once_more() -> None:
    boot = (*IMPORT[:-1], "[ERROR] Reason: Worker failed to boot.")
    young = {"n_restarts": 3, "active_enter": NOW - 2}
    silent = {"tcp": Known(probe()), "http": Known(probe(None, error="slow"))}
    runs = service(log=log_lines(*boot, "Started backend.service - Office.", ago=8), runtime="gunicorn", unit_changes=young)
    scene = Scene().with_service(runs, listener(8000, 200)).endpoint(**silent)
    scene.probes[0] = Known((probe(None, error="slow"),))
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [CAUSE] and diagnosis.verdict == "broken"
    assert diagnosis.findings[0].variant == "gunicorn-worker-boot-failed"
    for calm in ({"n_restarts": 0, "active_enter": NOW - 2}, {"n_restarts": 3, "active_enter": NOW - 200}):
        scene.services[0] = replace(runs, unit=unit("backend.service", main_pid=200, **calm))
        assert roots(diagnose(scene.snapshot())) == []


@pytest.mark.parametrize(("there", "told"), [
    ("/srv/shop/venv/lib/python3.11/site-packages/orjson/__init__.py", "/srv/shop/venv/lib/python3.11/site-packages holds orjson"),
    ("/srv/shop/venv/lib/python3.9/site-packages/orjson.py", "/srv/shop/venv/lib/python3.9/site-packages holds orjson"),
    ("/srv/blog/venv/lib/python3.11/site-packages/orjson/__init__.py", "install the package that provides orjson"),
])
def test_an_environment_of_another_python_is_to_be_made_anew(there: str, told: str) -> None:
    scene = crashed(argv=("/srv/shop/venv/bin/python", "-m", "uvicorn", "app.main:app"))
    scene.files.append(file(there, ""))
    assert told in found(scene).repairs[-1].manual


def test_a_package_of_node_is_not_installed_with_pip() -> None:
    lines = (STARTED, "Error: Cannot find module 'express'", "Require stack:", "- /srv/shop/server.js")
    made = found(crashed(*lines, argv=("/usr/bin/node", "server.js"), runtime="node"))
    assert made.repairs[-1].manual.startswith(
        "install the package that provides express for /usr/bin/node (npm install … in /srv/shop), or take it out of "
        "/srv/shop/server.js; then start")


def test_a_module_of_the_target_itself_is_a_wrong_target() -> None:
    lines = (STARTED, *HEAD, "ModuleNotFoundError: No module named 'office'")
    argv = ("/usr/bin/uvicorn", "office.main:app", "--port", "8000")
    assert found(crashed(*lines, argv=argv)).variant == "start-wrong-app-target"
    assert found(crashed(*lines)).variant == "start-import-error"


WAITRESS = "There was an exception ({}) importing your module."


@pytest.mark.parametrize(("kind", "words", "variant", "said"), [
    ("ModuleNotFoundError", "No module named 'app'", "start-wrong-app-target", "app.main:application"),
    ("ModuleNotFoundError", "No module named 'pricing'", "start-import-error", "the module pricing is not there"),
    ("AttributeError", "module 'app.main' has no attribute 'application'", "start-wrong-app-target", "app.main:application"),
])
def test_waitress_tells_its_exception_in_two_lines(kind: str, words: str, variant: str, said: str) -> None:
    argv = ("/usr/bin/waitress-serve", "--port", "8000", "app.main:application")
    scene = crashed(STARTED, WAITRESS.format(kind), "", "It had these arguments:", f"1. {words}", argv=argv)
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert (found.variant, found.confidence) == (variant, "certain") and said in found.summary


DAPHNE = (STARTED, HEAD[0], '  File "/usr/bin/daphne", line 8, in <module>',
          '  File "/usr/lib/python3/dist-packages/daphne/utils.py", line 22, in import_by_path',
          "    target = getattr(target, bit)")
UWSGI = (STARTED, "*** Starting uWSGI 2.0.28 (64bit) on [Fri Nov 27] ***", "Python main interpreter initialized at 0x7f",
         "unable to load app 0 (mountpoint='') (callable not found or import error)", "*** no app loaded. GAME OVER ***")


@pytest.mark.parametrize(("lines", "words"), [
    ((*DAPHNE, "AttributeError: module 'app.main' has no attribute 'application'"), "app.main:application"),
    ((*DAPHNE, "AttributeError: module 'app.main' has no attribute 'application'. Did you mean: 'applications'?"),
     "app.main:application"),
    (UWSGI, "app.main:application"),
])
def test_servers_that_tell_a_missing_name_in_words_of_their_own(lines: tuple[str, ...], words: str) -> None:
    made = found(crashed(*lines, argv=("/usr/bin/daphne", "-p", "8000", "app.main:application")))
    assert made.variant == "start-wrong-app-target" and words in made.summary


def test_a_volume_may_lie_over_the_code_of_the_image() -> None:
    box = {"status": "exited", "exit_code": 1, "pid": 0, "working_dir": "/code",
           "shares": (("/var/lib/docker/volumes/shop_code/_data", "/code"),)}
    line = 'ERROR:    Error loading ASGI app. Could not import module "main".'
    made = container_service(box=box, pid=None, log=log_lines(line), argv=("uvicorn", "main:app"))
    shown = found(Scene("app:8000", node="web", back="app").with_service(made).refused())
    assert shown.confidence == "likely" and "/code is mounted from /var/lib/docker/volumes/shop_code" in shown.summary


@pytest.mark.parametrize(("words", "names", "told"), [
    (("--app-dir", "/code"), (), True), (("--app-dir=/code/src",), (), True), (("--chdir", "../code"), (), True),
    ((), ("PYTHONPATH",), True), ((), (), False), (("--app-dir", "/other"), (), False),
])
def test_mounted_code_is_looked_for_where_the_command_says(
    words: tuple[str, ...], names: tuple[str, ...], told: bool,
) -> None:
    """The folder that it starts in is the image's; the code lies elsewhere."""
    box = {"status": "exited", "exit_code": 1, "pid": 0, "user": "1234", "working_dir": "/srv", "env_names": names,
           "mounts": (("/srv/shop", "/code", False),)}
    line = 'ERROR:    Error loading ASGI app. Could not import module "main".'
    made = container_service(box=box, pid=None, log=log_lines(line), argv=("uvicorn", "main:app", *words))
    shown = found(Scene("app:8000", node="web", back="app").with_service(made).refused())
    assert ("/code is mounted from /srv/shop" in shown.summary) is told
    assert shown.confidence == ("likely" if told else "certain")


@pytest.mark.parametrize(("line", "mounts", "told"), [
    ('ERROR:    Error loading ASGI app. Could not import module "main".', (("/srv/shop", "/code", True),), True),
    ('ERROR:    Error loading ASGI app. Could not import module "main".', (("/srv/shop", "/data", True),), False),
    ('ERROR:    Error loading ASGI app. Attribute "app" not found in module "main".', (("/srv/shop", "/code", True),), False),
])
def test_code_that_is_mounted_may_be_closed_to_the_containers_account(
    line: str, mounts: tuple[tuple[str, str, bool], ...], told: bool,
) -> None:
    """A folder of mode 700, an empty one or a misspelt one: uvicorn says the same of all."""
    box = {"status": "exited", "exit_code": 1, "pid": 0, "user": "1234", "working_dir": "/code", "mounts": mounts}
    made = container_service(box=box, pid=None, log=log_lines(line), argv=("uvicorn", "main:app"))
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused()
    shown = found(scene)
    assert ("/code is mounted from /srv/shop" in shown.summary and "1234" in shown.summary) is told
    assert shown.confidence == "likely" or not told


def test_another_module_that_lacks_a_name_is_no_wrong_target() -> None:
    lines = (*DAPHNE, "AttributeError: module 'ssl' has no attribute 'wrap_socket'")
    assert isinstance(verdict_of(diagnose(crashed(*lines).snapshot()), CAUSE), RuledOut)


def test_uwsgi_says_so_of_a_module_that_fails_too() -> None:
    made = found(crashed(*UWSGI[:3], *IMPORT[4:7], *UWSGI[3:]))
    assert (made.variant, "orjson" in made.summary) == ("start-import-error", True)


@pytest.mark.parametrize("lines", [
    (STARTED, "1. No module named 'pricing'"),
    (STARTED, WAITRESS.format("OSError"), "It had these arguments:", "1. No module named 'pricing'"),
    (STARTED, "Traceback (most recent call last):", '    os.environ["SECRET_KEY"]', "KeyError: 'SECRET_KEY'"),
    (STARTED, *HEAD, f'  File "{MAIN}", line 4', "ConnectionRefusedError: [Errno 111] Connection refused"),
    (STARTED, "INFO:     Application startup complete.", *IMPORT[1:-1]),         # an answer ended with it
    (*IMPORT[:-1], "INFO:     Application startup complete.", "Killed"),
    (STARTED, *HEAD, f'  File "{MAIN}", line 4, in <module>', '    int(os.environ.get("WORKERS"))',
     "TypeError: int() argument must be a string, not 'NoneType'"),
    (STARTED, 'INFO: 1.2.3.4 - "GET /?x=ModuleNotFoundError: No module named \'a\' HTTP/1.1" 404'),
    (STARTED, "ValueError: something of the settings"),
    (STARTED, "SyntaxError: in no file"),
    (STARTED, "SystemExit: 3"),
])
def test_miss(lines: tuple[str, ...]) -> None:
    assert isinstance(verdict_of(diagnose(crashed(*lines).snapshot()), CAUSE), RuledOut)


def test_miss_on_a_healthy_host() -> None:
    assert isinstance(verdict_of(diagnose(healthy_scene().snapshot()), CAUSE), RuledOut)


def test_an_earlier_run_that_served_is_no_excuse() -> None:
    box = {"status": "restarting", "exit_code": 1, "restart_count": 4, "restart_policy": "always", "started_at": NOW - 10}
    lines = log_lines("INFO:     Application startup complete.", ago=60).value + log_lines(*IMPORT[1:-1], ago=5).value
    made = container_service(box=box, pid=None, log=Known(lines))
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused(configured_service=made.id)
    assert found(scene).variant == "start-import-error"


def test_unknown() -> None:
    scene = Scene().with_service(failed_service(log=Unknown("not root"))).refused()
    verdict = verdict_of(diagnose(scene.snapshot()), CAUSE)
    assert isinstance(verdict, Undetermined) and "not root" in verdict.missing[0]


def test_a_backup_beside_the_file_is_offered_and_never_taken_unasked() -> None:
    scene = crashed(*SYNTAX)
    scene.files += [
        file(MAIN, "x = 1\ndef page(:\n"), file(MAIN + ".bak", "x = 1\n", stat=stat(mtime=NOW - 100)),
        file(MAIN + ".old", "x = 0\n", stat=stat(mtime=NOW - 900)), file(MAIN + ".orig", "def page(:\n"),
    ]
    repair = repair_called(scene, "restore-backup")
    assert repair.risk == "disruptive" and repair.steps == ()
    assert repair.needs[0].choices == (MAIN + ".bak", MAIN + ".old") and repair.needs[0].default is None
    steps = repair_called(scene, "restore-backup", **{"restore-from": MAIN + ".bak"}).steps
    assert isinstance(steps[0], WriteFile) and steps[0].after == b"x = 1\n"
    assert [s.verb for s in steps if isinstance(s, UnitAction)] == ["reset-failed", "start"]


def test_a_backup_with_the_same_import_is_none() -> None:
    scene = crashed()
    scene.files += [file(MAIN, "\n\nimport orjson\n"), file(MAIN + "~", "import orjson\nx = 1\n")]
    assert [r.id for r in found(scene).repairs] == ["mend-code"]
    scene.files[-1] = file(MAIN + "~", "x = 1\n")
    assert [r.id for r in found(scene).repairs] == ["restore-backup", "mend-code"]


def test_a_module_of_a_package_that_is_there_is_put_back_and_not_installed() -> None:
    lines = (*IMPORT[:-3], "    import app.local", "ModuleNotFoundError: No module named 'app.local'")
    scene = crashed(*lines)
    scene.files += [file(MAIN, "import app.local\n"), file(MAIN + ".bak", "from starlette.applications import App\n"),
                    file(MAIN + ".old", "from .local import KEY\n")]
    restore, mend = found(scene).repairs
    assert restore.needs[0].choices == (MAIN + ".bak",)
    assert mend.manual.startswith("app is there, and there is no local in it: put that file or folder back")


def test_a_module_that_a_variable_names_is_corrected_there() -> None:
    lines = (*IMPORT[:-3], "ModuleNotFoundError: No module named 'shop.settings'")
    scene = crashed(*lines, env=(EnvAssignment("DJANGO_SETTINGS_MODULE", "/etc/default/shop:2", False),))
    scene.files.append(file("/etc/default/shop", "A=shop.settings\nDJANGO_SETTINGS_MODULE=shop.settings.prod\r\n"))
    told = found(scene).repairs[-1].manual
    assert "or correct DJANGO_SETTINGS_MODULE at /etc/default/shop:2, which names it" in told and "prod" not in told


def test_a_file_that_was_mended_since_only_needs_a_start() -> None:
    scene = crashed(*SYNTAX)
    scene.files.append(file(MAIN, "x = 1\n", stat=stat(mtime=NOW - 5)))
    assert (found(scene).repairs[0].id, found(scene).repairs[0].risk) == ("start-service", "safe")
    scene.files[-1] = file(MAIN, "def page(:\n", stat=stat(mtime=NOW - 5))
    assert [r.id for r in found(scene).repairs] == ["mend-code"]


def test_what_the_traceback_quotes_and_the_file_holds_no_more_was_mended() -> None:
    """In the very second in which it ended once more no clock tells."""
    scene = crashed(*IMPORT)
    scene.files.append(file(MAIN, "import json\n\nx = 1\n", stat=stat(mtime=NOW - 5000)))
    assert (found(scene).confidence, found(scene).repairs[0].id) == ("likely", "start-service")
    scene.files[-1] = file(MAIN, "import json\n\nimport orjson\n", stat=stat(mtime=NOW - 5000))
    assert (found(scene).confidence, found(scene).repairs[0].id) == ("certain", "mend-code")
    bare = crashed(*(line for line in IMPORT if "import orjson" not in line))      # it could not read its own source
    bare.files.append(file(MAIN, "import json\n", stat=stat(mtime=NOW - 5000)))
    assert found(bare).repairs[0].id == "mend-code"


def test_a_better_target_is_named_and_written_where_the_command_is() -> None:
    unit = "[Service]\nExecStart=/usr/bin/python3 -m uvicorn app.main:application\n"
    path = "/etc/systemd/system/backend.service"
    at = unit.index("app.main:application")
    word = CommandArgument("app.main:application", path, 2, at, at + len("app.main:application"))
    scene = crashed(*TARGET, argv=ARGV, command=(CommandArgument("/usr/bin/python3"), word))
    scene.files += [file(path, unit), file(MAIN, "app = Starlette(routes=[])\n"),
                    file("/srv/shop/app/__init__.py", "application: FastAPI = FastAPI()\n")]
    repair = repair_called(scene, "correct-target")
    assert repair.needs[0].choices == ("app.main:app", "app:application") and repair.steps == ()
    assert found(scene).evidence[1].where == f"{path}:2"
    write, reload_, *rest = repair_called(scene, "correct-target", target="app.main:app").steps
    assert isinstance(write, WriteFile) and isinstance(reload_, DaemonReload)
    assert write.after == unit.replace("app.main:application", "app.main:app").encode()
    assert [s.verb for s in rest if isinstance(s, UnitAction)] == ["reset-failed", "start"]
    scene.services[0] = replace(scene.services[0], command=())
    manual = repair_called(scene, "correct-target")
    assert manual.risk == "manual" and "app.main:app, app:application" in manual.manual


def test_a_target_without_a_known_application_is_asked_as_a_word() -> None:
    path = "/etc/systemd/system/backend.service"
    unit = "[Service]\nExecStart=/usr/bin/uvicorn a:b\n"
    word = CommandArgument("a:b", path, 2, unit.index("a:b"), unit.index("a:b") + 3)
    scene = crashed(STARTED, 'Error loading ASGI app. Could not import module "a"', argv=("/usr/bin/uvicorn", "a:b"),
                    command=(word,))
    scene.files.append(file(path, unit))
    need = repair_called(scene, "correct-target").needs[0]
    assert (need.kind, need.choices) == ("value", ()) and need.pattern


def test_another_key_is_asked_by_its_path() -> None:
    path = "/etc/systemd/system/backend.service"
    unit = "[Service]\nExecStart=/usr/bin/uvicorn a:b --ssl-keyfile /etc/ssl/old.key --ssl-certfile /etc/ssl/x.pem\n"
    at = unit.index("/etc/ssl/old.key")
    words = (CommandArgument("--ssl-keyfile"), CommandArgument("/etc/ssl/old.key", path, 2, at, at + 16), CommandArgument("--ssl-certfile"),
             CommandArgument("/etc/ssl/x.pem"))
    scene = crashed(*TLS, command=words)
    scene.files.append(file(path, unit))
    assert [r.id for r in found(scene).repairs] == ["correct-keyfile", "mend-code"]
    assert "/etc/ssl/old.key, /etc/ssl/x.pem" in found(scene).repairs[-1].manual
    write = repair_called(scene, "correct-keyfile", **{"ssl-keyfile": "/etc/ssl/new.key"}).steps[0]
    assert isinstance(write, WriteFile) and write.after is not None and b"--ssl-keyfile /etc/ssl/new.key" in write.after


@pytest.mark.parametrize(("line", "words"), [
    ("Error: Invalid value for '--port': '80a' is not a valid integer.", "'80a' is not a valid integer"),
    ("Error: No such option: --prot (Possible options: --host, --port)", "No such option: --prot"),
    ("Error: Got unexpected extra argument (extra)", "extra argument (extra)"),
    ("gunicorn: error: unrecognized arguments: --foo", "unrecognized arguments: --foo"),
    ("gunicorn: error: argument -w/--workers: invalid int value: 'x'", "invalid int value: 'x'"),
    ("Error: '80a' is not a valid port number.", "not a valid port number"),
    ("Error: No such user: 'nosuch'", "No such user: 'nosuch'"),
    ("Invalid value for workers: x", "Invalid value for workers: x"),
    ("node: bad option: --bad", "bad option: --bad"),
])
def test_an_option_that_is_not_taken_is_told_in_the_servers_words(line: str, words: str) -> None:
    diagnosis = diagnose(crashed(STARTED, "Usage: uvicorn [OPTIONS] APP", line).snapshot())
    assert roots(diagnosis) == [CAUSE] and words in diagnosis.findings[0].summary
    assert diagnosis.findings[0].repairs[-1].risk == "manual"


@pytest.mark.parametrize(("words", "path", "line"), [
    ((), "/srv/shop/gunicorn.conf.py", 2), (("-c", "conf/live.py"), "/srv/shop/conf/live.py", 2),
    (("--config=file:/etc/live.py",), "/etc/live.py", 2), (("-c", "elsewhere.py"), "/etc/live.py", 0),
])
def test_what_gunicorns_own_file_says_wrong_is_told_with_its_line(words: tuple[str, ...], path: str, line: int) -> None:
    made = failed_service(log=log_lines("Invalid value for workers: (2,)"), runtime="gunicorn",
                  unit_changes={"working_directory": "/srv/shop"},
                  command=tuple(CommandArgument(word, "/etc/systemd/system/backend.service", 6) for word in ("gunicorn", *words)))
    scene = Scene().with_service(made).refused()
    scene.files.append(file(path, "worker_class = 'x'\nworkers = 2,\n"))
    first = diagnose(scene.snapshot()).findings[0]
    assert first.cause == "crash-code-error" and "(2,)" in first.summary
    at = f"{path}:{line}" if line else "the command of backend.service"
    assert first.repairs[-1].manual.startswith(f"mend {at} (Invalid value for workers: (2,))")
    assert bool(line) == any(e.where == f"{path}:{line}" and e.text == "workers = 2," for e in first.evidence)


def test_the_line_that_holds_variables_is_not_shown() -> None:
    made = failed_service(log=log_lines("Invalid value for raw_env: 3"), runtime="gunicorn", unit_changes={"working_directory": "/srv/shop"})
    scene = Scene().with_service(made).refused()
    scene.files.append(file("/srv/shop/gunicorn.conf.py", "raw_env = ['KEY=hunter2', 3]\n"))
    assert "hunter2" not in repr(diagnose(scene.snapshot()).findings)


def test_a_class_of_workers_that_is_not_there_is_an_option_too() -> None:
    lines = (STARTED, "Error: class uri 'nope' invalid or not found: ", "", "[Traceback (most recent call last):",
             '  File "/usr/lib/python3/dist-packages/gunicorn/util.py", line 64, in load_entry_point',
             "ImportError: Entry point ('gunicorn.workers', 'nope') not found", "]")
    assert "class uri 'nope'" in found(crashed(*lines)).summary


def test_a_class_of_workers_that_gunicorn_could_not_load_is_named() -> None:
    lines = (STARTED, "Traceback (most recent call last):",
             '  File "/usr/lib/python3/dist-packages/gunicorn/arbiter.py", line 588, in spawn_worker',
             "    worker = self.worker_class(self.worker_age, self.pid, self.LISTENERS,",
             "                               self.cfg, self.log)", "TypeError: 'str' object is not callable")
    argv = ("/usr/bin/gunicorn", "-k", "uvicorn.workers.UvicornWorkers", "app.main:app")
    assert "uvicorn.workers.UvicornWorkers is not there" in found(crashed(*lines, argv=argv)).summary


def test_the_port_that_nginx_asks_for_is_taken_out_of_what_is_written_beside_it() -> None:
    path, text = "/etc/default/office", "PORT=8000 # was 7000\n"
    line = "Error: Invalid value for '--port': '8000 # was 7000' is not a valid integer."
    word = CommandArgument("8000 # was 7000", path, 1, 5, 20)
    scene = crashed(STARTED, line, command=(CommandArgument("/usr/bin/uvicorn"), CommandArgument("--port"), word))
    scene.files.append(file(path, text))
    assert found(scene).evidence[1].where == f"{path}:1"
    repair = repair_called(scene, "correct-option")
    assert (repair.risk, repair.needs) == ("disruptive", ())
    assert isinstance(repair.steps[0], WriteFile) and repair.steps[0].after == b"PORT=8000\n"
    scene.services[0] = replace(scene.services[0], command=(CommandArgument("--port"), replace(word, text="8O00", end=9)))
    scene.files[-1] = file(path, "PORT=8O00\n")
    scene.services[0] = replace(scene.services[0], log=log_lines(STARTED, line.replace("8000 # was 7000", "8O00")))
    repair = repair_called(scene, "correct-option")
    assert repair.steps == () and "nginx asks for 8000" in repair.needs[0].why
    steps = repair_called(scene, "correct-option", port="8000").steps
    assert isinstance(steps[0], WriteFile) and steps[0].after == b"PORT=8000\n"


def test_an_application_with_two_names_is_found_by_the_first() -> None:
    scene = crashed(*TARGET)
    scene.files.append(file(MAIN, "wsgi = app = Starlette()\n"))
    assert "app.main:wsgi" in repair_called(scene, "correct-target").manual


def test_a_parent_that_stays_while_its_workers_end() -> None:
    lines = (*IMPORT[:-1], *IMPORT[1:-1])
    scene = Scene().with_service(service(log=log_lines(*lines), workers=Known(2), unit_changes={"active_enter": NOW - 35}))
    one = found(scene.refused())
    assert (one.variant, "workers that it starts" in one.detail[0]) == ("multiworker-import-loop", True)
    once = Scene().with_service(service(log=log_lines(*IMPORT[:-1]), argv=("/usr/bin/uvicorn", "a:b", "--reload"),
                                        unit_changes={"active_enter": NOW - 35})).refused()
    assert found(once).variant == "multiworker-import-loop"
    alone = Scene().with_service(service(log=log_lines(*IMPORT[:-1]), unit_changes={"active_enter": NOW - 31})).refused()
    assert found(alone).variant == "start-import-error"


def test_a_service_that_listens_elsewhere_has_no_such_error() -> None:
    scene = Scene("127.0.0.1:8001").with_service(service(log=log_lines(*IMPORT[:-1])), listener(8000, 200)).refused()
    assert roots(diagnose(scene.snapshot())) == ["wrong-port"]


def contained(**changes: object) -> Scene:
    box = {"status": "restarting", "exit_code": 1, "restart_count": 4, "restart_policy": "always", "started_at": NOW - 50,
           "working_dir": "/srv", "mounts": (("/home/lab/app", "/srv/app", False),), "image": "office:3"}
    lines = [line.replace("/srv/shop/app", "/srv/app") for line in changes.pop("lines", IMPORT[1:-1])]  # type: ignore[attr-defined]
    made = container_service(box=box, pid=None, log=log_lines(*lines), **changes)   # type: ignore[arg-type]
    return Scene("app:8000", node="web", back="app").with_service(made).refused(configured_service=made.id)


def test_a_container_has_its_source_behind_a_mount() -> None:
    scene = contained(lines=SYNTAX[1:])
    scene.files += [file("/home/lab/app/main.py", "\ndef page(:\n", node="engine"),
                    file("/home/lab/app/main.py.bak", "x = 1\n", node="engine")]
    one = found(scene)
    assert any(e.where == "/home/lab/app/main.py:2" for e in one.evidence)
    steps = repair_called(scene, "restore-backup", **{"restore-from": "/home/lab/app/main.py.bak"}).steps
    assert isinstance(steps[0], WriteFile) and steps[0].node == "engine"
    assert [s.verb for s in steps if isinstance(s, ContainerAction)] == ["restart"]


def test_a_container_lacks_a_package_in_its_image() -> None:
    assert "build its image with it (now office:3)" in found(contained()).repairs[0].manual


def test_targets_below_a_mount_are_named_as_the_container_sees_them() -> None:
    scene = contained(lines=TARGET[1:])
    scene.files.append(file("/home/lab/app/main.py", "app = Starlette()\n", node="engine"))
    assert "found: app.main:app" in found(scene).repairs[0].manual


def test_the_last_error_counts() -> None:
    lines = log_lines(*IMPORT, STARTED, *SYNTAX[1:]).value
    fault = find_code_fault(lines, (), 0.0)
    assert fault is not None and fault.kind == "syntax"
    assert find_code_fault((), (), 0.0) is None


RAISED = ("ERROR:    Exception in ASGI application", "Traceback (most recent call last):",
          "ValueError: could not convert string to float: 'n/a'")


def cut(count: int, *lines: str, back: float = 5.0, **changes: object) -> Scene:
    made = service(**{"log": log_lines(*lines, ago=5.0), **changes})   # type: ignore[arg-type]
    scene = Scene().with_service(made, listener(8000, 200))
    return scene.logs("upstream prematurely closed connection", None, "reading upstream", ago=back, count=count)


def test_hit_answers_that_the_code_breaks_off() -> None:
    diagnosis = diagnose(cut(3, *RAISED).snapshot())
    assert roots(diagnosis) == [CAUSE] and diagnosis.verdict == "degraded"
    one = diagnosis.findings[0]
    assert one.variant == "app-exception-mid-stream" and "ValueError" in one.summary and "n/a" not in one.summary
    assert [e.source for e in one.evidence[:3]] == ["nginx-log", "service-log", "service-log"]
    assert one.repairs[0].risk == "manual"


def test_the_line_that_raised_is_named() -> None:
    trace = ("ERROR:    Exception in ASGI application", "  + Exception Group Traceback (most recent call last):",
             f'  |   File "{MAIN}", line 57, in sheets', "  |     yield str(float(cell))",
             '  |   File "/usr/lib/python3/dist-packages/starlette/x.py", line 9, in y', "  |     z()", "  | ValueError: x")
    one = finding_of(diagnose(cut(3, *trace).snapshot()), CAUSE)
    assert f"mend {MAIN}:57" in (one.repairs[0].manual or "")
    assert (f"{MAIN}:57", "yield str(float(cell))") in {(e.where, e.text) for e in one.evidence}


def test_hit_the_first_of_them_in_the_second_in_which_it_was_started() -> None:
    """nginx's log has whole seconds: an error half a second after a start seems to be older than it."""
    young = cut(3, log=log_lines(*RAISED, ago=4.4), unit_changes={"active_enter": NOW - 4.5})
    assert roots(diagnose(young.snapshot())) == [CAUSE]


@pytest.mark.parametrize("scene", [
    cut(2, *RAISED),                                                        # one visitor's bad luck
    cut(3, "INFO:     10.0.0.9 - GET /list 200 OK"),                        # nothing was raised
    cut(3, *RAISED, back=30.0),                                             # not at that moment
    cut(3, *RAISED, "INFO:     Child process [17] died"),                   # a worker died
    cut(3, *RAISED, unit_changes={"active_enter": NOW - 4}),                # of the run before
])
def test_miss_answers_that_end_early_for_another_reason(scene: Scene) -> None:
    assert CAUSE not in roots(diagnose(scene.snapshot()))


def test_unknown_what_the_service_said() -> None:
    assert isinstance(verdict_of(diagnose(cut(3, log=Unknown("not root")).snapshot()), CAUSE), Undetermined)


RELEASES = "/srv/shop/releases"
OF_RELEASE = (STARTED, *HEAD, f'  File "{RELEASES}/20261102/app/main.py", line 3, in <module>', "    import orjson",
              "ModuleNotFoundError: No module named 'orjson'")


def released(*names: str, link: str = "releases/20261102", **changes: object) -> Scene:
    """The service starts behind a link to its newest release; `names` are others that lie beside it."""
    scene = crashed(*OF_RELEASE, unit_changes={"working_directory": "/srv/shop/current"}, **changes)
    kept = stat(kind="link", link_target=link, real_path=f"{RELEASES}/20261102", target=stat(kind="dir"))
    scene.node_changes["local"] = {"files": (("/srv/shop/current", kept),)}
    scene.files.append(file(f"{RELEASES}/20261102/app/main.py", "\n\nimport orjson\n"))
    scene.files += [file(f"{RELEASES}/{name}/app/main.py", "x = 1\n") for name in names]
    return scene


def test_an_older_release_is_offered_and_never_taken_unasked() -> None:
    scene = released("20260901", "20261005", "20261201", "tmp")
    repair = repair_called(scene, "previous-release")
    assert (repair.risk, repair.steps) == ("disruptive", ())
    assert repair.needs[0].choices == (f"{RELEASES}/20261005", f"{RELEASES}/20260901")    # the newest of the older first
    away, new, *again = repair_called(scene, "previous-release", release=f"{RELEASES}/20261005").steps
    assert isinstance(away, WriteFile) and isinstance(new, WriteFile)
    assert (away.path, away.after, away.link_target) == ("/srv/shop/current", None, "releases/20261102")
    assert (new.path, new.before, new.link_target) == ("/srv/shop/current", None, "releases/20261005")
    assert [s.verb for s in again if isinstance(s, UnitAction)] == ["reset-failed", "start"]
    assert repair_called(scene, "previous-release", release="/etc").steps == ()


@pytest.mark.parametrize(("now", "others", "offered"), [
    ("0f00ba5", {"9fceb02": 30.0, "a1b2c3d": 90.0, "beef001": -5.0}, ["9fceb02", "a1b2c3d"]),      # hashes: by age
    ("20261102-1740", {"85": 90.0, "84": 95.0}, ["85", "84"]), ("85", {"20261102-1740": 90.0, "84": 80.0}, ["84", "20261102-1740"]),
    ("v1.10", {"v1.9": 1.0, "v1.11": 50.0}, ["v1.9"]),
])
def test_what_names_do_not_tell_the_ages_do(now: str, others: dict[str, float], offered: list[str]) -> None:
    scene = crashed(*(line.replace("20261102", now) for line in OF_RELEASE),
                    unit_changes={"working_directory": "/srv/shop/current"})
    kept = stat(kind="link", link_target=f"releases/{now}", real_path=f"{RELEASES}/{now}", target=stat(kind="dir"))
    scene.node_changes["local"] = {"files": (("/srv/shop/current", kept),)}
    scene.files.append(file(f"{RELEASES}/{now}/app/main.py", "\n\nimport orjson\n", stat=stat(mtime=NOW - 10)))
    scene.files += [file(f"{RELEASES}/{name}/app/main.py", "x = 1\n", stat=stat(mtime=NOW - 10 - age))
                    for name, age in others.items()]
    repair = repair_called(scene, "previous-release")
    assert [path.rpartition("/")[2] for path in repair.needs[0].choices] == offered


def test_a_release_whose_own_script_is_started() -> None:
    """Nothing else of the unit names the link: the script goes to its folder itself."""
    scene = released("20261005")
    unit_of = scene.services[0].unit
    assert unit_of is not None
    scene.services[0] = replace(scene.services[0], unit=replace(
        unit_of, working_directory="/", exec_start=("/srv/shop/current/bin/serve",)))
    assert repair_called(scene, "previous-release").needs[0].choices == (f"{RELEASES}/20261005",)


def test_a_release_is_written_as_the_link_was() -> None:
    scene = released("20261005", link=f"{RELEASES}/20261102")
    _, new, *_ = repair_called(scene, "previous-release", release=f"{RELEASES}/20261005").steps
    assert isinstance(new, WriteFile) and new.link_target == f"{RELEASES}/20261005"


def test_no_release_is_offered_that_has_the_fault_or_is_none() -> None:
    for scene in (released(), released("20261201"), crashed(*OF_RELEASE)):
        assert [r.id for r in found(scene).repairs] == ["mend-code"]
    scene = released()
    scene.files += [file(f"{RELEASES}/20260901/app/main.py", "import orjson\n"),
                    file(f"{RELEASES}/20260801/app/main.py", "def page(:\n")]
    assert [r.id for r in found(scene).repairs] == ["mend-code"]
    elsewhere = released("20260901")
    elsewhere.services = [replace(s, unit=replace(s.unit, working_directory="/srv/other")) for s in elsewhere.services
                          if s.unit is not None]
    assert [r.id for r in found(elsewhere).repairs] == ["mend-code"]


def looked(scene: Scene, **at: float) -> Scene:
    """Ages of what lies beside: seconds before now, by path with `_` for `/`."""
    stats = tuple((path, stat(kind="dir" if "." not in path.rsplit("/", 1)[-1] else "file", mtime=NOW - ago))
                  for path, ago in at.items())
    scene.node_changes["local"] = {"files": stats}
    return scene


PACKAGES = "/usr/lib/python3.11/site-packages"


@pytest.mark.parametrize(("at", "mended"), [
    ({PACKAGES: 5.0, f"{PACKAGES}/orjson": 900.0}, True),          # put back: its folder has changed
    ({PACKAGES: 5.0, f"{PACKAGES}/orjson.cpython-311-x86_64-linux-gnu.so": 5.0}, True),
    ({PACKAGES: 900.0, f"{PACKAGES}/orjson": 900.0}, False),       # it was there before: that is not it
    ({PACKAGES: 5.0, f"{PACKAGES}/orjsonl": 5.0}, False),
])
def test_a_module_that_came_after_the_end_needs_a_start(at: dict[str, float], mended: bool) -> None:
    first = found(looked(crashed(*IMPORT), **at))
    assert ("orjson is there now, but nobody started it again" in first.summary) is mended
    assert (first.confidence, first.repairs[0].id) == (("likely", "start-service") if mended else ("certain", "mend-code"))


OWN = (STARTED, "Traceback (most recent call last):", f'  File "{MAIN}", line 3, in <module>', "    rate.go()",
       "AttributeError: module 'rate' has no attribute 'go'")


@pytest.mark.parametrize(("path", "mended"), [
    ("/srv/shop/app/rate.py", True), ("/etc/backend/rate.ini", True), ("/srv/shop/app/app.log", False),
    ("/srv/shop/app/rate.py.bak", False), ("/srv/other/rate.py", False), ("/var/lib/shop/rate.ini", False),
])
def test_code_and_settings_that_were_changed_after_the_end_are_named(path: str, mended: bool) -> None:
    first = found(looked(crashed(*OWN), **{path: 5.0}))
    assert (f"{path} was changed after that" in first.summary) is mended
    assert (first.repairs[0].id == "start-service") is mended
    assert first.confidence == "likely"
    before = found(looked(crashed(*OWN), **{path: 500.0}))
    assert before.repairs[0].id == "mend-code" and "changed" not in before.summary


def test_a_program_that_still_is_none_stays_so_whatever_else_changed() -> None:
    scene = looked(crashed(*SYNTAX), **{"/srv/shop/app/rate.py": 5.0})
    scene.files.append(file(MAIN, "def page(:\n"))
    assert [r.id for r in found(scene).repairs] == ["mend-code"]


def test_what_systemd_has_not_read_yet_is_not_started_in_hope() -> None:
    scene = looked(crashed(*OWN, unit_changes={"need_daemon_reload": True}), **{"/srv/shop/app/rate.py": 5.0})
    assert found(scene).repairs[0].id == "mend-code"


@pytest.mark.parametrize("lines", [TLS, (STARTED, "/usr/bin/python3: No module named uvicorn"), OWN])
def test_a_unit_that_was_edited_since_is_read_and_started(lines: tuple[str, ...]) -> None:
    """The old reason is no proof against what the unit says now."""
    drop_in = "/etc/systemd/system/backend.service.d/own.conf"
    edited = crashed(*lines, unit_changes={"need_daemon_reload": True, "drop_in_paths": (drop_in,)})
    edited.files.append(file(drop_in, "[Service]\n", stat=stat(mtime=NOW - 5)))
    first = found(edited)
    assert first.confidence == "likely" and f"{drop_in} was changed after that, and systemd has not read it" in first.summary
    assert (first.repairs[0].id, isinstance(first.repairs[0].steps[0], DaemonReload)) == ("reload-units", True)
    edited.files[-1] = file(drop_in, "[Service]\n", stat=stat(mtime=NOW - 5000))
    assert found(edited).repairs[0].id == "mend-code"


def test_a_command_that_names_another_target_by_now() -> None:
    scene = crashed(*TARGET, argv=("/usr/bin/uvicorn", "app.main:app"))
    unit = "/etc/systemd/system/backend.service"
    scene.files.append(file(unit, "[Service]\n", stat=stat(mtime=NOW - 5)))
    first = found(scene)
    assert "its command says app.main:app now, but nobody started it again" in first.summary
    assert first.repairs[0].id == "start-service" and first.evidence[1].where == unit


def test_a_variable_that_is_no_number_is_named_with_its_place() -> None:
    lines = (STARTED, "Traceback (most recent call last):", '  File "/usr/lib/python3/dist-packages/gunicorn/config.py", line 660',
             '    default = int(os.environ.get("WEB_CONCURRENCY", 1))', "              ^^^^^^^^^",
             "ValueError: invalid literal for int() with base 10: 'auto'")
    path = "/etc/default/office"
    env = (EnvAssignment("WEB_CONCURRENCY", f"{path}:1", False),)
    scene = crashed(*lines, env=env)
    scene.files.append(file(path, "WEB_CONCURRENCY=auto\n"))
    first = found(scene)
    assert "the value of its variable WEB_CONCURRENCY is not taken" in first.summary and first.confidence == "certain"
    assert first.evidence[1].where == f"{path}:1" and first.repairs[0].needs[0].key == "WEB_CONCURRENCY"
    step = repair_called(scene, "set-variable", WEB_CONCURRENCY="4").steps[0]
    assert isinstance(step, WriteFile) and step.after == b"WEB_CONCURRENCY=4\n"
    scene.services[0] = replace(scene.services[0], env=())
    assert [r.id for r in found(scene).repairs] == ["mend-code"]


@pytest.mark.parametrize(("path", "ago", "mended"), [
    ("/home/lab/app/rate.py", 5.0, True), ("/home/lab/app/rate.py", 500.0, False), ("/home/lab/app/rate.py.bak", 5.0, False),
    ("/home/lab/other/rate.py", 5.0, False), ("/home/lab/app/app.log", 5.0, False),
])
def test_what_is_mounted_into_a_container_and_was_changed_after_its_end(path: str, ago: float, mended: bool) -> None:
    scene = contained(lines=OWN[1:])
    scene.extra["engine_files"] = ((path, stat(mtime=NOW - ago)),)
    first = found(scene)
    assert (first.repairs[0].id == "start-service") is mended
    assert ("was changed after that" in first.summary) is mended


@pytest.mark.parametrize(("start", "there", "told"), [
    ("/srv/shop", "/opt/api/main.py", True), ("/code", "/opt/api/main.py", False), ("/srv/shop", "/opt/api/other.py", False),
])
def test_an_application_that_is_mounted_elsewhere_than_its_server_starts(start: str, there: str, told: bool) -> None:
    text = f"services:\n  app:\n    working_dir: {start}\n    image: x\n"
    at = text.index(start)
    box = {"status": "restarting", "exit_code": 1, "restart_count": 3, "started_at": NOW - 40, "working_dir": start, "user": "0",
           "mounts": (("/opt/api", "/code", False),)}
    made = container_service(box=box, pid=None, log=log_lines('ERROR:    Error loading ASGI app. Could not import module "main".'),
                 argv=("uvicorn", "main:app"), compose_settings=(ComposeSetting("working_dir", start, "/p/compose.yaml", 3, at, at + len(start)),))
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused(configured_service=made.id)
    scene.files.append(file("/p/compose.yaml", text, "engine"))
    scene.extra = {"target": TargetRef("compose", "p"), "engine_files": ((there, stat()),),
                   "compose": Compose("p", "/p", ("/p/compose.yaml",), (), (("app", True),), Known(True))}
    found = diagnose(scene.snapshot()).findings[0]
    assert (found.cause == "crash-code-error" and "/code has it" in found.summary) is told
    assert ("start-in-folder" in [r.id for r in found.repairs]) is told
    if told:
        write = found.repairs[0].steps[0]
        assert isinstance(write, WriteFile) and b"working_dir: /code\n" in (write.after or b"")


NO_PROJECT = (STARTED, "Traceback (most recent call last):", "ModuleNotFoundError: No module named '{}'",
              "[2026-01-31 10:00:00 +0000] [9] [ERROR] Reason: Worker failed to boot.")


def project(target: str, folder: str, *paths: str) -> Scene:
    """gunicorn in a project of Django's, whose command names a target and whose unit a folder."""
    path = "/etc/systemd/system/backend.service"
    text = f"[Service]\nWorkingDirectory={folder}\nExecStart=/srv/env/bin/gunicorn {target}\n"
    at, cwd = text.index(target), text.index(folder)
    value = UnitValue("WorkingDirectory", folder, path, 2, cwd, cwd + len(folder))
    scene = crashed(
        *(line.format(target.partition(".")[0]) for line in NO_PROJECT), argv=("/srv/env/bin/gunicorn", target),
        runtime="gunicorn", unit_values=(value,), unit_changes={"working_directory": folder},
        command=(CommandArgument("/srv/env/bin/gunicorn"), CommandArgument(target, path, 3, at, at + len(target))))
    scene.files += [file(path, text), *(file(p, "application = get_wsgi_application()\n") for p in paths)]
    return scene


def test_a_target_that_differs_in_its_package_alone_is_offered_first() -> None:
    scene = project("mysite.wsgi:application", "/srv/shop", "/srv/shop/shop/asgi.py", "/srv/shop/shop/wsgi.py")
    repair = repair_called(scene, "correct-target")
    assert repair.needs[0].choices == ("shop.wsgi:application", "shop.asgi:application")
    assert (repair.needs[0].default, repair.steps) == (None, ())      # another application would be worse than none
    chosen = repair_called(scene, "correct-target", target="shop.wsgi:application").steps[0]
    assert isinstance(chosen, WriteFile) and b"gunicorn shop.wsgi:application\n" in (chosen.after or b"")


def test_of_two_packages_a_person_chooses() -> None:
    scene = project("mysite.wsgi:application", "/srv/shop", "/srv/shop/shop/wsgi.py", "/srv/shop/blog/wsgi.py")
    repair = repair_called(scene, "correct-target")
    assert (repair.needs[0].default, repair.steps) == (None, ())


def test_a_unit_that_starts_inside_the_package_starts_in_the_folder_above() -> None:
    scene = project("shop.wsgi:application", "/srv/office/shop", "/srv/office/shop/wsgi.py", "/srv/office/shop/asgi.py")
    made = found(scene)
    assert made.summary.endswith("from /srv/office/shop, where it starts; it is from /srv/office")
    assert made.repairs[0].id == "correct-directory" and made.repairs[0].risk == "disruptive"
    write = made.repairs[0].steps[0]
    assert isinstance(write, WriteFile) and b"\nWorkingDirectory=/srv/office\n" in (write.after or b"")


@pytest.mark.parametrize(("folder", "path"), [
    ("/srv/office/shop", "/srv/office/shop/asgi.py"), ("/srv/office/other", "/srv/office/other/wsgi.py"),
])
def test_a_unit_that_starts_elsewhere_is_not_moved(folder: str, path: str) -> None:
    assert "correct-directory" not in [r.id for r in found(project("shop.wsgi:application", folder, path)).repairs]


def test_what_is_loaded_by_its_name_is_not_said_to_stand_in_that_line() -> None:
    lines = (STARTED, "Traceback (most recent call last):", f'  File "{MAIN}", line 16, in <module>',
             "    application = get_wsgi_application()", '  File "/usr/lib/python3.13/importlib/__init__.py", line 88',
             "ModuleNotFoundError: No module named 'debug_toolbar'")
    manual = found(crashed(*lines, argv=("/srv/env/bin/gunicorn", "shop.wsgi"))).repairs[-1].manual
    assert "INSTALLED_APPS" in manual and "take it out of /srv" not in manual
    assert "/srv/env/bin/python3 -m pip install" in manual
