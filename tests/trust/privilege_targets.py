"""Where privileges are tried: a machine with users of every kind, a project, and users on the Docker host of both."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import pytest

from fixer.hosts.docker_engine import docker_cli
from fixer.model.plan import Step
from lab.stack import images
from tests.apply.steps import test_container_step
from tests.contract import sshd_machines
from tests.contract.sshd_machines import SshdMachine, docker
from tests.crash import step_kills
from tests.crash.broken_targets import copy_fixer_into
from tests.trust import privileged_step
from tests.trust.privileged_step import Outcome, Rights, run_as

LOCAL, SSH, MACHINE = "local", "ssh://{login}@{address}", "docker://{box}"
PROJECT, PAGES, WEAK, BARE = "compose://{project}", "compose://{pages}", "docker://{pages}-weak-1", "docker://{pages}-bare-1"
# What a user of the machine is there, by what it shows. sudo is there for its own group only, as on many a host.
LOGINS = {"root": "root", "visitor": "visitor", "strange": "strange", "sudo without a password": "oncall",
          "sudo for single commands": "narrow"}

SETUP_SCRIPT = """
mkdir /srv/own; cd /srv/own
printf 'old\\n' >mine; printf 'old\\n' >grouped
printf 'pid /srv/own/pid;\\nerror_log /srv/own/log;\\nevents {}\\nhttp { access_log off; client_body_temp_path /srv/own/t1; proxy_temp_path /srv/own/t2; fastcgi_temp_path /srv/own/t3; uwsgi_temp_path /srv/own/t4; scgi_temp_path /srv/own/t5; server { listen 127.0.0.1:8096; return 200 own; } }\\n' >nginx.conf
chown -R visitor: .; chgrp root grouped
setpriv --reuid visitor --regid visitor --clear-groups sh -c 'nginx -c /srv/own/nginx.conf; setsid sleep 86400 >/dev/null 2>&1 </dev/null & echo $! >sleeper; kill -STOP $!'
chmod 711 /root
groupadd admins; useradd -m -s /bin/sh narrow; usermod -p '*' narrow; usermod -aG admins narrow; usermod -aG admins oncall
chgrp admins /usr/bin/sudo; chmod 4750 /usr/bin/sudo
printf 'narrow ALL=(root) NOPASSWD: /usr/sbin/nginx -t, /usr/bin/systemctl reload nginx, /usr/bin/systemctl start other\\n' >/etc/sudoers.d/narrow
cp -a /home/visitor/.ssh /home/narrow/; chown -R narrow: /home/narrow/.ssh
"""
# With no program beside it but Python; its child is stopped.
_BARE = "import os, signal, time\nif not os.fork():\n    os.kill(os.getpid(), signal.SIGSTOP)\ntime.sleep(86400)"
_REMOVE = "import os; [os.unlink(f'/usr/bin/{n}') for n in os.listdir('/usr/bin') if not n.startswith('python')]"
_RULES = "iptables -N EACH; iptables -A EACH -p tcp -m tcp --dport 22 -j ACCEPT; iptables -A EACH -p icmp -j DROP"


def pages_text(image: str, bare: str) -> str:
    """A project with an nginx, a container whose root has no NET_ADMIN, and one without a shell."""
    command = json.dumps(["python3", "-c", _BARE])
    return f"""services:
  web:
    image: {image}
    command: ["nginx", "-g", "daemon off;"]
    labels: [{sshd_machines.LABEL}]
  weak:
    image: {image}
    command: ["sleep", "86400"]
    labels: [{sshd_machines.LABEL}]
  bare:
    image: {bare}
    user: "33"
    command: {command}
    labels: [{sshd_machines.LABEL}]
"""


@dataclass
class PrivilegeTargets:
    """A machine, two projects, and users in the one and on the Docker host of all."""

    box: SshdMachine
    carried: str
    project: test_container_step.Project
    pages: test_container_step.Project
    who: dict[str, Rights] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def target_of(self, word: str, who: str) -> str:
        """The target itself."""
        return word.format(box=self.box.name, project=self.project.name, pages=self.pages.name,
                           login=LOGINS.get(who, ""), address=self.box.address)

    def steps_for(self, word: str, steps: tuple[Step, ...]) -> tuple[Step, ...]:
        """The machine's steps by the name that it has as that target."""
        name = {LOCAL: "local", SSH: self.box.address, MACHINE: self.box.name}.get(word)
        return steps if name is None else tuple(replace(step, node=name) for step in steps)  # type: ignore[call-arg]

    def attempt_as(self, word: str, who: str, act: str, steps: tuple[Step, ...] = ()) -> Outcome:
        """In the machine where it is `local`, else from here."""
        if word != LOCAL:
            return run_as(self.target_of(word, who), self.who["root here" if word == SSH or who == "root" else who], act, steps)
        words = ["docker", "exec", "-i", "-e", f"PYTHONPATH={self.carried}", self.box.name]
        words += ["setpriv", "--bounding-set", "-net_admin"] if who == "root without CAP_NET_ADMIN" else []
        done = subprocess.run([*words, "/usr/bin/python3.13", "-c", Path(privileged_step.__file__).read_text(encoding="utf-8")],
                              capture_output=True, check=False, input=pickle.dumps((word, asdict(self.who[who]), act, steps)))
        assert done.stdout, done.stderr.decode()
        return Outcome(*json.loads(done.stdout))

    def child(self) -> tuple[int, int, int]:
        """The stopped process of the container without a shell: as the Docker host and as the container call it, and
        its start."""
        pid = docker_cli.pid_of(docker_cli.inspect_one(f"{self.pages.name}-bare-1"))
        here = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
        fields: Mapping[str, str] = dict(
            line.split(":\t", 1) for line in Path(f"/proc/{here}/status").read_text().splitlines() if ":\t" in line)
        ticks = Path(f"/proc/{here}/stat").read_text().rpartition(") ")[2].split()[19]
        return here, int(fields["NSpid"].split()[-1]), int(ticks)


@pytest.fixture(scope="module")
def grounds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivilegeTargets]:
    folder = tmp_path_factory.mktemp("box")
    sshd_machines.make_key(folder)
    made = SshdMachine(sshd_machines.unique_name("rights"), folder, "--cap-add", "NET_ADMIN")
    shared = Path(tempfile.mkdtemp(prefix="rights"))      # where users without root may pass
    bare = f"badgateway-test/{sshd_machines.unique_name('bare')}"
    projects: list[test_container_step.Project] = []
    try:
        with pytest.MonkeyPatch.context() as patch:
            (folder / "known").write_text(f"{made.address} {made.host_key}\n")
            (folder / "config").write_text(
                f"Host *\n  IdentityFile {folder}/key\n  UserKnownHostsFile {folder}/known\n  GlobalKnownHostsFile /dev/null\n")
            patch.setenv("BADGATEWAY_SSH", f"ssh -F {folder}/config")
            made.sh(step_kills.SETUP + SETUP_SCRIPT)
            shared.chmod(0o755)
            app = images.ensure(lambda line: None)["app"]
            docker("build", "-q", "-t", bare, "-", data=f'FROM {app}\nUSER root\nRUN ["/usr/bin/python3", "-c", "{_REMOVE}"]\n'.encode())
            for name, text in (("project", test_container_step.OLD), ("pages", pages_text(sshd_machines.build_image(), bare))):
                (shared / name).mkdir()
                projects.append(test_container_step.Project(shared / name, f"{name}{uuid.uuid4().hex[:8]}", text))
            docker("exec", "--privileged", f"{projects[1].name}-weak-1", "sh", "-ec", _RULES)
            found = PrivilegeTargets(made, copy_fixer_into(made.name), *projects)
            add_users(found, shared)
            yield found
    finally:
        made.remove()
        for one in projects:
            one.compose("down", "-t", "0")
        subprocess.run(["docker", "rmi", bare], capture_output=True, check=False)
        shutil.rmtree(shared)


def add_users(found: PrivilegeTargets, shared: Path) -> None:
    """Those of the machine, and those here by numbers that nobody has."""
    for name in ("root", "visitor", "strange"):
        words = found.box.sh(f"getent passwd {name}").split(":")
        found.who[name] = Rights(int(words[2]), int(words[3]), (), words[5])
    found.who["visitor without a state folder"] = replace(found.who["visitor"], state="/var/lib/badgateway")
    found.who["root without CAP_NET_ADMIN"] = found.who["root"]
    found.who["root here"] = Rights(0, 0, (), "/root", str(shared / "state"))
    group = os.stat("/var/run/docker.sock").st_gid
    for uid, name, groups in ((12345, "docker group", (group,)), (12346, "docker group, not its owner", (group,)), (12347, "nobody", ())):
        home = shared / str(uid)
        home.mkdir(mode=0o700)
        os.chown(home, uid, uid)
        found.who[name] = Rights(uid, uid, groups, str(home))
    os.chown(found.project.file.parent, 12345, 12345)
    os.chown(found.project.file, 12345, 12345)
