"""A command that names an application which its module does not have: what the module alone defines for its server is taken."""

from __future__ import annotations

import pytest

from fixer.model.diagnosis import Repair
from fixer.model.plan import WriteFile
from fixer.model.service import CommandArgument, UnitValue
from tests.causes.crash_code_error.crash_code_error_builders import HEAD, STARTED, UWSGI, crashed, repair_called
from tests.causes.paper_machine import diagnose_machine
from tests.causes.snapshot_builders import Scene, file, log_lines, supervised_service

UNIT = "/etc/systemd/system/backend.service"
BOTH = "async def app(scope, receive, send):\n    pass\n\n\ndef application(environ, start_response):\n    return []\n"
GONE = "AttributeError: module 'desk' has no attribute 'create'"
DAPHNE = (STARTED, HEAD[0], '  File "/usr/lib/python3/dist-packages/daphne/utils.py", line 22, in import_by_path', GONE)
SAYS = {
    "uvicorn": (STARTED, 'ERROR:    Error loading ASGI app. Attribute "create" not found in module "desk".'),
    "hypercorn": (STARTED, "hypercorn.utils.NoAppError: Cannot load application from 'desk:create', application not found."),
    "daphne": DAPHNE,
    "gunicorn": (STARTED, "Failed to find attribute 'create' in 'desk'.", "Worker failed to boot."),
    "waitress-serve": (STARTED, "There was an exception (AttributeError) importing your module.", "", "It had these arguments: ",
                       "1. module 'desk' has no attribute 'create'"),
    "uwsgi": UWSGI,
}


def misnamed(server: str, *options: str, code: str = BOTH, path: str = "/srv/shop/desk.py", argv: tuple[str, ...] = ("desk:create",)) -> Scene:
    """The unit's command names `create`; the module was read, where it is."""
    words = (f"/usr/bin/{server}", *argv, *options)
    text = f"[Service]\nWorkingDirectory=/srv/shop\nExecStart={' '.join(words)}\n"
    spans = [CommandArgument(word, UNIT, 3, text.index(word), text.index(word) + len(word)) for word in words]
    scene = crashed(*SAYS[server], argv=words, runtime=server, command=tuple(spans))
    scene.files += [file(UNIT, text), *([file(path, code)] if code else [])]
    return scene


def corrected(scene: Scene, **inputs: str) -> Repair:
    return repair_called(scene, "correct-target", **inputs)


def written(repair: Repair) -> bytes:
    first = repair.steps[0]
    assert isinstance(first, WriteFile)
    return first.after or b""


@pytest.mark.parametrize(("server", "options", "name"), [
    ("uvicorn", (), b"desk:app"), ("hypercorn", (), b"desk:app"), ("daphne", (), b"desk:app"),
    ("gunicorn", (), b"desk:application"), ("waitress-serve", (), b"desk:application"), ("uwsgi", (), b"desk:application"),
    ("gunicorn", ("-k", "uvicorn.workers.UvicornWorker"), b"desk:app"),
    ("gunicorn", ("--worker-class=uvicorn_worker.UvicornWorker",), b"desk:app"),
])
def test_the_one_application_of_the_servers_interface_is_named(server: str, options: tuple[str, ...], name: bytes) -> None:
    repair = corrected(misnamed(server, *options))
    assert b" " + name in written(repair) and b"create" not in written(repair)
    assert repair.risk == "disruptive" and repair.needs[0].default == name.decode()
    assert "the only application of /srv/shop/desk.py" in repair.summary


@pytest.mark.parametrize("code", [
    "application = Flask(__name__)\n", "from flask import Flask\napplication = flask.Flask(__name__)\n",
    "application = get_wsgi_application()\n", "application: WSGI = make_app()\n",
    "def application(env, start_response):\n    return []\n",
])
def test_what_is_an_application(code: str) -> None:
    assert corrected(misnamed("gunicorn", code=code)).needs[0].default == "desk:application"


@pytest.mark.parametrize(("options", "code"), [
    ((), BOTH + "api = FastAPI()\n"),                                    # which of the two?
    ((), "from shop import app\nother = FastAPI()\n"),                   # the name may come from elsewhere
    ((), "if DEBUG:\n    app = FastAPI()\nother = FastAPI()\n"),
    ((), "from shop import *\nother = FastAPI()\n"),
    (("--factory",), BOTH),                                              # a function that makes one is meant
    ((), "create = FastAPI()\napp = FastAPI()\n"),                       # it has that name now
])
def test_where_more_than_a_name_may_be_wrong_a_person_chooses(options: tuple[str, ...], code: str) -> None:
    repair = corrected(misnamed("uvicorn", *options, code=code))
    assert repair.steps == () and repair.needs[0].kind == "choice" and repair.needs[0].default is None
    chosen = repair.needs[0].choices[0]
    assert chosen.encode() in written(corrected(misnamed("uvicorn", *options, code=code), target=chosen))


def test_a_person_may_choose_another_one_all_the_same() -> None:
    scene = misnamed("uvicorn")
    scene.files.append(file("/srv/shop/main.py", "api = FastAPI()\n"))
    assert corrected(scene).needs[0].choices == ("desk:app", "desk:application", "main:api")
    assert b"main:api" in written(corrected(scene, target="main:api"))


def test_another_module_that_has_that_very_name_is_as_likely() -> None:
    scene = misnamed("uvicorn")
    scene.files.append(file("/srv/shop/main.py", "create = FastAPI()\n"))
    assert corrected(scene).steps == ()


def test_a_module_that_was_not_found_is_no_wrong_name() -> None:
    scene = misnamed("uvicorn")
    scene.services[0] = crashed(STARTED, 'ERROR:    Error loading ASGI app. Could not import module "desk".', argv=scene.services[0].argv,
                                runtime="uvicorn", command=scene.services[0].command).services[0]
    assert corrected(scene).steps == ()


@pytest.mark.parametrize(("argv", "edited"), [
    (("--wsgi-file", "desk.py", "--callable", "create"), b"--callable application"),
    (("--wsgi-file", "/srv/shop/desk.py", "--callable", "create"), b"--callable application"),
    (("--module", "desk", "--callable", "create"), b"--callable application"),
    (("--module=desk:create",), b"--module=desk:application"),
])
def test_uwsgi_names_file_and_application_apart(argv: tuple[str, ...], edited: bytes) -> None:
    assert edited in written(corrected(misnamed("uwsgi", argv=argv)))


ACCOUNTS = {"/etc/passwd": "root:x:0:0::/root:/bin/sh\nshop:x:990:990::/srv:/bin/sh\n", "/etc/group": "shop:x:990:\n"}


WHERE = {"waitress-serve": "--listen=127.0.0.1:8000", "uwsgi": "--http-socket=127.0.0.1:8000"}


@pytest.mark.parametrize("server", SAYS)
def test_the_module_is_read_from_the_disk_where_the_server_looks_for_it(server: str) -> None:
    """That it is there is no change since the end of the run: what it lacks is the name."""
    unit = f"User=shop\nWorkingDirectory=/srv/shop\nExecStart=/usr/bin/{server} {WHERE.get(server, '')} desk:create\n"
    files = {"/srv/shop/desk.py": BOTH, **ACCOUNTS}
    diagnosis = diagnose_machine(unit, files, log=("Started back.service - x.", *SAYS[server][1:]), show={"ExecMainStatus": "1"})
    first = diagnosis.findings[0]
    name = "app" if server in ("uvicorn", "hypercorn", "daphne") else "application"
    assert (first.cause, first.repairs[0].id) == ("crash-code-error", "correct-target")
    assert first.repairs[0].needs[0].default == f"desk:{name}" and "is there now" not in first.summary
    assert f"/srv/shop/desk.py has {name}" in [f"{one.where} {one.text}" for one in first.evidence]


def test_the_module_of_a_program_of_supervisord_is_where_that_starts_it() -> None:
    scene = misnamed("uvicorn", path="/srv/office/desk.py")
    folder = UnitValue("directory", "/srv/office", "/etc/supervisor/conf.d/shop.conf", 3, 0, 0)
    scene.services[0] = supervised_service("FATAL", log=log_lines(*SAYS["uvicorn"]), argv=scene.services[0].argv, unit_values=(folder,))
    scene.files.append(file("/srv/office/main.py", "api = FastAPI()\n"))
    assert "found: desk:app, desk:application, main:api" in corrected(scene).manual


@pytest.mark.parametrize(("code", "said"), [
    ("", "its module was not read"), ("x = 1\n", "/srv/shop/desk.py has no application that fixer knows as one"),
])
def test_what_was_not_read_is_not_said_to_be_empty(code: str, said: str) -> None:
    scene = misnamed("uvicorn", code=code)
    scene.services[0] = crashed(*SAYS["uvicorn"], argv=("/usr/bin/uvicorn", "desk:create"), runtime="uvicorn").services[0]
    assert said in corrected(scene).manual
