"""Of two nginxes on a host a reload reaches the one whose configuration was edited, whatever its number is by now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from fixer.apply.steps.nginx_step import NginxNotRunning, check_config, find_master
from fixer.errors import StepFailed, Unreachable
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
    with pytest.raises(StepFailed, match="2 others"):
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
