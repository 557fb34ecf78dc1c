"""Tests of fixer/analysis/exits/code_error.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.analysis.exits.code_error import find_code_fault
from fixer.analysis.run_log import NO_OUTPUT, read_run_end
from fixer.diagnose.run_causes import diagnose
from fixer.model.plan import WriteFile
from fixer.model.snapshot import CommandArgument, EnvAssignment
from tests.causes.crash_code_error.crash_code_error_builders import (
    DAPHNE,
    HEAD,
    IMPORT,
    SYNTAX,
    TARGET,
    TLS,
    UWSGI,
    crashed,
    found,
    repair_called,
)
from tests.causes.snapshot_builders import Scene, failed_service, file, finding_of, log_lines, roots

CAUSE = "crash-code-error"
MAIN = "/srv/shop/app/main.py"
STARTED = "Started backend.service - Office."


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


WAITRESS = "There was an exception ({}) importing your module."


@pytest.mark.parametrize(("kind", "words", "variant", "said"), [
    ("ModuleNotFoundError", "No module named 'app'", "start-wrong-app-target", "app.main:application"),
    ("ModuleNotFoundError", "No module named 'pricing'", "start-import-error", "the module pricing is missing"),
    ("AttributeError", "module 'app.main' has no attribute 'application'", "start-wrong-app-target", "app.main:application"),
])
def test_waitress_tells_its_exception_in_two_lines(kind: str, words: str, variant: str, said: str) -> None:
    argv = ("/usr/bin/waitress-serve", "--port", "8000", "app.main:application")
    scene = crashed(STARTED, WAITRESS.format(kind), "", "It had these arguments:", f"1. {words}", argv=argv)
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert (found.variant, found.confidence) == (variant, "certain") and said in found.summary


@pytest.mark.parametrize(("lines", "words"), [
    ((*DAPHNE, "AttributeError: module 'app.main' has no attribute 'application'"), "app.main:application"),
    ((*DAPHNE, "AttributeError: module 'app.main' has no attribute 'application'. Did you mean: 'applications'?"),
     "app.main:application"),
    (UWSGI, "app.main:application"),
])
def test_servers_that_tell_a_missing_name_in_words_of_their_own(lines: tuple[str, ...], words: str) -> None:
    made = found(crashed(*lines, argv=("/usr/bin/daphne", "-p", "8000", "app.main:application")))
    assert made.variant == "start-wrong-app-target" and words in made.summary


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
    assert first.repairs[-1].manual.startswith(f"correct {at} (Invalid value for workers: (2,))")
    assert bool(line) == any(e.where == f"{path}:{line}" and e.text == "workers = 2," for e in first.evidence)


def test_a_class_of_workers_that_is_not_there_is_an_option_too() -> None:
    lines = (STARTED, "Error: class uri 'nope' invalid or not found: ", "", "[Traceback (most recent call last):",
             '  File "/usr/lib/python3/dist-packages/gunicorn/util.py", line 64, in load_entry_point',
             "ImportError: Entry point ('gunicorn.workers', 'nope') not found", "]")
    assert "class uri 'nope'" in found(crashed(*lines)).summary


@pytest.mark.parametrize(("module", "said"), [("packaging", "the module packaging is missing"), ("gevent", "class uri 'gevent'")])
def test_what_a_class_of_workers_lacks_itself_is_missing_and_no_option(module: str, said: str) -> None:
    """The command was to be corrected, and was right."""
    lines = (STARTED, "Error: class uri 'gevent' invalid or not found: ", "", "[Traceback (most recent call last):",
             '  File "/usr/lib/python3/dist-packages/gunicorn/workers/ggevent.py", line 20, in <module>',
             f"ModuleNotFoundError: No module named '{module}'", "]")
    assert said in found(crashed(*lines)).summary


def test_a_class_of_workers_that_gunicorn_could_not_load_is_named() -> None:
    lines = (STARTED, "Traceback (most recent call last):",
             '  File "/usr/lib/python3/dist-packages/gunicorn/arbiter.py", line 588, in spawn_worker',
             "    worker = self.worker_class(self.worker_age, self.pid, self.LISTENERS,",
             "                               self.cfg, self.log)", "TypeError: 'str' object is not callable")
    argv = ("/usr/bin/gunicorn", "-k", "uvicorn.workers.UvicornWorkers", "app.main:app")
    assert "the worker class uvicorn.workers.UvicornWorkers is missing" in found(crashed(*lines, argv=argv)).summary


def test_the_last_error_counts() -> None:
    lines = log_lines(*IMPORT, STARTED, *SYNTAX[1:]).value
    fault = find_code_fault(read_run_end(lines), ())
    assert fault is not None and fault.kind == "syntax"
    assert find_code_fault(NO_OUTPUT, ()) is None


def test_a_variable_that_is_no_number_is_named_with_its_place() -> None:
    lines = (STARTED, "Traceback (most recent call last):", '  File "/usr/lib/python3/dist-packages/gunicorn/config.py", line 660',
             '    default = int(os.environ.get("WEB_CONCURRENCY", 1))', "              ^^^^^^^^^",
             "ValueError: invalid literal for int() with base 10: 'auto'")
    path = "/etc/default/office"
    env = (EnvAssignment("WEB_CONCURRENCY", f"{path}:1", False),)
    scene = crashed(*lines, env=env)
    scene.files.append(file(path, "WEB_CONCURRENCY=auto\n"))
    first = found(scene)
    assert "the value of its variable WEB_CONCURRENCY is rejected" in first.summary and first.confidence == "certain"
    assert first.evidence[1].where == f"{path}:1" and first.repairs[0].needs[0].key == "WEB_CONCURRENCY"
    step = repair_called(scene, "set-variable", WEB_CONCURRENCY="4").steps[0]
    assert isinstance(step, WriteFile) and step.after == b"WEB_CONCURRENCY=4\n"
    scene.services[0] = replace(scene.services[0], env=())
    assert [r.id for r in found(scene).repairs] == ["mend-code"]


@pytest.mark.parametrize("server", ["uvicorn", "granian", "sanic", "uwsgi"])
def test_the_start_program_of_a_server_is_no_file_of_the_application(server: str) -> None:
    lines = log_lines(*HEAD[:1], f'  File "{MAIN}", line 3, in <module>', "    import orjson",
                      f'  File "/usr/local/bin/{server}", line 8, in <module>', "    sys.exit(cli())",
                      "ModuleNotFoundError: No module named 'orjson'").value
    fault = find_code_fault(read_run_end(lines), (server, "app.main:app"))
    assert fault is not None and (fault.name, fault.file_line) == ("orjson", f"{MAIN}:3")


LOADER = ('  File "/usr/lib/python3/dist-packages/someserver/loader.py", line 7, in load', "    raise NothingToServe()")
JOINS = ("During handling of the above exception, another exception occurred:",
         "The above exception was the direct cause of the following exception:")
LAST = "someserver.loader.NothingToServeError"
FROZEN = '  File "<frozen importlib._bootstrap>", line 1206, in _gcd_import'


def chained(earlier: tuple[str, ...], join: str = JOINS[0], last: str = LAST) -> tuple[str, ...]:
    """A server could not load its application, and said so with an exception of its own."""
    return (STARTED, *HEAD, *earlier, "", join, "", *HEAD, *LOADER, last)


@pytest.mark.parametrize("join", JOINS)
@pytest.mark.parametrize("last", [LAST, f"{LAST}: nothing to serve"])
@pytest.mark.parametrize(("earlier", "variant", "words"), [
    ((FROZEN, "ModuleNotFoundError: No module named 'app'"), "start-wrong-app-target", "app.main:application"),
    ((FROZEN, "ModuleNotFoundError: No module named 'orjson'"), "start-import-error", "the module orjson is missing"),
    (('  File "<string>", line 1, in <module>', "NameError: name 'application' is not defined"), "start-wrong-app-target",
     "app.main:application"),
    ((f'  File "{MAIN}", line 2, in <module>', "    total", "NameError: name 'total' is not defined"), None, f"{MAIN}:2"),
    ((f'  File "{MAIN}", line 3, in <module>', "    import orjson", "ModuleNotFoundError: No module named 'orjson'"),
     "start-import-error", f"{MAIN}:3"),
])
def test_the_exception_of_a_server_is_told_by_the_one_it_handled(
    earlier: tuple[str, ...], variant: str | None, words: str, last: str, join: str,
) -> None:
    argv = ("/usr/bin/someserver", "--bind", "127.0.0.1:8000", "app.main:application")
    made = found(crashed(*chained(earlier, join, last), argv=argv))
    assert made.variant == variant and words in made.summary


def test_a_chain_of_three_is_followed_to_its_first() -> None:
    first = chained((FROZEN, "ModuleNotFoundError: No module named 'orjson'"))
    lines = (*first, "", JOINS[1], "", *HEAD, *LOADER, "someserver.cli.StartError: cannot start")
    assert "the module orjson is missing" in found(crashed(*lines)).summary


@pytest.mark.parametrize("lines", [
    # the application handled it, and says itself what is wrong
    (STARTED, *HEAD, FROZEN, "ModuleNotFoundError: No module named 'orjson'", JOINS[0], *HEAD,
     f'  File "{MAIN}", line 3, in <module>', "    raise Closed()", "app.main.ClosedError: try again tomorrow"),
    (STARTED, *HEAD, *LOADER, LAST),                                                      # nothing says what was handled
    (STARTED, *HEAD, FROZEN, "ModuleNotFoundError: No module named 'orjson'", "going on without it", *HEAD, *LOADER, LAST),
    chained(('  File "/usr/lib/python3/dist-packages/x.py", line 1, in f', "ConnectionRefusedError: [Errno 111] refused")),
])
def test_no_other_exception_is_taken_for_the_reason(lines: tuple[str, ...]) -> None:
    assert find_code_fault(read_run_end(log_lines(*lines).value), ()) is None


NO_NAME = "socket.gaierror: [Errno -2] Name or service not known"
CONNECTS = (f'  File "{MAIN}", line 4, in <module>', "    create_connection((HOST, 80))",
            '  File "/usr/lib/python3.13/socket.py", line 977, in getaddrinfo', "    for res in _socket.getaddrinfo(host, port):")
LOADED = (*UWSGI[1:3], *HEAD[:1], *CONNECTS, NO_NAME, *UWSGI[3:])


@pytest.mark.parametrize("lines", [
    (*LOADED[4:], *LOADED), LOADED[-3:], LOADED[-2:],                   # of the first run, only the end was read
    (*LOADED[-2:], *LOADED[:-3], "[masked 7]", *LOADED[-2:]),
    (*UWSGI[1:], *LOADED), (*IMPORT[1:-1], *LOADED), (*TARGET[1:], *LOADED),      # an earlier run ended otherwise
])
def test_an_earlier_run_is_not_read_for_what_ended_the_last_one(lines: tuple[str, ...]) -> None:
    argv = ("/usr/bin/uwsgi", "--module", "app.main:application")
    assert find_code_fault(read_run_end(log_lines(*lines).value), argv) is None
