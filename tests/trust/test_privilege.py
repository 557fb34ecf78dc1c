"""The table of SECURITY.md, "What each step needs", row by row: who has just that privilege does the step and takes it back;
who has it not is refused, or told what was not seen, and nothing has changed.

By day a third of each row's trials, drawn from the commit; all at night, or with BADGATEWAY_KILLS=all."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from fixer.model.plan import ChangeRule, ProgramAction, ReloadNginx, SignalProcess, Step, WriteFile
from tests.contract.sshd_machines import docker
from tests.crash import step_kills
from tests.crash.crash_draw import draw_by_day
from tests.trust import privilege_targets as places
from tests.trust.privilege_targets import BARE, LOCAL, MACHINE, PAGES, PROJECT, SSH, WEAK, PrivilegeTargets
from tests.trust.privileged_step import Outcome

ROOT = Path(__file__).parent.parent.parent
LOOK, EDIT, UNITS = "`diagnose`, `verify`, `collect`", "edit a file, its undo", "reload, start, stop, enable a unit"
NGINX, BOXES = "reload nginx without systemd", "start, restart, re-create a container"
RULES, SIGNAL, PROGRAMS = "firewall rules", "signal a process (CONT)", "start or restart a program of supervisord"

# Not tried here, with the reason.
ELSEWHERE = {
    "ssh://, containers": "tests/contract/test_ssh_containers.py, as who may use Docker there and as who may not",
    "ssh://, a sudo that wants a password": "tests/contract/test_ssh_targets.py",
}

grounds = places.grounds


class Inside(step_kills.StepTarget):
    """The machine by the name that it has for itself."""

    def node(self) -> str:
        return LOCAL


def edit(path: str) -> Callable[[PrivilegeTargets], tuple[Step, ...]]:
    return lambda grounds: (WriteFile("local", path, b"old\n", b"new\n", "change it"),)


def kind(name: str) -> Callable[[PrivilegeTargets], tuple[Step, ...]]:
    """A kind of step that a machine has."""
    return lambda grounds: step_kills.steps_by_kind(Inside(LOCAL, grounds.box.sh, ""))[name]


def site(grounds: PrivilegeTargets) -> tuple[Step, ...]:
    return (WriteFile("local", step_kills.SITE, step_kills.site_text("old").encode(), step_kills.site_text("new").encode(), "change it"),)


def own_reload(grounds: PrivilegeTargets) -> tuple[Step, ...]:
    pid = int(grounds.box.sh("cat /srv/own/pid"))
    return (ReloadNginx("local", pid, "/usr/sbin/nginx", "/srv/own/nginx.conf", "/srv/own", "/srv/own/log", explicit=True),)


def own_process(grounds: PrivilegeTargets) -> tuple[Step, ...]:
    pid, ticks = grounds.box.sh("p=$(cat /srv/own/sleeper); set -- $(cat /proc/$p/stat); shift 21; echo $p $1").split()
    return (SignalProcess("local", int(pid), int(ticks), "CONT", "let it go on"),)


def program(owner: str) -> Callable[[PrivilegeTargets], tuple[Step, ...]]:
    """Of a supervisord whose socket is that user's."""
    def steps(grounds: PrivilegeTargets) -> tuple[Step, ...]:
        grounds.box.sh(f"chown {owner} /run/supervisor.sock")
        return (ProgramAction("local", "each", "each", "start", step_kills.SUPERVISOR, "STOPPED"),)

    return steps


def project_reload(grounds: PrivilegeTargets) -> tuple[Step, ...]:
    return (ReloadNginx("web", 1, *step_kills.NGINX, "/var/log/nginx/error.log"),)


def weak_rule(grounds: PrivilegeTargets) -> tuple[Step, ...]:
    """In a container: the words of the table are the kernel's, not a program's."""
    name = f"{grounds.pages.name}-weak-1"
    table = tuple(docker("exec", "--privileged", name, "sh", "-c", "iptables -S EACH | sed -n 's/^-A EACH //p'").splitlines())
    return (ChangeRule(name, "iptables", "", "filter", "EACH", "add", "-p tcp -m tcp --dport 8000 -j ACCEPT", 1, table),)


def bare_process(grounds: PrivilegeTargets) -> tuple[Step, ...]:
    _, pid, ticks = grounds.child()
    return (SignalProcess(f"{grounds.pages.name}-bare-1", pid, ticks, "CONT", "let it go on"),)


def container(grounds: PrivilegeTargets) -> tuple[Step, ...]:
    docker("stop", "-t", "0", grounds.project.worker)
    return (grounds.project.act("start", "exited"),)


def service(grounds: PrivilegeTargets) -> tuple[Step, ...]:
    grounds.project.compose("up", "-d")
    return (grounds.project.edit(), grounds.project.up())


@dataclass(frozen=True)
class Trial:
    """A step with who may do it and who may not, what shows that it was done, and what the refusal says."""

    row: str
    steps: Callable[[PrivilegeTargets], tuple[Step, ...]]
    may: str
    may_not: str
    state: str
    says: str
    word: str = LOCAL
    returns: bool = True      # its undo leads to the very same state


_NO_DOCKER, _NO_SUDO = "Docker daemon cannot be reached", "sudo refuses"
_MINE, _WORKERS = "cat /srv/own/{0}", "cat /proc/$(cat /srv/own/pid)/task/*/children"
_STATE = "read -r a b c d </proc/$(cat {0})/stat; echo $c"
_PROGRAM = "supervisorctl status each | tr -s ' ' | cut -d' ' -f1,2"
TRIALS = (
    Trial(EDIT, edit("/srv/own/mine"), "visitor", "strange", _MINE.format("mine"), "denied|not permitted"),
    Trial(EDIT, edit("/srv/own/grouped"), "root", "visitor", _MINE.format("grouped"), "only root, or that user in that group"),
    Trial(EDIT, edit("/srv/own/mine"), "visitor", "visitor without a state folder", _MINE.format("mine"), "cannot be used"),
    Trial(EDIT, site, "root", "visitor", f"cat {step_kills.SITE}", "denied"),
    Trial(EDIT, kind("files"), "docker group", "nobody", step_kills.STATES["files"], _NO_DOCKER, MACHINE),
    Trial(EDIT, service, "docker group", "docker group, not its owner", "cat {file}", "denied|not permitted|its owner is", PROJECT),
    Trial(UNITS, kind("service"), "root", "visitor", step_kills.STATES["service"], "denied|uthentication|Failed to connect"),
    Trial(UNITS, kind("service"), "docker group", "nobody", step_kills.STATES["service"], _NO_DOCKER, MACHINE),
    Trial(NGINX, own_reload, "visitor", "strange", _WORKERS, "not permitted|denied", returns=False),
    Trial(NGINX, own_reload, "visitor", "root", _WORKERS, "run fixer as that user", returns=False),
    Trial(NGINX, kind("start of nginx"), "root", "visitor", step_kills.STATES["start of nginx"], "."),
    Trial(NGINX, kind("start of nginx"), "docker group", "nobody", step_kills.STATES["start of nginx"], _NO_DOCKER, MACHINE),
    Trial(NGINX, project_reload, "docker group", "nobody", "{web}", _NO_DOCKER, PAGES, returns=False),
    Trial(EDIT, edit("/srv/own/mine"), "visitor", "sudo for single commands", _MINE.format("mine"), _NO_SUDO, SSH),
    Trial(EDIT, edit("/srv/own/mine"), "visitor", "strange", _MINE.format("mine"), "denied|not permitted", SSH),
    Trial(EDIT, site, "sudo without a password", "visitor", f"cat {step_kills.SITE}", "denied", SSH),
    Trial(UNITS, kind("service"), "sudo without a password", "sudo for single commands", step_kills.STATES["service"], _NO_SUDO, SSH),
    Trial(UNITS, kind("service"), "root", "visitor", step_kills.STATES["service"], "denied|uthentication|Failed to connect", SSH),
    Trial(NGINX, own_reload, "visitor", "strange", _WORKERS, "not permitted|denied", SSH, returns=False),
    Trial(NGINX, own_reload, "visitor", "sudo without a password", _WORKERS, "run fixer as that user", SSH, returns=False),
    Trial(NGINX, kind("start of nginx"), "sudo without a password", "visitor", step_kills.STATES["start of nginx"], ".", SSH),
    Trial(RULES, kind("rule out"), "sudo without a password", "visitor", step_kills.STATES["rule out"], "not permitted|denied|oot", SSH),
    Trial(RULES, kind("rule in"), "root", "sudo for single commands", step_kills.STATES["rule in"], _NO_SUDO, SSH),
    Trial(RULES, kind("rule out"), "docker group", "nobody", step_kills.STATES["rule out"], _NO_DOCKER, MACHINE),
    Trial(SIGNAL, kind("process"), "sudo without a password", "visitor", step_kills.STATES["process"], "not permitted", SSH),
    Trial(SIGNAL, own_process, "visitor", "strange", _STATE.format("/srv/own/sleeper"), "not permitted", SSH),
    Trial(SIGNAL, kind("process"), "docker group", "nobody", step_kills.STATES["process"], _NO_DOCKER, MACHINE),
    Trial(SIGNAL, bare_process, "root", "docker group", "{bare}", "has no shell, and fixer cannot observe it", BARE),
    Trial(PROGRAMS, program("root"), "sudo without a password", "visitor", _PROGRAM, "denied|may not", SSH),
    Trial(PROGRAMS, program("visitor"), "visitor", "strange", _PROGRAM, "denied|may not", SSH),
    Trial(PROGRAMS, program("root"), "docker group", "nobody", _PROGRAM, _NO_DOCKER, MACHINE),
    Trial(BOXES, container, "docker group", "nobody", "{status}", _NO_DOCKER, PROJECT),
    Trial(RULES, kind("rule out"), "root", "visitor", step_kills.STATES["rule out"], "not permitted|denied|oot"),
    Trial(RULES, kind("rule in"), "root", "root without CAP_NET_ADMIN", step_kills.STATES["rule in"], "not permitted|denied|oot"),
    Trial(RULES, kind("rule in"), "docker group", "nobody", step_kills.STATES["rule in"], _NO_DOCKER, MACHINE),
    Trial(SIGNAL, kind("process"), "root", "visitor", step_kills.STATES["process"], "not permitted"),
    Trial(SIGNAL, own_process, "visitor", "strange", _STATE.format("/srv/own/sleeper"), "not permitted"),
    Trial(PROGRAMS, program("root"), "root", "visitor", _PROGRAM, "denied|may not"),
    Trial(PROGRAMS, program("visitor"), "visitor", "strange", _PROGRAM, "denied|may not"),
)


def rows() -> list[str]:
    """The first cells of the table."""
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8").partition("## What each step needs")[2]
    return [line.split(" | ")[0].removeprefix("| ") for line in text.splitlines() if line.startswith("| ")][2:]


def test_every_row_has_a_trial() -> None:
    assert len(rows()) > 5 and set(rows()) == {LOOK, *(trial.row for trial in TRIALS)}


def name(trial: Trial) -> str:
    return re.sub(r"\W+", "-", f"{trial.row} {trial.word} as {trial.may} not {trial.may_not}").strip("-")


def drawn() -> list[Trial]:
    """A third of each row's by day."""
    rows_of = {row: [trial for trial in TRIALS if trial.row == row] for row in dict.fromkeys(trial.row for trial in TRIALS)}
    return [trial for row, trials in rows_of.items() for trial in draw_by_day(trials, f"privilege {row}", -(-len(trials) // 3))]


def test_the_draw_has_each_row() -> None:
    assert {trial.row for trial in drawn()} == {trial.row for trial in TRIALS}


def seen(grounds: PrivilegeTargets, trial: Trial) -> str:
    """What the step may change, as it is now."""
    if trial.word == PROJECT:
        return grounds.project.file.read_text() + grounds.project.look(field="{{.State.Status}} {{json .Config.Cmd}}")
    if trial.word == PAGES:
        return docker("exec", f"{grounds.pages.name}-web-1", "sh", "-c", "cat /proc/1/task/*/children")
    if trial.word == BARE:
        return Path(f"/proc/{grounds.child()[0]}/stat").read_text().rpartition(") ")[2].split()[0]
    return grounds.box.sh(f"{{ {trial.state}; }} 2>&1 || true")


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("trial", drawn(), ids=name)
def test_a_step_needs_what_the_table_says_and_no_more(grounds: PrivilegeTargets, trial: Trial) -> None:
    steps = grounds.steps_for(trial.word, trial.steps(grounds))
    before = seen(grounds, trial)
    refused = grounds.attempt_as(trial.word, trial.may_not, "repair", steps)
    assert refused.code in (1, 3, 4) and re.search(trial.says, refused.message), refused
    assert seen(grounds, trial) == before
    done = grounds.attempt_as(trial.word, trial.may, "repair", steps)
    assert done == Outcome(0, "")
    assert seen(grounds, trial) != before
    assert grounds.attempt_as(trial.word, trial.may, "undo") == Outcome(0, "")
    assert not trial.returns or seen(grounds, trial) == before


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_container_without_net_admin_keeps_its_rules(grounds: PrivilegeTargets) -> None:
    """Not even its root has them changed; no group of the Docker host helps."""
    before = weak_rule(grounds)
    refused = grounds.attempt_as(WEAK, "docker group", "repair", before)
    assert refused.code in (1, 4) and re.search("not permitted|denied|oot", refused.message), refused
    assert weak_rule(grounds) == before


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_look_needs_nobody_and_names_what_was_not_seen(grounds: PrivilegeTargets) -> None:
    """As root all is seen; as anybody else what is not is named; through Docker its group is needed."""
    for word in (LOCAL, SSH):
        seen = {who: grounds.attempt_as(word, who, "diagnose") for who in ("root", "visitor")}
        assert {outcome.code for outcome in seen.values()} == {0}, seen
        assert "not root" not in seen["root"].message and "not root" in seen["visitor"].message
    narrow = grounds.attempt_as(SSH, "sudo for single commands", "diagnose")
    assert narrow.code == 0 and "sudo there refuses" in narrow.message, narrow
    assert "not root" not in grounds.attempt_as(SSH, "sudo without a password", "diagnose").message
    for word in (MACHINE, PAGES):
        assert grounds.attempt_as(word, "docker group", "diagnose").code == 0
        refused = grounds.attempt_as(word, "nobody", "diagnose")
        assert refused.code == 3 and _NO_DOCKER in refused.message


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_only_root_sees_of_a_container_without_a_shell_is_named(grounds: PrivilegeTargets) -> None:
    for word in (BARE, PAGES):
        seen = {who: grounds.attempt_as(word, who, "diagnose") for who in ("root", "docker group")}
        assert {outcome.code for outcome in seen.values()} == {0}, seen
        told = {who: "only root on its Docker host sees its processes" in outcome.message for who, outcome in seen.items()}
        assert told == {"root": False, "docker group": True}, seen
