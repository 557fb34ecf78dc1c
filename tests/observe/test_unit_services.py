"""Services of units: wrappers, roots of their own, sessions, processes that podman keeps."""

from __future__ import annotations

import pytest

from fixer.model.facts import Known, Unknown
from tests.observe.capture_builders import process, sockets, tcp_row
from tests.observe.nginx.endpoints_builders import SHOW
from tests.observe.services_builders import back, look, port


@pytest.mark.parametrize(("lines", "path"), [
    ("RootDirectory=/srv/jail\n", "/srv/jail/run/web.sock"), ("RootDirectory=/\n", "/run/web.sock"),
    ("RootDirectory=/srv/jail\nBindPaths=/var/spool/web:/run\n", "/var/spool/web/web.sock"),
    ("RootDirectory=/srv/jail\nBindPaths=/run\nBindReadOnlyPaths=/usr\n", "/run/web.sock"),
    ("RootDirectory=/srv/jail\nRootDirectory=\n", "/run/web.sock"), ("RootImage=/srv/jail.raw\n", None),
])
def test_the_socket_of_a_unit_with_a_root_of_its_own_is_where_the_machine_sees_it(lines: str, path: str | None) -> None:
    told = back(f"{lines}ExecStart=/usr/bin/gunicorn -b unix:/run/web.sock main:app\n").bindings
    assert isinstance(told, Known) and [(b.unix, b.start is None) for b in told.value] == (
        [] if path is None else [(path, path != "/run/web.sock")])


def test_a_unit_whose_files_were_not_read() -> None:
    show = SHOW.format("back.service", "active", 0) + "ExecStart={ path=/x ; argv[]=/srv/run ; ignore_errors=no }\n"
    hidden = show.replace("\n\nExecStart", "\nExecStart")
    found = next(s for s in look(show=hidden).services if s.name == "back.service")
    assert isinstance(found.bindings, Unknown) and "/srv/run" in found.bindings.reason and found.runtime == "binary"


def test_a_running_process_that_differs_from_its_files() -> None:
    main = process(9, ["uvicorn", "a", "--port", "8000"], cgroup="/system.slice/back.service")
    found = back("ExecStart=uvicorn a --port 9000", show=SHOW.format("back.service", "active", 9), running=[main])
    assert isinstance(found.bindings, Known) and [b.port for b in found.bindings.value] == [9000, 8000]
    assert found.bindings.value[1].source.where == "pid 9" and found.argv[0] == "uvicorn" and found.pids == (9,)


@pytest.mark.parametrize(("argv", "state"), [
    (["/usr/lib/systemd/systemd-executor", "--deserialize", "36"], "S"),     # between fork and exec
    ([""], "S"), (["uvicorn"], "Z"),                                            # it has just ended
])
def test_a_process_that_is_not_yet_or_no_more_what_was_started(argv: list[str], state: str) -> None:
    main = process(9, argv, cgroup="/system.slice/back.service", state=state)
    found = back("ExecStart=uvicorn office.main:app", show=SHOW.format("back.service", "active", 9), running=[main])
    assert found.argv == ("uvicorn", "office.main:app")


def test_a_main_process_outside_of_its_cgroup() -> None:
    found = back("ExecStart=uvicorn a", show=SHOW.format("back.service", "active", 9), running=[process(9, ["uvicorn", "a"])])
    assert found.pids == (9,)


def test_templates_and_units_that_are_not_there() -> None:
    show = SHOW.format("a@.service", "inactive", 0) + SHOW.format("gone.service", "inactive", 0).replace("=loaded", "=not-found")
    assert [s.name for s in look(show=show).services if s.unit] == []


@pytest.mark.parametrize("shared", [True, False])
def test_a_server_that_podman_keeps_for_a_unit_in_the_nodes_own_network(shared: bool) -> None:
    """In a network of its own its port says nothing of this node."""
    group = "/system.slice/back.service"
    running = [process(20, ["/usr/bin/conmon", "-n", "quote"], comm="conmon", cgroup=group),
               process(21, ["/usr/bin/python3", "/usr/bin/uvicorn", "a:b", "--port", "8622"], ppid=20, comm="uvicorn", cgroup=group)]
    listening = sockets([tcp_row("127.0.0.1", 8622, 77)], {77: [21]}) if shared else sockets([], {})
    found = back("ExecStart=/usr/bin/podman start quote", running=running, listening=listening,
                 show=SHOW.format("back.service", "active", 20))
    assert found.is_app_server is shared and (found.runtime == "uvicorn") is shared
    if shared:
        assert port(found) == 8622 and found.env_slots == ()      # what its container was made with stands in no unit


def test_who_runs_in_the_session_that_su_opened_belongs_to_the_unit() -> None:
    opened = "/user.slice/user-9.slice/session-c1.scope"
    service = back("ExecStart=/bin/su - app -c 'uvicorn a --port 81'", show=SHOW.format("back.service", "active", 9), running=[
        process(9, ["/bin/su", "-", "app", "-c", "uvicorn a --port 81"], cgroup=opened),
        process(10, ["/usr/bin/python3", "/usr/bin/uvicorn", "a", "--port", "81"], ppid=9, cgroup=opened)])
    assert service.pids == (9, 10)


@pytest.mark.parametrize(("program", "is_app"), [("/etc/rc.local", True), ("/etc/init.d/portal", False), ("/usr/bin/portal", False)])
def test_a_unit_of_a_package_may_run_a_file_of_the_administrators(program: str, is_app: bool) -> None:
    shipped = SHOW.format("rc-local.service", "inactive", 0).replace("/etc/systemd/system/", "/usr/lib/systemd/system/")
    show = shipped.replace("\n\n", f"\nExecStart={{ path={program} ; argv[]={program} start ; ignore_errors=no }}\n\n")
    seen = look(show=show, files={program: "#!/bin/sh\nexec python3 /opt/shop/portal.py --port 8000\n"})
    (found,) = [s for s in seen.services if s.name == "rc-local.service"]
    assert found.is_app_server is is_app
