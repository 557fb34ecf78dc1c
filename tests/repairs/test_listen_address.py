"""Tests of fixer/repairs/listen_address.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.analysis.case import open_case
from fixer.model.diagnosis import Repair
from fixer.model.facts import Evidence, Known
from fixer.model.plan import DaemonReload, WaitForListener, WriteFile
from fixer.model.snapshot import CommandArgument, Compose, EnvAssignment, EnvSlot
from fixer.model.target import TargetRef
from fixer.repairs.listen_address import listen_address_repair
from tests.causes.snapshot_builders import (
    Scene,
    binding,
    container_service,
    failed_service,
    file,
    service,
    supervised_service,
    unit,
)

UNIT = "/etc/systemd/system/backend.service"


def arguments(text: str, path: str = UNIT) -> tuple[CommandArgument, ...]:
    """The words of the command that stands behind `ExecStart=`, each with its bytes."""
    begin, found = text.index("=") + 1, []
    for word in text[begin:].partition("\n")[0].split():
        at = text.index(word, begin)
        found.append(CommandArgument(word.strip("'"), path, 2, at + word.startswith("'"), at + len(word.rstrip("'"))))
        begin = at + len(word)
    return tuple(found)


def listening(command: str, **changes: Any) -> Scene:
    """A failed unit whose command nginx's address does not fit."""
    text = f"ExecStart={command}\n[Install]\n"
    made = failed_service(**{"command": arguments(text), "command_style": "unit", **changes})
    scene = Scene().with_service(made).refused()
    scene.files.append(file(UNIT, text))
    return scene


def repaired(scene: Scene, host: str = "127.0.0.2") -> Repair:
    case = open_case(scene.snapshot(), {})
    return listen_address_repair(case, scene.services[0], case.failing_addresses[0].endpoint, host)


def command_after(repair: Repair) -> str:
    write = repair.steps[0]
    assert isinstance(write, WriteFile)
    return (write.after or b"").decode().removeprefix("ExecStart=").removesuffix("\n[Install]\n")


@pytest.mark.parametrize(("command", "host", "after"), [
    ("uvicorn a:b --host 10.9.9.9", "127.0.0.2", "uvicorn a:b --host 127.0.0.2"),
    ("uvicorn a:b --host 10.9.9.9 --host 10.9.9.8", "::1", "uvicorn a:b --host 10.9.9.9 --host ::1"),      # the last counts
    ("gunicorn --bind=10.9.9.9:8000 a", "::1", "gunicorn --bind=[::1]:8000 a"),
    ("hypercorn -b [::1]:8000 a", "127.0.0.2", "hypercorn -b 127.0.0.2:8000 a"),
    ("uwsgi --http-socket 10.9.9.9:8000 --master", "127.0.0.2", "uwsgi --http-socket 127.0.0.2:8000 --master"),
    ("uwsgi --http=10.9.9.9:8000 -s 10.9.9.9:3031", "::1", "uwsgi --http=[::1]:8000 -s 10.9.9.9:3031"),   # that of nginx's port
    ("gunicorn -b10.9.9.9:8000 -b 10.9.9.9:9000 a", "127.0.0.2", "gunicorn -b127.0.0.2:8000 -b 10.9.9.9:9000 a"),
    ("puma -b tcp://10.9.9.9:8000", "127.0.0.2", "puma -b tcp://127.0.0.2:8000"),
    ("waitress-serve --listen=10.9.9.9:8000 a", "127.0.0.2", "waitress-serve --listen=127.0.0.2:8000 a"),
    ("gunicorn --bind :8000 a", "::1", "gunicorn --bind [::1]:8000 a"),
    ("sudo -H -u app uvicorn a:b", "127.0.0.2", "sudo -H -u app uvicorn a:b --host 127.0.0.2"),
    ("uvicorn a:b", "127.0.0.2", "uvicorn a:b --host 127.0.0.2"),
    ("uvicorn 'a:b'", "127.0.0.2", "uvicorn 'a:b' --host 127.0.0.2"),
])
def test_the_address_changes_in_the_command(command: str, host: str, after: str) -> None:
    repair = repaired(listening(command), host)
    assert command_after(repair) == after and repair.risk == "disruptive" and UNIT in repair.summary
    assert isinstance(repair.steps[1], DaemonReload)
    assert [step.host for step in repair.steps if isinstance(step, WaitForListener)] == [host]


def test_a_wildcard_is_waited_for_at_the_loopback() -> None:
    repair = repaired(listening("uvicorn a:b --host 10.9.9.9"), "0.0.0.0")
    assert command_after(repair).endswith("--host 0.0.0.0")
    assert [step.host for step in repair.steps if isinstance(step, WaitForListener)] == ["127.0.0.1"]


@pytest.mark.parametrize(("command", "changes"), [
    ("gunicorn --bind unix:/run/shop.sock a", {"runtime": "gunicorn"}),               # no address
    ("gunicorn --bind= a", {"runtime": "gunicorn"}), ("gunicorn --bind 8000 a", {"runtime": "gunicorn"}),
    ("uwsgi -H /srv/venv -b 32768 --socket /run/shop.sock", {"runtime": "uwsgi"}),
    ("gunicorn a", {"runtime": "gunicorn"}),                                          # it takes no --host
    ("uvicorn a:b", {"command_style": ""}),
    ("uvicorn a:b", {"env": (EnvAssignment("HOST", "/etc/default/shop:1", False),)}),
    ("uvicorn a:b", {"bindings": Known((replace(binding(8000), host="10.9.9.9"),))}),     # set elsewhere
    ("uvicorn a:b --host", {}),                                                       # its value is missing
])
def test_a_command_that_gives_no_address_to_change(command: str, changes: dict[str, Any]) -> None:
    repair = repaired(listening(command, **changes))
    assert (repair.risk, repair.steps) == ("manual", ()) and "127.0.0.2" in repair.manual and UNIT in repair.manual


@pytest.mark.parametrize("lost", ["--host 10.9.9.9", ""])
def test_a_file_that_was_not_read_or_differs_is_not_edited(lost: str) -> None:
    """The bytes are those of an older reading where the file has changed since."""
    scene = listening(f"uvicorn a:b {lost}".strip())
    unread = repaired(replace_files(scene))
    assert (unread.risk, unread.steps) == ("manual", ())
    if lost:
        changed = repaired(replace_files(scene, "ExecStart=uvicorn --reload a:b --host 10.9.9.9\n"))
        assert (changed.risk, changed.steps) == ("manual", ()) and "10.9.9.9" in changed.manual and UNIT in changed.manual


def replace_files(scene: Scene, *texts: str) -> Scene:
    """The same scene with these texts in place of the unit's."""
    scene.files[1:] = [file(UNIT, text) for text in texts]
    return scene


@pytest.mark.parametrize(("line", "risk"), [
    ("exec uvicorn a:b --host 10.9.9.9 --port $$PORT", "disruptive"),
    ("echo --host 10.9.9.9; exec uvicorn a:b --host 10.9.9.9", "manual"), ("exec uvicorn a:b --host $$HOST", "manual"),
])
def test_an_escaped_command_is_edited_where_its_line_holds_the_option_once(line: str, risk: str) -> None:
    scene = listening("uvicorn a:b --host 10.9.9.9")
    words = tuple(CommandArgument(word.text, UNIT, 2) for word in scene.services[0].command)
    scene.services[0] = replace(scene.services[0], command=words)
    repair = repaired(replace_files(scene, f"[Service]\n{line}\n"))
    assert repair.risk == risk
    if risk == "disruptive":
        write = repair.steps[0]
        assert isinstance(write, WriteFile)
        assert write.after == f"[Service]\n{line}\n".replace("10.9.9.9", "127.0.0.2").encode()


def test_who_manages_the_file_is_named() -> None:
    scene = listening("uvicorn a:b --host 10.9.9.9")
    scene.files[-1] = replace(scene.files[-1], managed_by="Ansible")
    assert "Ansible" in repaired(scene).summary


def test_a_process_that_nothing_can_start_again_is_for_an_operator() -> None:
    text = "ExecStart=uvicorn a:b --host 10.9.9.9\n"
    scene = Scene().with_service(service(pid=None, unit=None, manager="", command=arguments(text), command_style="unit"))
    scene.refused().files.append(file(UNIT, text))
    repair = repaired(scene)
    assert (repair.risk, repair.steps) == ("manual", ()) and "backend.service" in repair.manual


def test_a_program_of_supervisord_is_updated() -> None:
    path = "/etc/supervisor/conf.d/shop.conf"
    text = "command=uvicorn a:b --host 10.9.9.9\n"
    made = supervised_service("FATAL", command=arguments(text, path), command_style="shell")
    scene = Scene().with_service(made).refused()
    scene.files.append(file(path, text))
    repair = repaired(scene)
    write = repair.steps[0]
    assert isinstance(write, WriteFile) and write.after == b"command=uvicorn a:b --host 127.0.0.2\n"
    assert not any(isinstance(step, DaemonReload) for step in repair.steps) and repair.risk == "disruptive"


@pytest.mark.parametrize(("command", "after"), [
    ("gunicorn --bind 10.9.9.9:$PORT a", "gunicorn --bind 127.0.0.2:$PORT a"),
    ("gunicorn --bind=10.9.9.9:${PORT} a", "gunicorn --bind=127.0.0.2:${PORT} a"),
    ("gunicorn --bind 10.9.9.9:$PORT --bind 10.9.9.9:$PORT a", ""), ("gunicorn --bind $HOST:$PORT a", ""),
])
def test_a_host_is_changed_where_only_the_port_behind_it_is_a_variables(command: str, after: str) -> None:
    port_file = CommandArgument("10.9.9.9:8000", "/etc/port.env", 1)
    words = tuple(
        replace(word, line=1) if "$" not in word.text else replace(port_file, text="--bind=" * ("=" in word.text) + port_file.text)
        for word in arguments(f"ExecStart={command}\n"))
    scene = listening(command)
    scene.services[0] = replace(scene.services[0], command=words)
    scene.files.append(file("/etc/port.env", "PORT=8000\n"))
    repair = repaired(scene)
    assert (repair.risk == "disruptive") is bool(after) and (not after or command_after(repair) == after)


APART = "HOST={}\nPORT=8000\n"


def of_two_variables(*, text: str = "127.0.0.1", place: CommandArgument | None = None) -> Scene:
    """The command takes its host from one variable and its port from another: `--bind ${HOST}:${PORT}`."""
    place = place or CommandArgument(text, "/etc/shop.env", 1, 5, 5 + len(text))
    told = replace(binding(8000), host="10.9.9.9", source=Evidence("file", "/etc/shop.env:2", "PORT=8000"), host_place=place)
    words = (*arguments("ExecStart=gunicorn --bind\n"), CommandArgument(f"{text}:8000", "/etc/shop.env", 1))
    scene = listening("gunicorn --bind")
    scene.services[0] = replace(scene.services[0], runtime="gunicorn", command=words, bindings=Known((told,)))
    scene.files.append(file("/etc/shop.env", APART.format(text)))
    return scene


@pytest.mark.parametrize(("host", "after"), [("0.0.0.0", "0.0.0.0"), ("::1", "[::1]")])
def test_a_host_in_a_variable_of_its_own_is_changed_on_its_own_line(host: str, after: str) -> None:
    repair = repaired(of_two_variables(text="10.9.9.9"), host)
    write = repair.steps[0]
    assert isinstance(write, WriteFile) and write.path == "/etc/shop.env" and write.after == APART.format(after).encode()
    assert repair.risk == "disruptive" and "/etc/shop.env" in repair.summary


def test_a_host_that_another_service_takes_from_the_same_variable_is_for_a_person() -> None:
    scene = of_two_variables()
    (told,) = scene.services[0].bindings.or_else(())
    scene.services.append(service("feed.service", 9000, 300, bindings=Known((replace(told, port=9000),))))
    repair = repaired(scene)
    assert (repair.risk, repair.steps) == ("manual", ())
    assert "feed.service takes its own address from that place too" in repair.manual and "/etc/shop.env:1" in repair.manual


def test_a_host_that_a_variable_does_not_hold_any_more_is_for_a_person() -> None:
    scene = of_two_variables()
    scene.files[-1] = file("/etc/shop.env", "PORT=8000\nHOST=127.0.0.1\n")
    repair = repaired(scene)
    assert (repair.risk, repair.steps) == ("manual", ()) and "does not contain" in repair.manual


def of_a_file(path: str, text: str, *, host: str = "10.9.9.9", port: str = "8000", **changes: Any) -> Scene:
    """The address stands in a file that the command names or reads, with its host right before its port."""
    at = text.index(port)
    told = replace(binding(int(port)), host=host, file=path, start=at, end=at + len(port))
    scene = listening("uwsgi --ini /etc/shop.ini", **{"runtime": "uwsgi", "bindings": Known((told,)), **changes})
    scene.files.append(file(path, text))
    return scene


@pytest.mark.parametrize(("path", "before", "after"), [
    ("/etc/shop.ini", "[uwsgi]\nhttp-socket = 10.9.9.9:8000\n", "[uwsgi]\nhttp-socket = 127.0.0.2:8000\n"),
    ("/srv/gunicorn.conf.py", "bind = ['10.9.9.9:8000']\n", "bind = ['127.0.0.2:8000']\n"),
    ("/etc/shop.env", "GUNICORN_CMD_ARGS=--bind=10.9.9.9:8000\n", "GUNICORN_CMD_ARGS=--bind=127.0.0.2:8000\n"),
    (UNIT, "ExecStart=/srv/manage.py runserver 10.9.9.9:8000\n", "ExecStart=/srv/manage.py runserver 127.0.0.2:8000\n"),
    ("/etc/supervisord.conf", "socket=tcp://10.9.9.9:8000\n", "socket=tcp://127.0.0.2:8000\n"),
])
def test_a_host_before_its_port_is_changed_in_the_file_that_holds_it(path: str, before: str, after: str) -> None:
    scene = of_a_file(path, before)
    scene.files[1:-1] = []
    repair = repaired(scene)
    write = repair.steps[0]
    assert isinstance(write, WriteFile) and write.path == path and write.after == after.encode()
    assert repair.risk == "disruptive" and isinstance(repair.steps[1], DaemonReload) is (path == UNIT)


def test_an_address_without_a_host_gets_one() -> None:
    repair = repaired(of_a_file("/etc/shop.ini", "[uwsgi]\nhttp = :8000\n", host="0.0.0.0"), "::")
    assert isinstance(repair.steps[0], WriteFile) and repair.steps[0].after == b"[uwsgi]\nhttp = [::]:8000\n"


@pytest.mark.parametrize("text", [
    "http = 10.9.9.10:8000", "http = 110.9.9.9:8000", "port = 8000", "http = $HOST:8000", "10.9.9.9:8000",
])
def test_what_is_not_the_whole_host_of_the_address_is_no_place(text: str) -> None:
    repair = repaired(of_a_file("/etc/shop.ini", text))
    assert (repair.risk, repair.steps) == ("manual", ())


def test_of_several_addresses_that_of_nginxs_port_is_changed() -> None:
    text = "[uwsgi]\nsocket = 10.9.9.9:3031\nhttp = 10.9.9.9:8000\n"
    scene = of_a_file("/etc/shop.ini", text)
    (told,) = scene.services[0].bindings.or_else(())
    first = replace(told, port=3031, start=text.index("3031"), end=text.index("3031") + 4)
    scene.services[0] = replace(scene.services[0], bindings=Known((first, told)))
    write = repaired(scene).steps[0]
    assert isinstance(write, WriteFile) and write.after == text.replace("10.9.9.9:8000", "127.0.0.2:8000").encode()


def test_a_file_that_two_services_take_their_address_from_is_for_a_person() -> None:
    scene = of_a_file("/etc/shop.ini", "[uwsgi]\nhttp = 10.9.9.9:8000\n")
    scene.services.append(service("feed.service", 9000, 300, bindings=scene.services[0].bindings))
    assert "feed.service takes its own address from that place too" in repaired(scene).manual


def test_an_address_that_systemd_opens_for_the_service_is_for_a_person() -> None:
    scene = listening("uvicorn a:b --fd 3", socket=unit("back.socket"))
    repair = repaired(scene)
    assert (repair.risk, repair.steps) == ("manual", ()) and "back.socket opens its socket" in repair.manual


def of_a_set_variable(*, host: str = "10.9.9.9", command: str = "uvicorn a:b", name: str = "UVICORN_HOST") -> Scene:
    """No option gives the host, but the variable that the server reads."""
    scene = listening(command, env=(EnvAssignment(name, "/etc/shop.env:2", False),),
                      bindings=Known((replace(binding(8000), host=host),)))
    scene.files.append(file("/etc/shop.env", f"LEVEL=info\n{name}={host}\n"))
    return scene


@pytest.mark.parametrize("host", ["127.0.0.2", "::1"])
def test_the_variable_that_the_server_reads_its_host_from_is_changed(host: str) -> None:
    repair = repaired(of_a_set_variable(), host)
    write = repair.steps[0]
    assert isinstance(write, WriteFile) and write.after == f"LEVEL=info\nUVICORN_HOST={host}\n".encode()
    assert repair.risk == "disruptive"


@pytest.mark.parametrize("changes", [
    {"name": "HOST"}, {"host": "shop.example"}, {"host": "127.0.0.2"}, {"command": "uvicorn a:b --host"},
])
def test_a_variable_that_does_not_decide_where_it_listens_stays(changes: dict[str, Any]) -> None:
    repair = repaired(of_a_set_variable(**changes))
    assert (repair.risk, repair.steps) == ("manual", ())


def test_a_variable_that_another_service_reads_from_the_same_line_is_for_a_person() -> None:
    scene = of_a_set_variable()
    scene.services.append(service("feed.service", 9000, 300, env=scene.services[0].env))
    repair = repaired(scene)
    assert repair.risk == "manual" and "feed.service takes its own address from that place too" in repair.manual


COMPOSE = "services:\n  app:\n    image: img\n    environment:\n      LEVEL: info\n"


def of_a_script_in_the_image(word: CommandArgument, place: CommandArgument | None = None) -> Scene:
    slot = EnvSlot("engine", "/srv/p/compose.yaml", len(COMPOSE) - 1, "\n      {name}: {value}", "yaml-map")
    told = replace(binding(8000), file=None, start=None, end=None, host_place=place)
    made = replace(container_service(box={"labels": (("com.docker.compose.config-hash", "h"),)}), command=(CommandArgument("gunicorn"), CommandArgument("--bind"), word), runtime="gunicorn",
                   bindings=Known((told,)), env_slots=(slot,), files_node="engine", command_style="")
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused()
    scene.files.append(file("/srv/p/compose.yaml", COMPOSE, node="engine"))
    scene.extra = {"target": TargetRef("compose", "p"),
                   "compose": Compose("p", "/srv/p", ("/srv/p/compose.yaml",), (), (("app", True),), Known(True))}
    return scene


@pytest.mark.parametrize(("word", "place", "line"), [
    (CommandArgument("127.0.0.1:8000", default_of="APP_BIND"), None, b'      APP_BIND: "0.0.0.0:8000"\n'),
    (CommandArgument("127.0.0.1:8000"), CommandArgument("127.0.0.1", default_of="APP_HOST"), b'      APP_HOST: "0.0.0.0"\n'),
])
def test_a_default_of_a_script_in_the_image_is_set_as_a_variable(word: CommandArgument, place: CommandArgument | None, line: bytes) -> None:
    repair = repaired(of_a_script_in_the_image(word, place), "0.0.0.0")
    write = repair.steps[0]
    assert isinstance(write, WriteFile) and write.after == COMPOSE.encode() + line and repair.risk == "disruptive"


def test_an_address_that_stands_in_the_script_itself_is_for_a_person() -> None:
    repair = repaired(of_a_script_in_the_image(CommandArgument("127.0.0.1:8000")), "0.0.0.0")
    assert (repair.risk, repair.steps) == ("manual", ())
