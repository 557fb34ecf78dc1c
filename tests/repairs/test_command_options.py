"""Tests of fixer/repairs/command_options.py."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.lazy.dataclass import replace
from fixer.model.facts import Evidence, Known
from fixer.model.plan import ComposeUp, DaemonReload, UnitAction, WriteFile
from fixer.model.snapshot import CommandArgument, Compose, EnvAssignment, EnvSlot, Unit
from fixer.model.target import TargetRef
from tests.causes.backend_hung_builders import BUSY, busy
from tests.causes.crash_code_error.crash_code_error_builders import HEAD, MAIN, STARTED, crashed, found
from tests.causes.snapshot_builders import (
    SLOW,
    TIMED_OUT,
    Scene,
    container_service,
    file,
    finding_of,
    listener,
    log_lines,
    supervised_service,
    unit,
)

DONE = 'INFO:     10.0.0.9:41 - "GET /api/report HTTP/1.1" 200 OK'


def repair_steps(scene: Scene, **inputs: str) -> list[object]:
    repair = finding_of(diagnose(scene.snapshot(), inputs), BUSY).repairs[0]
    assert repair.risk != "manual", repair.manual
    return list(repair.steps)


@pytest.mark.parametrize("runtime", ["uvicorn", "puma"])
def test_workers_by_drop_in_then_restart(runtime: str) -> None:
    write, reload, restart, _ = repair_steps(busy(runtime=runtime), workers="9")
    assert isinstance(write, WriteFile) and write.after == b'[Service]\nEnvironment="WEB_CONCURRENCY=9"\n'
    assert isinstance(reload, DaemonReload) and isinstance(restart, UnitAction) and restart.verb == "restart"


def test_workers_in_the_environment_file_over_an_older_number() -> None:
    scene = busy(env=(EnvAssignment("WEB_CONCURRENCY", "/etc/shop.env:2", False),), env_slots=())
    scene.files.append(file("/etc/shop.env", "PORT=1\nWEB_CONCURRENCY=1\n", managed_by="Puppet"))
    write = repair_steps(scene)[0]
    assert isinstance(write, WriteFile) and write.after == b"PORT=1\nWEB_CONCURRENCY=13\n"
    assert "Puppet" in finding_of(diagnose(scene.snapshot()), BUSY).repairs[0].summary


@pytest.mark.parametrize(("line", "word", "want"), [
    ("ExecStart=/usr/bin/uvicorn app:app --workers 1\n", "1", "--workers 13\n"),
    ("ExecStart=/usr/bin/uvicorn app:app --workers=1\n", "--workers=1", "--workers=13\n"),
    ("ExecStart=/usr/bin/gunicorn app:app -w1\n", "-w1", "-w13\n"),
])
def test_workers_in_the_command(line: str, word: str, want: str) -> None:
    path = "/etc/systemd/system/backend.service"
    start = len(line) - 1 - len(word)
    places = (CommandArgument("--workers"), CommandArgument(word, path, 1, start, start + len(word)))
    scene = busy(command=places if word == "1" else places[1:])
    scene.files.append(file(path, line))
    write, reload, *_ = repair_steps(scene)
    assert isinstance(write, WriteFile) and write.after is not None and write.after.decode().endswith(want)
    assert isinstance(reload, DaemonReload)
    scene.files[-1] = file(path, line.replace("1\n", "2\n"))
    assert finding_of(diagnose(scene.snapshot()), BUSY).repairs[0].risk == "manual"
    scene.files.pop()
    assert finding_of(diagnose(scene.snapshot()), BUSY).repairs[0].risk == "manual"


@pytest.mark.parametrize("changes", [
    {"argv": ("uvicorn", "app:app", "--reload")}, {"argv": ("uvicorn", "app:app", "--workers", "1")},
    {"runtime": "hypercorn"}, {"runtime": ""},
    {"workers": Known(1, (Evidence("file", "/srv/shop/gunicorn.conf.py:3", "workers = 1"),))},
    {"unit": None, "manager": "none"},
])
def test_workers_for_a_person(changes: dict[str, object]) -> None:
    repair = finding_of(diagnose(busy(**changes).snapshot()), BUSY).repairs[0]
    assert repair.risk == "manual" and "workers" in repair.manual


def test_many_workers_become_twice_as_many() -> None:
    scene = busy(workers=Known(20), queued=30, established=40)
    assert finding_of(diagnose(scene.snapshot()), BUSY).repairs[0].needs[0].default == "40"


def test_workers_of_a_compose_service() -> None:
    data = "WORD=1\n"
    made = container_service(log=log_lines(DONE, ago=2), workers=Known(1), env_slots=(
        EnvSlot("engine", "/home/lab/.env", len(data), "{name}={value}\n", "env-file"),))
    scene = Scene("app:8000", node="web", back="app").with_service(
        made, listener(8000, 7, "0.0.0.0", "app", queued=6, established=8))
    scene.endpoint(http=Known(SLOW)).answers(TIMED_OUT)
    scene.logs("upstream timed out (110)", 110, "reading response header from upstream", count=9)
    scene.files.append(file("/home/lab/.env", data, node="engine"))
    scene.extra = {"target": TargetRef("compose", "p"),
                   "compose": Compose("p", "/home/lab", (), (), (("app", True),), Known(True))}
    write, up, _ = repair_steps(scene)
    assert isinstance(write, WriteFile) and write.after == b"WORD=1\nWEB_CONCURRENCY=12\n"
    assert isinstance(up, ComposeUp)


NO_SOCKET = (*HEAD, '  File "/usr/lib/python3.13/socket.py", line 233, in __init__', "OSError: [Errno 88] Socket operation on non-socket")


@pytest.mark.parametrize("argv", [
    ("/usr/bin/uvicorn", "app.main:app", "--fd", "0"), ("/usr/bin/uvicorn", "--fd=0", "app.main:app"),
    ("/usr/bin/gunicorn", "-b", "fd://0", "app.main:app"), ("/usr/bin/gunicorn", "--bind=fd://0", "app.main:app"),
])
def test_a_plain_program_of_supervisord_gets_no_socket(argv: tuple[str, ...]) -> None:
    made = supervised_service("FATAL", log=log_lines(*NO_SOCKET), argv=argv, program={"restarts": 3})
    one = found(Scene().with_service(made).refused())
    assert (one.variant, one.role) == ("start-descriptor-no-socket", "root")
    assert one.summary.startswith("shop ends at once: it takes its socket from descriptor 0, which is no socket (OSError: [Errno 88]")
    assert "Change the section at /etc/supervisor/conf.d/shop.conf:1 to [fcgi-program:…] with socket=tcp://127.0.0.1:8000" in one.repairs[-1].manual


@pytest.mark.parametrize(("socket", "told"), [
    (None, "systemd passed it no socket as descriptor 3: add a backend.socket with ListenStream="),
    (unit("shop.socket"), "systemd passed it no socket as descriptor 3: systemctl start shop.socket"),
])
def test_a_unit_without_its_socket_unit_gets_none_either(socket: Unit | None, told: str) -> None:
    scene = crashed(STARTED, *NO_SOCKET[:-1], "OSError: [Errno 9] Bad file descriptor", argv=("/usr/bin/uvicorn", "app.main:app", "--fd", "3"))
    scene.services[0] = replace(scene.services[0], socket=socket)
    assert told in found(scene).repairs[-1].manual


@pytest.mark.parametrize(("lines", "argv"), [
    (NO_SOCKET, ("/usr/bin/uvicorn", "app.main:app", "--port", "0")),
    ((*HEAD, f'  File "{MAIN}", line 3, in <module>', "OSError: [Errno 9] Bad file descriptor"), ("/usr/bin/uvicorn", "app.main:app", "--fd", "3")),
    ((*HEAD, "OSError: [Errno 88] Socket operation on non-socket"), ("/usr/bin/gunicorn", "--bind", "127.0.0.1:80", "a:b")),
])
def test_another_descriptor_is_the_programs_own_matter(lines: tuple[str, ...], argv: tuple[str, ...]) -> None:
    findings = diagnose(crashed(STARTED, *lines, argv=argv).snapshot()).findings
    assert all(one.variant != "start-descriptor-no-socket" for one in findings)
