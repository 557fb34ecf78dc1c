"""wrong-bind-address: the right port on another address, or on one that the machine does not have."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding, RuledOut, Undetermined
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.plan import (
    CheckNginx,
    ComposeUp,
    ContainerAction,
    DaemonReload,
    ReloadNginx,
    WaitForListener,
    WriteFile,
)
from fixer.model.snapshot import CommandArgument, Compose, EnvAssignment, Listener, Service
from fixer.model.target import TargetRef
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    Scene,
    binding,
    container_service,
    failed_service,
    file,
    finding_of,
    healthy_scene,
    listener,
    log_lines,
    roots,
    service,
    stopped_service,
    unit,
    verdict_of,
)

CAUSE = "wrong-bind-address"
UNIT = "/etc/systemd/system/backend.service"
LAST_WORDS = (
    "Started backend.service - Office.",
    "ERROR:    [Errno 99] error while attempting to bind on address ('10.9.9.9', 8000): cannot assign requested address",
    "backend.service: Main process exited, code=exited, status=1/FAILURE",
)


def elsewhere(asked: str = "127.0.0.2:8000", held: str = "127.0.0.1") -> Scene:
    """The unit holds its port on another address than the one nginx asks for."""
    return Scene(asked).with_service(service(), listener(8000, 200, held)).refused()


def found(scene: Scene) -> Finding:
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [CAUSE]
    return finding_of(diagnosis, CAUSE)


def edit_of(finding: Finding) -> WriteFile:
    step = finding.repairs[0].steps[0]
    assert isinstance(step, WriteFile)
    return step


def test_hit_nginx_is_pointed_at_the_socket() -> None:
    finding = found(elsewhere())
    assert (finding.variant, finding.confidence) == ("bound-other-interface", "certain")
    write, check, reload = finding.repairs[0].steps
    assert isinstance(write, WriteFile) and isinstance(check, CheckNginx) and isinstance(reload, ReloadNginx)
    assert finding.repairs[0].risk == "safe" and write.before is not None
    assert write.after == write.before.replace(b"127.0.0.2:8000", b"127.0.0.1:8000")


@pytest.mark.parametrize("rule", [None, "local/backend.service"])
def test_hit_a_socket_that_systemd_holds_for_a_service_at_rest(rule: str | None) -> None:
    """It is not stopped: nobody has connected to its socket yet."""
    waiting = unit("backend.socket", active_state="active", sub_state="listening", listen=("127.0.0.1:8000",))
    made = stopped_service(socket=waiting, unit_changes={"unit_file_state": "static"})
    scene = Scene("127.0.0.2:8000").with_service(made, listener(8000, 1, "127.0.0.1")).refused(configured_service=rule)
    assert "127.0.0.1:8000 and nowhere else" in found(scene).summary


def of_anybody(asked: str = "127.0.0.2:8000", **changes: Any) -> Scene:
    """A user's own process holds the port on another address of the loopback."""
    theirs = service("uvicorn[200]", unit=None, manager="none", **changes)
    return Scene(asked).with_service(theirs, listener(8000, 200)).refused(configured_service=None)


def test_what_anybody_could_start_on_another_address_becomes_no_upstream_unasked() -> None:
    finding = found(of_anybody())
    (repair,) = finding.repairs
    assert (finding.confidence, finding.service, repair.steps) == ("possible", None, ())
    assert [(need.key, need.choices) for need in repair.needs] == [("upstream", ("127.0.0.1:8000",))]
    given = finding_of(diagnose(of_anybody().snapshot(), {"upstream": "127.0.0.1:8000"}), CAUSE)
    assert b"127.0.0.1:8000" in (edit_of(given).after or b"") and given.confidence == "possible"
    other = finding_of(diagnose(of_anybody().snapshot(), {"upstream": "127.0.0.1:6666"}), CAUSE)
    assert not other.repairs[0].steps


def test_what_anybody_could_start_is_asked_for_only_where_one_may_be_meant() -> None:
    other = service("gunicorn[300]", 9000, 300, unit=None, manager="none")
    several = of_anybody().with_service(other, listener(9000, 300))
    elsewhere_too = Scene("127.0.0.2:8001").with_service(of_anybody().services[0], listener(8000, 200)).refused()
    with_unit = of_anybody().with_service(service(port=8000), listener(8000, 300, "127.0.0.3"))
    for scene in (several, elsewhere_too):
        assert CAUSE not in roots(diagnose(scene.snapshot()))
    assert found(with_unit).service == "backend.service"      # beside the service of the place it is not even a choice


def test_a_name_is_told_with_what_it_stands_for() -> None:
    scene = elsewhere("localhost:8000").endpoint(addresses=Known(("::1",)))
    assert "to localhost:8000 (::1), but backend.service listens on 127.0.0.1:8000" in found(scene).summary


def test_miss_what_is_healthy_or_down_or_elsewhere() -> None:
    down = Scene().with_service(service(pid=None)).refused()
    other_port = Scene("127.0.0.1:8001").with_service(service(), listener(8000, 200)).refused()
    rejected = Scene().with_service(service(), listener(8000, 200)).refused()
    strangers = Scene("127.0.0.2:8000").with_service(service(), listener(8000, 999)).refused()
    for scene in (healthy_scene(), down, other_port, rejected, strangers):
        assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def test_unknown_whether_anything_listens_or_what_the_log_says() -> None:
    scene = elsewhere().endpoint(listener=Unknown("not root"), tcp=Unknown("no probe"), http=Unknown("no probe"))
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), Undetermined)
    silent = Scene().with_service(failed_service(log=Unknown("not root"))).refused()
    assert isinstance(verdict_of(diagnose(silent.snapshot()), CAUSE), Undetermined)


@pytest.mark.parametrize(("held", "aim"), [("::1", b"[::1]:8000"), ("::", b"[::1]:8000")])
def test_ipv6_only(held: str, aim: bytes) -> None:
    finding = found(elsewhere("127.0.0.1:8000", held))
    assert finding.variant == "bound-ipv6-only" and aim in (edit_of(finding).after or b"")


def test_a_socket_of_unknown_holder_counts_where_the_service_is_told_so() -> None:
    scene = Scene("127.0.0.2:8000").with_service(service(), listener(8000, None)).refused()
    assert found(scene).variant == "bound-other-interface"


def test_a_generated_address_and_a_refused_configuration_are_for_a_person() -> None:
    scene = elsewhere().endpoint(written="$back:8000")
    assert finding_of(diagnose(scene.snapshot()), CAUSE).repairs[0].risk == "manual"
    scene = elsewhere()
    scene.nginx = {"test": Known((1, "nginx: [emerg] no"))}
    assert "nginx -t rejects" in finding_of(diagnose(scene.snapshot()), CAUSE).repairs[0].manual


COMPOSE = "services:\n  app:\n    command: {}\n"
HASH = (("com.docker.compose.config-hash", "h"),)


PROJECT: dict[str, Any] = {
    "target": TargetRef("compose", "p"),
    "compose": Compose("p", "/srv", ("/srv/compose.yaml",), (), (("app", True),), Known(True)),
}


def in_container(command: str, words: list[tuple[str, int]], style: str, **changes: object) -> Scene:
    """A container whose backend holds its own loopback; `words` are those of the command with their offsets."""
    text = COMPOSE.format(command)
    places = tuple(CommandArgument(word, "/srv/compose.yaml", 3, at, at + len(word)) for word, at in
                   ((word, text.index(word, at)) for word, at in words))
    changes.setdefault("bindings", Known((binding(8000),)))
    made: Service = container_service(command=places, command_style=style, box={"labels": HASH}, **changes)
    scene = Scene("app:8000", node="web", back="app").with_service(made, listener(8000, 7, "127.0.0.1", "app")).refused(
        addresses=Known(("172.18.0.2",)))
    scene.files.append(file("/srv/compose.yaml", text, "engine"))
    scene.extra = PROJECT
    return scene


@pytest.mark.parametrize(("source", "verb"), [("/srv/code", "restart"), ("/srv/other", "up")])
def test_an_edit_of_a_mounted_script_restarts_its_container(source: str, verb: str) -> None:
    """`up` leaves a container as it runs whose definition is the same."""
    text, words = "#!/bin/sh\nexec uvicorn a:b --host 127.0.0.1 --port 8000\n", ("uvicorn", "a:b", "--host", "127.0.0.1")
    places = tuple(CommandArgument(word, "/srv/code/start.sh", 2, text.index(word), text.index(word) + len(word)) for word in words)
    made = container_service(command=places, command_style="shell", bindings=Known((binding(8000),)),
                             box={"labels": HASH, "mounts": ((source, "/srv/app", False),)})
    scene = Scene("app:8000", node="web", back="app").with_service(made, listener(8000, 7, "127.0.0.1", "app")).refused(
        addresses=Known(("172.18.0.2",)))
    scene.files.append(file("/srv/code/start.sh", text, "engine"))
    scene.extra = PROJECT
    write, begin, wait = found(scene).repairs[0].steps
    assert isinstance(write, WriteFile) and b"--host 0.0.0.0" in (write.after or b"") and isinstance(wait, WaitForListener)
    assert (begin.verb if isinstance(begin, ContainerAction) else "up" if isinstance(begin, ComposeUp) else "") == verb


@pytest.mark.parametrize(("command", "words", "style", "expected"), [
    ("uvicorn app.main:app --host 127.0.0.1 --port 8000", [("--host", 0), ("127.0.0.1", 0)], "yaml-string",
     "uvicorn app.main:app --host 0.0.0.0 --port 8000"),
    ("gunicorn -b 127.0.0.1:8000 app", [("gunicorn", 0), ("-b", 0), ("127.0.0.1:8000", 0)], "yaml-string", "gunicorn -b 0.0.0.0:8000 app"),
    ("uvicorn --host=127.0.0.1 a:b", [("uvicorn", 0), ("--host=127.0.0.1", 0)], "yaml-string", "uvicorn --host=0.0.0.0 a:b"),
    ("uwsgi --http-socket 127.0.0.1:8000 --master", [("uwsgi", 0), ("--http-socket", 0), ("127.0.0.1:8000", 0), ("--master", 0)],
     "yaml-string", "uwsgi --http-socket 0.0.0.0:8000 --master"),
    ('["uwsgi", "--http=127.0.0.1:8000"]', [("uwsgi", 0), ("--http=127.0.0.1:8000", 0)], "yaml-flow", '["uwsgi", "--http=0.0.0.0:8000"]'),
    ("uvicorn app.main:app", [("uvicorn", 0), ("app.main:app", 0)], "yaml-string", "uvicorn app.main:app --host 0.0.0.0"),
    ('["uvicorn", "app.main:app"]', [("uvicorn", 0), ("app.main:app", 0)], "yaml-flow",
     '["uvicorn", "app.main:app", "--host", "0.0.0.0"]'),
    ("\n      - uvicorn\n      - app.main:app", [("uvicorn", 0), ("app.main:app", 0)], "yaml-block",
     '\n      - uvicorn\n      - app.main:app\n      - --host\n      - "0.0.0.0"'),
])
def test_in_a_container_the_command_is_told_every_address(
    command: str, words: list[tuple[str, int]], style: str, expected: str,
) -> None:
    finding = found(in_container(command, words, style))
    write, up = finding.repairs[0].steps[:2]
    assert isinstance(write, WriteFile) and isinstance(up, ComposeUp) and finding.repairs[0].risk == "disruptive"
    assert (write.after or b"").decode() == COMPOSE.format(expected)


@pytest.mark.parametrize(("command", "words", "style", "expected"), [
    ("uvicorn a:b --host 0.0.0.0 --port 8000", [("--host", 0), ("0.0.0.0", 0)], "yaml-string",
     "uvicorn a:b --host '::' --port 8000"),
    ("sh -c 'uvicorn a:b --host 0.0.0.0'", [("--host", 0), ("0.0.0.0", 0)], "yaml-string",
     "sh -c 'uvicorn a:b --host \"::\"'"),
    ('"uvicorn \'a:b\' --host 0.0.0.0"', [("--host", 0), ("0.0.0.0", 0)], "yaml-string", '"uvicorn \'a:b\' --host ::0"'),
    ('["uvicorn", "a:b", "--host", "0.0.0.0"]', [("--host", 0), ("0.0.0.0", 0)], "yaml-flow",
     '["uvicorn", "a:b", "--host", "::"]'),
    ("gunicorn -b 0.0.0.0:8000 app", [("gunicorn", 0), ("-b", 0), ("0.0.0.0:8000", 0)], "yaml-string", "gunicorn -b [::]:8000 app"),
    ("uvicorn a:b", [("uvicorn", 0), ("a:b", 0)], "yaml-string", "uvicorn a:b --host '::'"),
])
def test_nginx_asks_a_container_by_its_ipv6_address(
    command: str, words: list[tuple[str, int]], style: str, expected: str,
) -> None:
    """A bare `::` within a plain text of YAML would make a mapping of it."""
    scene = in_container(command, words, style)
    scene.endpoint(host="fd00::9", written="[fd00::9]:8000", addresses=Known(("fd00::9",)))
    if "0.0.0.0" in command:
        scene.listeners[-1] = listener(8000, 7, "0.0.0.0", "app")
    write = found(scene).repairs[0].steps[0]
    assert isinstance(write, WriteFile) and (write.after or b"").decode() == COMPOSE.format(expected)


def test_a_container_that_ends_again_and_again_would_listen_where_nobody_reaches_it() -> None:
    """No connect tells anything of it. Why it ends comes first, and that nginx could not reach it either way is told."""
    box = {"status": "restarting", "exit_code": 1, "restart_count": 8, "restart_policy": "always"}
    made: Service = container_service(pid=None, box=box, log=log_lines("ValueError: no such region"), bindings=Known((binding(8000),)))
    scene = Scene("app:8000", node="web", back="app").with_service(made)
    gone = Unknown("no answer in time")
    scene.endpoint(0, tcp=gone, http=gone, listener=gone, addresses=Known(()), listening_service=None)
    scene.answers(BAD_GATEWAY)
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == ["crash-loop-gave-up", CAUSE]
    repair = finding_of(diagnosis, CAUSE).repairs[0]
    assert (repair.id, repair.risk) == ("listen-where-nginx-asks", "manual")
    assert "make p-app-1 listen on every address of its container" in repair.manual


def test_an_option_inside_a_text_that_reads_otherwise() -> None:
    """Compose writes `$$PORT` for `$PORT`: the word's bytes stand nowhere as they are, its line does."""
    command = "sh -c 'exec uvicorn a:b --host 127.0.0.1 --port $$PORT'"
    scene = in_container(command, [("uvicorn", 0), ("--host", 0), ("127.0.0.1", 0)], "shell")
    made = scene.services[0]
    lost = tuple(replace(word, start=None, end=None) for word in made.command)
    scene.services[0] = replace(made, command=lost)
    write = found(scene).repairs[0].steps[0]
    assert isinstance(write, WriteFile) and b"--host 0.0.0.0 --port $$PORT" in (write.after or b"")
    elsewhere_ = tuple(replace(word, line=99) for word in lost)
    scene.services[0] = replace(made, command=elsewhere_)
    assert found(scene).repairs[0].risk == "manual"


def test_the_last_word_may_be_the_value_of_a_variable() -> None:
    scene = in_container("uvicorn a:b --port $PORT", [("uvicorn", 0), ("a:b", 0)], "yaml-string")
    made = scene.services[0]
    value = CommandArgument("8000", "/srv/.env", 1, 5, 9)
    scene.services[0] = replace(made, command=(*made.command, value))
    assert found(scene).repairs[0].risk == "manual"


@pytest.mark.parametrize("changes", [
    {"runtime": "binary"}, {"env": (EnvAssignment("UVICORN_HOST", "/srv/compose.yaml:9", False),)},
    {"bindings": Known((replace(binding(8000), host="localhost.example"),))},
])
def test_where_no_option_says_it_and_none_can_be_added(changes: dict[str, object]) -> None:
    scene = in_container("serve app.main:app", [("serve", 0), ("app.main:app", 0)], "yaml-string", **changes)
    (repair,) = found(scene).repairs
    assert repair.risk == "manual" and "no editable file contains its listen address" in repair.manual


def test_a_container_that_cannot_be_created_anew_is_for_a_person() -> None:
    scene = in_container("uvicorn a:b --host 127.0.0.1", [("--host", 0), ("127.0.0.1", 0)], "yaml-string")
    scene.extra = {}
    (repair,) = found(scene).repairs
    assert repair.risk == "manual" and "docker compose -p p up -d --no-deps app" in repair.manual


def told(command: str = "/usr/bin/uvicorn a:b --host 10.9.9.9 --port 8000", path: str = UNIT) -> Scene:
    text = f"[Service]\nExecStart={command}\n"
    words = tuple(CommandArgument(word, path, 2, text.index(word), text.index(word) + len(word)) for word in command.split())
    made = failed_service(log=log_lines(*LAST_WORDS), command=words, command_style="unit", unit_changes={"fragment_path": path},
                  bindings=Known((replace(binding(8000), host="10.9.9.9"),)))
    scene = Scene().with_service(made).refused()
    scene.files.append(file(path, text))
    return scene


def test_an_address_that_the_machine_does_not_have() -> None:
    finding = found(told())
    assert (finding.variant, finding.confidence) == ("start-bind-address-unavailable", "certain")
    assert "10.9.9.9:8000" in finding.summary and "Errno 99" in finding.evidence[0].text
    write, reload = finding.repairs[0].steps[:2]
    assert isinstance(write, WriteFile) and isinstance(reload, DaemonReload)
    assert b"--host 127.0.0.1 --port 8000" in (write.after or b"")
    assert [step.host for step in finding.repairs[0].steps if isinstance(step, WaitForListener)] == ["127.0.0.1"]


def test_a_packages_unit_is_not_edited() -> None:
    (repair,) = found(told(path="/usr/lib/systemd/system/backend.service")).repairs
    assert repair.risk == "manual" and "belongs to a package" in repair.manual


@pytest.mark.parametrize("line", [
    "OSError: [Errno 99] Cannot assign requested address",       # a connection of its own: no word of binding
    'INFO: 10.0.0.9:4 - "GET /bind%20cannot assign requested address HTTP/1.1" 404',
])
def test_no_word_of_binding(line: str) -> None:
    scene = Scene().with_service(failed_service(log=log_lines("Started backend.service.", line))).refused()
    assert CAUSE not in roots(diagnose(scene.snapshot()))


def test_an_asyncio_server_says_it_in_its_traceback() -> None:
    lines = ("Started backend.service.", '  File "/usr/lib/python3/hypercorn/config.py", line 9, in _create_sockets',
             "    sock.bind(binding)", "OSError: [Errno 99] Cannot assign requested address")
    scene = Scene().with_service(failed_service(log=log_lines(*lines))).refused()
    assert found(scene).variant == "start-bind-address-unavailable"


def test_an_address_that_came_back_needs_a_start_and_no_edit() -> None:
    scene = told()
    scene.node_changes["local"] = {"addresses": ("127.0.0.1", "10.9.9.9")}
    first = found(scene)
    assert (first.confidence, [r.id for r in first.repairs]) == ("likely", ["start-service"])
    assert "it has it now, but the service was not started again" in first.summary


def on_two_counts(*lines: Listener, told: int = 8000) -> Scene:
    """nginx asks a container for 8001, and its only socket lies within it."""
    made = container_service(bindings=Known((binding(told),)))
    return Scene("app:8001", node="web", back="app").with_service(
        made, *(lines or (listener(8000, 7, "127.0.0.1", "app"),))).refused(addresses=Known(("172.18.0.2",)))


def test_another_port_within_its_own_container_is_first_of_all_an_address_that_nobody_reaches() -> None:
    diagnosis = diagnose(on_two_counts().snapshot())
    assert roots(diagnosis) == [CAUSE] and "app:8001" in found(on_two_counts()).summary
    assert "127.0.0.1:8000 and nowhere else" in found(on_two_counts()).summary


@pytest.mark.parametrize("scene", [
    on_two_counts(listener(8000, 7, "0.0.0.0", "app")), on_two_counts(told=9000),
    on_two_counts(listener(8000, 7, "127.0.0.1", "app"), listener(9000, 7, "0.0.0.0", "app")),
])
def test_a_socket_that_can_be_reached_or_that_it_was_not_told_to_open_is_none_of_that(scene: Scene) -> None:
    assert CAUSE not in roots(diagnose(scene.snapshot()))


@pytest.mark.parametrize(("words", "line"), [
    (("-b", "127.0.0.1"), 21), (("--bind=127.0.0.1:8000",), 21), (("--host", "[127.0.0.1]:8000"), 21),
    (("--host", "127.0.0.11"), 1), (("--root-path", "127.0.0.1"), 1), ((), 1),
])
def test_the_line_of_the_host_is_cited_and_not_that_of_the_port(words: tuple[str, ...], line: int) -> None:
    """`--port $PORT` stands in one file, and the port in another."""
    told = replace(binding(8000), source=Evidence("file", "/etc/back.env:1", "PORT=8000"))
    command = tuple(CommandArgument(word, "/usr/local/bin/start", 21) for word in ("/usr/bin/back", *words, "--port"))
    made = service(runtime="binary", bindings=Known((told,)), command=(*command, CommandArgument("8000", "/etc/back.env", 1)))
    scene = Scene("127.0.0.2:8000").with_service(made, listener(8000, 200, "127.0.0.1")).refused()
    scene.files.append(file("/usr/local/bin/start", "\n" * 20 + f"exec /usr/bin/back {' '.join(words)} --port $PORT\n"))
    shown = [e for e in found(scene).evidence if e.source == "file"]
    cited = [("/usr/local/bin/start:21", f"exec /usr/bin/back {' '.join(words)} --port $PORT")] if line == 21 else []
    assert [(e.where, e.text) for e in shown] == cited
