"""crash-code-error: which last words are an error of code or command, what is offered for it, and what is no proof."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.plan import ContainerAction, DaemonReload, UnitAction, WriteFile
from fixer.model.snapshot import CommandArgument, EnvAssignment
from tests.causes.crash_code_error.crash_code_error_builders import (
    DAPHNE,
    HEAD,
    IMPORT,
    SYNTAX,
    TARGET,
    TLS,
    UWSGI,
    contained,
    crashed,
    found,
    project,
    repair_called,
)
from tests.causes.snapshot_builders import (
    NOW,
    Scene,
    container_service,
    failed_service,
    file,
    healthy_scene,
    listener,
    log_lines,
    probe,
    roots,
    service,
    stat,
    supervised_service,
    unit,
    verdict_of,
)

CAUSE = "crash-code-error"
MAIN = "/srv/shop/app/main.py"
STARTED = "Started backend.service - Office."
ARGV = ("/usr/bin/python3", "-m", "uvicorn", "app.main:application", "--port", "8000")


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
    ("/srv/shop/venv/lib/python3.11/site-packages/orjson/__init__.py", "/srv/shop/venv/lib/python3.11/site-packages contains orjson"),
    ("/srv/shop/venv/lib/python3.9/site-packages/orjson.py", "/srv/shop/venv/lib/python3.9/site-packages contains orjson"),
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
        "install the package that provides express for /usr/bin/node (npm install … in /srv/shop), or remove it from "
        "/srv/shop/server.js; then start")


def test_a_module_of_the_target_itself_is_a_wrong_target() -> None:
    lines = (STARTED, *HEAD, "ModuleNotFoundError: No module named 'office'")
    argv = ("/usr/bin/uvicorn", "office.main:app", "--port", "8000")
    assert found(crashed(*lines, argv=argv)).variant == "start-wrong-app-target"
    assert found(crashed(*lines)).variant == "start-import-error"


WAITRESS = "There was an exception ({}) importing your module."


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


@pytest.mark.parametrize(("said", "told"), [
    (("ValueError: invalid port range",), f"ValueError: invalid port range ({MAIN}:4)"),
    (("pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings", "pool_size",
      "  Input should be a valid integer [type=int_parsing, input_value='ten', input_type=str]"),
     f"ValidationError: 1 validation error for Settings: pool_size: Input should be a valid integer ({MAIN}:4)"),
    (("yaml.scanner.ScannerError: mapping values are not allowed here", '  in "settings.yml", line 3, column 10'),
     f'ScannerError: mapping values are not allowed here: in "settings.yml", line 3, column 10 ({MAIN}:4)'),
    (("shop.Unready: no", "INFO worker gone"), f"Unready: no ({MAIN}:4)"),
])
def test_any_exception_that_the_application_raises_at_its_start_is_likely_the_reason(said: tuple[str, ...], told: str) -> None:
    """Without a restart policy nothing named it: the host was unexplained."""
    made = found(crashed(STARTED, *HEAD, f'  File "{MAIN}", line 4, in <module>', "    run()", *said))
    assert (made.variant, made.confidence) == (None, "likely") and made.summary.endswith(told)
    assert [repair.risk for repair in made.repairs] == ["manual"]


@pytest.mark.parametrize("last", [
    "RuntimeError: the settings are incomplete", "ValueError: database is not reachable", "MemoryError", "shop.DatabaseError: x",
    "FileNotFoundError: [Errno 2] No such file or directory: '/srv/x'",
])
def test_what_a_dependency_or_the_machine_may_explain_is_none_of_the_code(last: str) -> None:
    scene = crashed(STARTED, *HEAD, f'  File "{MAIN}", line 4, in <module>', "    run()", last)
    assert CAUSE not in roots(diagnose(scene.snapshot()))


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
    # uWSGI says the same of any error while it loads, also of one whose name is all in small letters
    (*UWSGI[:3], *HEAD[:1], f'  File "{MAIN}", line 4, in <module>', "socket.gaierror: [Errno -2] Name or service not known", *UWSGI[3:]),
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


@pytest.mark.parametrize(("began", "ended", "repair"), [
    (0, 60, "start-service"), (0, 2, "mend-code"), (0, 0, "mend-code"),
    (6, 4.8, "start-service"), (5, 4.8, "mend-code"), (60, 4.8, "mend-code"),     # it failed at once; or it ran for a while
])
def test_output_without_times_was_written_before_the_run_ended(began: float, ended: float, repair: str) -> None:
    """A program's own file of output: the file of code was changed 5 s ago; unknown is when supervisord's log is gone."""
    lines = Known(tuple(replace(line, at=None) for line in log_lines(*SYNTAX).value))
    made = supervised_service("FATAL", log=lines, program={
        "started_at": NOW - began if began else 0.0, "ended_at": NOW - ended if ended else 0.0, "expected": False})
    scene = Scene().with_service(made).refused()
    scene.files.append(file(MAIN, 'x = "def page(:"\n', stat=stat(mtime=NOW - 5)))      # it quotes what the log quotes
    assert found(scene).repairs[0].id == repair


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


def test_the_line_that_holds_variables_is_not_shown() -> None:
    made = failed_service(log=log_lines("Invalid value for raw_env: 3"), runtime="gunicorn", unit_changes={"working_directory": "/srv/shop"})
    scene = Scene().with_service(made).refused()
    scene.files.append(file("/srv/shop/gunicorn.conf.py", "raw_env = ['KEY=hunter2', 3]\n"))
    assert "hunter2" not in repr(diagnose(scene.snapshot()).findings)


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
    assert repair.steps == () and "nginx connects to port 8000" in repair.needs[0].why
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
    assert "rebuild the image office:3 with the package that provides" in found(contained()).repairs[0].manual


def test_targets_below_a_mount_are_named_as_the_container_sees_them() -> None:
    scene = contained(lines=TARGET[1:])
    scene.files.append(file("/home/lab/app/main.py", "app = Starlette()\n", node="engine"))
    assert "found: app.main:app" in found(scene).repairs[0].manual


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


@pytest.mark.parametrize(("program", "command"), [
    ("/usr/bin/gunicorn", "(the distribution's package python3-…, or pip in a virtual environment)"),
    ("/usr/bin/python3", "for /usr/bin/python3 (the distribution's package python3-…, or pip in a virtual environment)"),
    ("/usr/local/bin/gunicorn", "(the first line of /usr/local/bin/gunicorn names it: run that with -m pip install …)"),
    ("gunicorn", "(the first line of gunicorn names it: run that with -m pip install …)"),
    ("/usr/local/bin/python3", "(/usr/local/bin/python3 -m pip install …)"),
    ("/srv/env/bin/gunicorn", "(/srv/env/bin/python3 -m pip install …)"),
])
def test_how_a_package_is_installed_depends_on_whose_the_interpreter_is(program: str, command: str) -> None:
    """pip refuses to change what the distribution manages."""
    assert command in found(crashed(*IMPORT, argv=(program, "shop.wsgi"))).repairs[-1].manual


def test_what_is_loaded_by_its_name_is_not_said_to_stand_in_that_line() -> None:
    lines = (STARTED, "Traceback (most recent call last):", f'  File "{MAIN}", line 16, in <module>',
             "    application = get_wsgi_application()", '  File "/usr/lib/python3.13/importlib/__init__.py", line 88',
             "ModuleNotFoundError: No module named 'debug_toolbar'")
    manual = found(crashed(*lines, argv=("/srv/env/bin/gunicorn", "shop.wsgi"))).repairs[-1].manual
    assert "INSTALLED_APPS" in manual and "take it out of /srv" not in manual
    assert "/srv/env/bin/python3 -m pip install" in manual
