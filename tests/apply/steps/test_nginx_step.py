"""Of two nginxes on a host a reload reaches the one whose configuration was edited, whatever its number is by now."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from fixer.apply.steps import nginx_step
from fixer.apply.steps.nginx_step import ConfigRefused, NginxNotRunning, check_config, find_master, undo_reload
from fixer.errors import StepFailed, Unreachable
from fixer.hosts.machine import run_process
from fixer.model.host import CommandResult
from fixer.model.plan import CheckNginx, ReloadNginx

STEP = ReloadNginx("local", 50, "/usr/sbin/nginx", "/opt/edge/conf/nginx.conf", "/opt/edge/", "", explicit=True)
MAIN, EDGE = "nginx: master process /usr/sbin/nginx", "nginx: master process nginx -p /opt/edge/ -c conf/nginx.conf"
BUILT = "/opt/nginx/sbin/nginx"


class Machine:
    """Masters below process 1: number and title, and the program where /proc tells it."""

    def __init__(self, titles: Mapping[int, str], programs: Mapping[int, str] | None = None) -> None:
        self.titles, self.programs = titles, programs or {}

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        if "readlink" in argv[2]:
            out = "".join(f"{pid} {program}\n" for pid, program in self.programs.items())
        elif "cmdline" in argv[2]:
            out = "".join(f"\n{pid} {title}" for pid, title in self.titles.items())
        else:
            out = "".join(f"{pid} (nginx) S 1{' 0' * 17} 99\n" for pid in self.titles)
        return CommandResult(tuple(argv), 0, out.encode(), b"")


@pytest.mark.parametrize(("titles", "meant"), [
    ({50: EDGE}, 50),
    ({50: EDGE, 60: MAIN}, 50),
    ({60: MAIN, 70: EDGE}, 70),       # a restart of the machine
    ({50: MAIN, 70: EDGE}, 70),       # and the other one has the number of the plan
    ({70: EDGE}, 70),
    ({70: ""}, 70),                   # its title may not be read: the only one there is
])
def test_the_one_that_reads_the_edited_file(titles: Mapping[int, str], meant: int) -> None:
    assert find_master(STEP, Machine(titles)).pid == meant


@pytest.mark.parametrize("titles", [{}, {60: MAIN}, {50: MAIN, 60: MAIN}])
def test_another_one_is_not_reloaded_in_its_place(titles: Mapping[int, str]) -> None:
    with pytest.raises(NginxNotRunning):
        find_master(STEP, Machine(titles))


def test_of_two_that_read_it_neither_is_taken() -> None:
    with pytest.raises(StepFailed, match="2 other masters"):
        find_master(STEP, Machine({60: EDGE, 70: EDGE}))


def test_where_a_program_was_built_tells_its_file() -> None:
    step = replace(STEP, binary=BUILT, conf_path="/opt/nginx/conf/nginx.conf", explicit=False)
    titles = {60: "nginx: master process nginx", 70: MAIN}
    programs = {60: f"{BUILT} (deleted)", 70: "/usr/sbin/nginx"}
    assert find_master(step, Machine(titles, programs)).pid == 60


def test_the_nginx_of_a_container_reads_a_file_of_that_name_elsewhere() -> None:
    step = replace(STEP, conf_path="/etc/nginx/nginx.conf", prefix="/usr/share/nginx", explicit=False)
    titles = {60: "nginx: master process nginx -g daemon off;", 70: MAIN, 80: "nginx: master process nginx"}
    assert find_master(step, Machine(titles, {60: "inside", 70: "/usr/sbin/nginx", 80: "inside"})).pid == 70


@pytest.mark.parametrize(("said", "failed"), [
    ("shop-web-1 cannot be reached: Error response from daemon: container 0a1b is not running", StepFailed),
    ("shop-web-1 cannot be reached: Error response from daemon: Container 0a1b is restarting, wait", StepFailed),
    ("the Docker daemon cannot be reached: no such socket", Unreachable),
])
def test_a_configuration_that_cannot_be_tested_is_a_failed_step(said: str, failed: type[Exception]) -> None:
    class Stopped(Machine):
        def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
            raise Unreachable(said)

    with pytest.raises(failed):
        check_config(CheckNginx("web", "nginx", "/etc/nginx/nginx.conf", "/etc/nginx"), Stopped({}))


# Root's own nginx is reloaded; one that runs as somebody else is not, also where the planned number is stale.
NGINX_OWNERSHIP_STEP = ReloadNginx("local", 50, "/usr/sbin/nginx", "/etc/nginx/nginx.conf", "/etc/nginx", "/var/log/nginx/error.log")


class WorkerlessMachine(Machine):
    """Its master survives a reload, its new workers do not; `worker` is an old one that goes on."""

    def __init__(self, group: str, worker: int | None = None) -> None:
        super().__init__({50: EDGE, **({worker: "nginx: worker process"} if worker else {})})
        self.group, self.worker, self.ran = group, worker, []  # type: ignore[var-annotated]

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        if argv[0] == "cat":
            return CommandResult(tuple(argv), 0, self.group.encode(), b"")
        if argv[0] in ("systemctl", "stat") or argv[-1] == "-t" or argv[2].startswith("kill"):
            self.ran += [" ".join(argv)] if argv[0] == "systemctl" else []
            return CommandResult(tuple(argv), 0, b"", b"")
        made = super().run(argv, stdin=stdin, timeout=timeout)
        child = f"{self.worker} (nginx) S 1 ".encode()
        return replace(made, stdout=made.stdout.replace(child, child.replace(b"S 1", b"S 50")))


GROUP = "1:name=systemd:/docker/0a1b/system.slice/nginx.service\n0::/\n"


def test_an_undo_restarts_the_unit_of_an_nginx_that_a_reload_leaves_without_workers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(nginx_step, "_PROOF_SECONDS", 0.01)
    machine = WorkerlessMachine(GROUP)
    assert undo_reload(STEP, machine) == "restarted nginx.service: a reload left it without workers"
    assert machine.ran == ["systemctl restart nginx.service"]
    for other in (WorkerlessMachine("0::/docker/0a1b\n"), WorkerlessMachine(GROUP, 51)):
        with pytest.raises(StepFailed, match="started no new worker"):
            undo_reload(STEP, other)
        assert other.ran == []


class NginxOwnershipMachine:
    """`masters` are the processes called nginx below process 1, `owners` whose a process is."""

    def __init__(self, masters: Sequence[int], owners: Mapping[int, int]) -> None:
        self.masters, self.owners, self.tested = masters, owners, False

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        out = ""
        if argv[0] == "stat":
            asked = [0 if path == "/proc/self/." else int(path.rpartition("/")[2]) for path in argv[3:]]
            out = "".join(f"{self.owners[pid]}\n" for pid in asked if pid in self.owners)
        elif argv[0] == "sh":
            out = "".join(f"{pid} (nginx) S 1{' 0' * 17} 99\n" for pid in self.masters)
        self.tested |= "-t" in argv
        return CommandResult(tuple(argv), 0, out.encode(), b"")


@pytest.mark.parametrize(("masters", "owners"), [
    ((50,), {50: 0}),
    ((60,), {50: 1000, 60: 0}),      # that number is somebody's program now, and root's nginx has another
    ((), {50: 1000}),                # no nginx runs: the test is of the file alone
])
def test_roots_own_is_tested(masters: Sequence[int], owners: Mapping[int, int]) -> None:
    machine = NginxOwnershipMachine(masters, {0: 0, 1: 0, **owners})
    check_config(NGINX_OWNERSHIP_STEP, machine)
    assert machine.tested


@pytest.mark.parametrize(("masters", "owners", "said"), [
    ((50,), {50: 1000}, "uid 1000"),
    ((60,), {50: 1000, 60: 1001}, "uid 1001"),
    ((60,), {50: 1000}, "uid unknown"),
])
def test_anothers_is_refused_by_the_owner_it_has_now(masters: Sequence[int], owners: Mapping[int, int], said: str) -> None:
    machine = NginxOwnershipMachine(masters, {0: 0, 1: 0, **owners})
    with pytest.raises(StepFailed, match=said):
        check_config(NGINX_OWNERSHIP_STEP, machine)
    assert not machine.tested


class Ordinary:
    """Commands as a user without any right run them."""

    WORDS = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all")

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        return run_process.run((*self.WORDS, *argv), stdin=stdin, timeout=timeout)


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root may become another user")
def test_a_user_may_reload_an_nginx_of_their_own() -> None:
    with subprocess.Popen([*Ordinary.WORDS, "sleep", "60"]) as master:
        try:
            with pytest.raises(ConfigRefused):       # asked, by its own words: `sleep` knows no -t
                check_config(replace(NGINX_OWNERSHIP_STEP, master_pid=master.pid, binary="/bin/sleep"), Ordinary())
        finally:
            master.kill()
