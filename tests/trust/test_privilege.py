"""The table of SECURITY.md, "What each step needs", row by row: who has just that privilege does the step and takes it back;
who has it not is refused, or told what was not seen, and nothing has changed."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest

from fixer.model.plan import ProgramAction, ReloadNginx, SignalProcess, Step, WriteFile
from tests.apply import test_compose
from tests.contract import sshbox
from tests.contract.sshbox import Box, docker
from tests.crash import each_step
from tests.crash.places_killed import carry_fixer_in
from tests.trust import privileged
from tests.trust.privileged import Outcome, Who, attempt

ROOT = Path(__file__).parent.parent.parent
LOOK, EDIT, UNITS = "`diagnose`, `verify`, `collect`", "edit a file, its undo", "reload, start, stop, enable a unit"
NGINX, BOXES = "reload nginx without systemd", "start, restart, re-create a container"
RULES, SIGNAL, PROGRAMS = "firewall rules", "signal a process (CONT)", "start or restart a program of supervisord"

# Not tried here, with the reason.
ELSEWHERE = {
    "ssh://": "the same steps by one shell of the login's user: test_ssh.py and test_ssh_repair.py try root and each kind of sudo",
    "compose://, reload nginx": "tests/apply/test_compose.py does it; it is the same `docker exec` as that of a machine",
    "a container without NET_ADMIN": "the kernel asks the capability alone: tried as root without it",
    "a container without a shell": "tests/contract/test_docker_probes.py",
}

OWN = """
mkdir /srv/own; cd /srv/own
printf 'old\\n' >mine; printf 'old\\n' >grouped
printf 'pid /srv/own/pid;\\nerror_log /srv/own/log;\\nevents {}\\nhttp { access_log off; client_body_temp_path /srv/own/t1; proxy_temp_path /srv/own/t2; fastcgi_temp_path /srv/own/t3; uwsgi_temp_path /srv/own/t4; scgi_temp_path /srv/own/t5; server { listen 127.0.0.1:8096; return 200 own; } }\\n' >nginx.conf
chown -R visitor: .; chgrp root grouped
setpriv --reuid visitor --regid visitor --clear-groups sh -c 'nginx -c /srv/own/nginx.conf; setsid sleep 86400 >/dev/null 2>&1 </dev/null & echo $! >sleeper; kill -STOP $!'
chmod 711 /root
"""


@dataclass
class Grounds:
    """A machine, a project, and users in the one and on the Docker host of both."""

    box: Box
    carried: str
    project: test_compose.Project
    who: dict[str, Who] = field(default_factory=dict)
    kinds: dict[str, tuple[Step, ...]] = field(default_factory=dict)

    def tried(self, word: str, who: str, act: str, steps: tuple[Step, ...] = ()) -> Outcome:
        """In the machine where it is `local`, else from here."""
        if word != "local":
            return attempt(word.format(box=self.box.name, project=self.project.name), self.who[who], act, steps)
        words = ["docker", "exec", "-i", "-e", f"PYTHONPATH={self.carried}", self.box.name]
        words += ["setpriv", "--bounding-set", "-net_admin"] if who == "root without CAP_NET_ADMIN" else []
        done = subprocess.run([*words, "/usr/bin/python3.13", "-c", Path(privileged.__file__).read_text(encoding="utf-8")],
                              capture_output=True, check=False, input=pickle.dumps((word, asdict(self.who[who]), act, steps)))
        assert done.stdout, done.stderr.decode()
        return Outcome(*json.loads(done.stdout))


class Inside(each_step.Place):
    """The machine by the name that it has for itself."""

    def node(self) -> str:
        return "local"


@pytest.fixture(scope="module")
def grounds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grounds]:
    folder = tmp_path_factory.mktemp("box")
    sshbox.make_key(folder)
    made = Box(sshbox.unique("rights"), folder, "--cap-add", "NET_ADMIN")
    shared = Path(tempfile.mkdtemp(prefix="rights"))      # where users without root may pass
    project = None
    try:
        made.sh(each_step.SETUP + OWN)
        shared.chmod(0o755)
        (shared / "project").mkdir()
        project = test_compose.Project(shared / "project", f"rights{uuid.uuid4().hex[:8]}")
        found = Grounds(made, carry_fixer_in(made.name), project)
        for name in ("root", "visitor", "strange"):
            words = made.sh(f"getent passwd {name}").split(":")
            found.who[name] = Who(int(words[2]), int(words[3]), (), words[5])
        found.who["visitor without a state folder"] = Who(**{**asdict(found.who["visitor"]), "state": "/var/lib/badgateway"})
        found.who["root without CAP_NET_ADMIN"] = found.who["root"]
        group = os.stat("/var/run/docker.sock").st_gid
        for uid, name, groups in ((12345, "docker group", (group,)), (12346, "docker group, not its owner", (group,)), (12347, "nobody", ())):
            home = shared / str(uid)
            home.mkdir(mode=0o700)
            os.chown(home, uid, uid)
            found.who[name] = Who(uid, uid, groups, str(home))
        os.chown(shared / "project", 12345, 12345)
        os.chown(project.file, 12345, 12345)
        yield found
    finally:
        made.remove()
        if project is not None:
            project.file.write_text(test_compose.OLD)
            project.compose("down", "-t", "0")
        shutil.rmtree(shared)


def edit(path: str) -> Callable[[Grounds], tuple[Step, ...]]:
    return lambda grounds: (WriteFile("local", path, b"old\n", b"new\n", "change it"),)


def kind(name: str, *, outside: bool = False) -> Callable[[Grounds], tuple[Step, ...]]:
    """A kind of step that a machine has, as local or from outside."""
    def steps(grounds: Grounds) -> tuple[Step, ...]:
        place = (each_step.Place(f"docker://{grounds.box.name}", grounds.box.sh, "") if outside else Inside("local", grounds.box.sh, ""))
        return each_step.kinds(place)[name]

    return steps


def site(grounds: Grounds) -> tuple[Step, ...]:
    return (WriteFile("local", each_step.SITE, each_step.site("old").encode(), each_step.site("new").encode(), "change it"),)


def own_reload(grounds: Grounds) -> tuple[Step, ...]:
    pid = int(grounds.box.sh("cat /srv/own/pid"))
    return (ReloadNginx("local", pid, "/usr/sbin/nginx", "/srv/own/nginx.conf", "/srv/own", "/srv/own/log", explicit=True),)


def own_process(grounds: Grounds) -> tuple[Step, ...]:
    pid, ticks = grounds.box.sh("p=$(cat /srv/own/sleeper); set -- $(cat /proc/$p/stat); shift 21; echo $p $1").split()
    return (SignalProcess("local", int(pid), int(ticks), "CONT", "let it go on"),)


def program(owner: str) -> Callable[[Grounds], tuple[Step, ...]]:
    """Of a supervisord whose socket is that user's."""
    def steps(grounds: Grounds) -> tuple[Step, ...]:
        grounds.box.sh(f"chown {owner} /run/supervisor.sock")
        return (ProgramAction("local", "each", "each", "start", each_step.SUPERVISOR, "STOPPED"),)

    return steps


def container(grounds: Grounds) -> tuple[Step, ...]:
    docker("stop", "-t", "0", grounds.project.worker)
    return (grounds.project.act("start", "exited"),)


def service(grounds: Grounds) -> tuple[Step, ...]:
    grounds.project.compose("up", "-d")
    return (grounds.project.edit(), grounds.project.up())


@dataclass(frozen=True)
class Trial:
    """A step with who may do it and who may not, what shows that it was done, and what the refusal says."""

    row: str
    steps: Callable[[Grounds], tuple[Step, ...]]
    may: str
    may_not: str
    state: str
    says: str
    word: str = "local"
    returns: bool = True      # its undo leads to the very same state


MACHINE, PROJECT = "docker://{box}", "compose://{project}"
_NO_DOCKER = "Docker daemon cannot be reached"
_MINE, _WORKERS = "cat /srv/own/{0}", "cat /proc/$(cat /srv/own/pid)/task/*/children"
_STATE = "read -r a b c d </proc/$(cat {0})/stat; echo $c"
_PROGRAM = "supervisorctl status each | tr -s ' ' | cut -d' ' -f1,2"
TRIALS = (
    Trial(EDIT, edit("/srv/own/mine"), "visitor", "strange", _MINE.format("mine"), "denied|not permitted"),
    Trial(EDIT, edit("/srv/own/grouped"), "root", "visitor", _MINE.format("grouped"), "only root, or that user in that group"),
    Trial(EDIT, edit("/srv/own/mine"), "visitor", "visitor without a state folder", _MINE.format("mine"), "out of reach"),
    Trial(EDIT, site, "root", "visitor", f"cat {each_step.SITE}", "denied"),
    Trial(EDIT, kind("files", outside=True), "docker group", "nobody", each_step.STATES["files"], _NO_DOCKER, MACHINE),
    Trial(EDIT, service, "docker group", "docker group, not its owner", "cat {file}", "denied|not permitted|belongs to", PROJECT),
    Trial(UNITS, kind("service"), "root", "visitor", each_step.STATES["service"], "denied|uthentication|Failed to connect"),
    Trial(UNITS, kind("service", outside=True), "docker group", "nobody", each_step.STATES["service"], _NO_DOCKER, MACHINE),
    Trial(NGINX, own_reload, "visitor", "strange", _WORKERS, "not permitted|denied", returns=False),
    Trial(NGINX, own_reload, "visitor", "root", _WORKERS, "run fixer as that user", returns=False),
    Trial(NGINX, kind("start of nginx"), "root", "visitor", each_step.STATES["start of nginx"], "."),
    Trial(NGINX, kind("start of nginx", outside=True), "docker group", "nobody", each_step.STATES["start of nginx"], _NO_DOCKER, MACHINE),
    Trial(BOXES, container, "docker group", "nobody", "{status}", _NO_DOCKER, PROJECT),
    Trial(RULES, kind("rule out"), "root", "visitor", each_step.STATES["rule out"], "not permitted|denied|oot"),
    Trial(RULES, kind("rule in"), "root", "root without CAP_NET_ADMIN", each_step.STATES["rule in"], "not permitted|denied|oot"),
    Trial(RULES, kind("rule in", outside=True), "docker group", "nobody", each_step.STATES["rule in"], _NO_DOCKER, MACHINE),
    Trial(SIGNAL, kind("process"), "root", "visitor", each_step.STATES["process"], "not permitted"),
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


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("trial", TRIALS, ids=lambda t: re.sub(r"\W+", "-", f"{t.row} {t.word} as {t.may} not {t.may_not}").strip("-"))
def test_a_step_needs_what_the_table_says_and_no_more(grounds: Grounds, trial: Trial) -> None:
    def state() -> str:
        if trial.word == PROJECT:
            return grounds.project.file.read_text() + grounds.project.look(field="{{.State.Status}} {{json .Config.Cmd}}")
        return grounds.box.sh(f"{{ {trial.state}; }} 2>&1 || true")

    steps = trial.steps(grounds)
    before = state()
    refused = grounds.tried(trial.word, trial.may_not, "repair", steps)
    assert refused.code in (1, 3, 4) and re.search(trial.says, refused.said), refused
    assert state() == before
    done = grounds.tried(trial.word, trial.may, "repair", steps)
    assert done == Outcome(0, "")
    assert state() != before
    assert grounds.tried(trial.word, trial.may, "undo") == Outcome(0, "")
    assert not trial.returns or state() == before


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_look_needs_nobody_and_names_what_was_not_seen(grounds: Grounds) -> None:
    """As root all is seen; as anybody else what is not is named; through Docker its group is needed."""
    seen = {who: grounds.tried("local", who, "diagnose") for who in ("root", "visitor")}
    assert {outcome.code for outcome in seen.values()} == {0}, seen
    assert "not root" not in seen["root"].said and "not root" in seen["visitor"].said
    assert grounds.tried(MACHINE, "docker group", "diagnose").code == 0
    refused = grounds.tried(MACHINE, "nobody", "diagnose")
    assert refused.code == 3 and _NO_DOCKER in refused.said
