"""A fleet for Ansible: machines with real sshds, a fifth of them broken by the lab, some unreachable, some without Python."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.stack.fixer_command import input_options
from tests.built_files import built_collection
from tests.contract import sshd_machines
from tests.contract.container_shell import run_inside, succeeds_inside
from tests.contract.sshd_machines import SYSTEMD_OPTIONS, docker
from tests.trust.file_watch import sshd_lab

BIN = Path(sys.executable).parent
LABEL = "badgateway.test=fleet"
INOTIFY = Path("/proc/sys/fs/inotify")
FAULTS = {"wrong-port": "wrong-port/wrong-port", "missing-env": "crash-missing-env/start-env-var-missing"}
TRIES = 4
BOOTS = 3                       # at a time: the tests of other files compute beside them
BOOT_SECONDS = 300              # for a machine that never boots; one takes a second of one core
# A machine whose backend needs no Python: node behind nginx, at the port that nginx asks or beside it.
NODE_APP = 'require("http").createServer((q, s) => s.end("desk")).listen(9401, "127.0.0.1")\n'
NODE_UNIT = "[Service]\nUser=svc\nExecStart=/usr/bin/node /srv/desk/desk.js\n[Install]\nWantedBy=multi-user.target\n"
NODE_SITE = "server {\n  listen 8080;\n  location / { proxy_pass http://127.0.0.1:PORT; }\n}\n"
STATE = "systemctl list-jobs; systemctl --failed; journalctl -n 40 --no-pager; true"     # why a machine does not boot


def was_cut(report: Mapping[str, Any]) -> bool:
    """Whether a look had no time for all its questions."""
    return any("one look takes at most" in note for note in report.get("notes", ()))


@contextlib.contextmanager
def inotify_limits(machines: int) -> Iterator[None]:
    """Let so many systemds watch files; the limits of the kernel are put back at the end."""
    wanted = {"max_user_instances": 128 + 32 * machines, "max_user_watches": 65_536 + 2_048 * machines}
    before = {name: int((INOTIFY / name).read_text()) for name in wanted}
    raised = {name: value for name, value in wanted.items() if value > before[name]}
    try:
        _write_limits(raised)
        yield
    finally:
        _write_limits({name: before[name] for name in raised})


def _write_limits(limits: Mapping[str, int]) -> None:
    """Whoever may use Docker may write them: the kernel of its containers is this one."""
    if limits and os.access(INOTIFY / next(iter(limits)), os.W_OK):
        for name, value in limits.items():
            (INOTIFY / name).write_text(str(value))
    elif limits:
        docker("run", "--rm", "--privileged", "--entrypoint", "sh", sshd_machines.build_image(), "-c",
               "; ".join(f"echo {value} >{INOTIFY / name}" for name, value in limits.items()))


@dataclass
class Fleet:
    """The machines by the names of the inventory, the installed collection, and how Ansible is run on them."""

    folder: Path
    addresses: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, list[str]] = field(default_factory=dict)     # healthy, wrong-port, missing-env, no-python, unreachable
    inputs: tuple[str, ...] = ()                                  # of missing-env: KEY=VALUE

    @property
    def lines(self) -> Path:
        """The callback's file."""
        return self.folder / "fleet.jsonl"

    def all_reports(self) -> list[dict[str, Any]]:
        """The callback's lines."""
        return [json.loads(line) for line in self.lines.read_text(encoding="utf-8").splitlines()]

    def reports(self) -> dict[str, dict[str, Any]]:
        """The last line of each host."""
        return {report["host"]: report for report in self.all_reports()}

    def run(self, *words: str, code: int | None = 0, seconds: float = 300) -> str:
        """A command of ansible-core on this fleet; its output."""
        done = subprocess.run([BIN / words[0], *words[1:]], capture_output=True, text=True, check=False, timeout=seconds,
                              cwd=self.folder, stdin=subprocess.DEVNULL, env={
            "PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(self.folder), "LC_ALL": "C.UTF-8", "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg")})
        assert code is None or done.returncode == code, f"{done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return f"{done.stdout}{done.stderr}\nrc {done.returncode}"

    def results(self, pattern: str, *words: str, module: str = "diagnose", code: int | None = None) -> dict[str, dict[str, Any]]:
        """Run a module on some hosts; the result of each as `register` gets it. All machines share these cores: a host
        whose look found no time for all its questions, which its notes say, looks again."""
        found = self._results(pattern, *words, module=module, code=code)
        for _ in range(TRIES - 1):
            cut = [name for name, result in found.items() if was_cut(result.get("report", {}))]
            if not cut:
                break
            others = [json.dumps(report) for report in self.all_reports() if report["host"] not in cut]
            found |= self._results(":".join(cut), *words, module=module, code=code)
            with self.lines.open("a", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in others)
        return found

    def playbook(self, *words: str, code: int | None = 0) -> str:
        """Run a playbook; again if a look in it was cut."""
        for _ in range(TRIES):
            shown = self.run("ansible-playbook", *words, code=None)
            if not any(map(was_cut, self.all_reports())):
                break
        assert code is None or f"rc {code}" == shown.splitlines()[-1], shown
        return shown

    def _results(self, pattern: str, *words: str, module: str, code: int | None) -> dict[str, dict[str, Any]]:
        tree = self.folder / f"tree-{uuid.uuid4().hex[:6]}"
        self.run("ansible", pattern, "-m", f"badgateway.fixer.{module}", "-t", str(tree), *words, code=code)
        return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in tree.iterdir()}

    def sh(self, name: str, script: str) -> str:
        """Run a script in a machine as root."""
        return run_inside(self.container(name), script, shell="bash -ec")

    def container(self, name: str) -> str:
        """The container of a machine."""
        return f"{self.folder.name}-{name}".replace("_", "-")


@contextlib.contextmanager
def running_fleet(folder: Path, healthy: int, broken: Mapping[str, int], no_python: int) -> Iterator[Fleet]:
    """Start the machines and write the inventory; take everything down at the end."""
    fleet = Fleet(folder)
    sshd_machines.make_key(folder)
    images: list[str] = []
    with inotify_limits(healthy + sum(broken.values()) + no_python), contextlib.ExitStack() as stack:
        stack.callback(_remove, fleet, images)
        plans: list[tuple[str, str]] = []
        number = 0
        for kind, count in {"healthy": healthy, **broken}.items():
            images.append(_image(fleet, kind))
            for _ in range(count):
                number += 1
                plans.append((f"web-{number:02}", images[-1]))
                fleet.kinds.setdefault(kind, []).append(plans[-1][0])
        plain = sshd_machines.build_image()
        for _ in range(no_python):
            number += 1
            plans.append((f"web-{number:02}", plain))
            fleet.kinds.setdefault("no-python", []).append(plans[-1][0])
        with ThreadPoolExecutor(BOOTS) as pool:
            list(pool.map(lambda plan: _start(fleet, *plan), plans))
        for place, name in enumerate(fleet.kinds.get("no-python", [])):
            _without_python(fleet, name, 9401 if place % 2 else 9402)
        _write_inventory(fleet)
        _install(fleet)
        yield fleet


def _image(fleet: Fleet, kind: str) -> str:
    """An image of the machine of a lab, as the lab left it: broken, or healthy."""
    with sshd_lab(FAULTS.get(kind, "healthy"), "host", seed=3) as lab:
        if kind == "missing-env":
            fleet.inputs = input_options(lab)[1::2]
        _let_in(lab.container(), fleet.folder)
        docker("exec", lab.container(), "systemctl", "enable", "ssh")
        return _layer(lab.container(), fleet.folder / kind)


def _layer(container: str, folder: Path) -> str:
    """An image with what changed in a container. `docker commit` would keep the lab's label, so that whoever takes labs down
    takes these machines down."""
    changed: dict[str, list[str]] = {"A": [], "C": [], "D": []}
    for line in docker("diff", container).splitlines():
        changed[line[0]].append(line[2:])
    packed = subprocess.run(["docker", "exec", "-i", container, "tar", "-cP", "--no-recursion", "--ignore-failed-read", "--null", "-T", "-"],
                            input="\0".join([*changed["A"], *changed["C"]]).encode(), capture_output=True, check=False)
    assert packed.stdout, packed.stderr
    folder.mkdir()
    (folder / "layer.tar").write_bytes(packed.stdout)
    (folder / "gone").write_bytes("\0".join(changed["D"]).encode())
    (folder / "Dockerfile").write_text(f"FROM {docker('inspect', '-f', '{{.Config.Image}}', container)}\nADD layer.tar /\n"
                                       "COPY gone /gone\nRUN xargs -0r rm -rf </gone; rm /gone\n", encoding="ascii")
    image = f"badgateway-test/fleet:{uuid.uuid4().hex[:8]}"
    docker("build", "-q", "-t", image, str(folder))
    return image


def _let_in(container: str, folder: Path) -> None:
    for user, home in (("root", "/root"), ("oncall", "/home/oncall"), ("visitor", "/home/visitor")):
        run_inside(container, f"mkdir -p {home}/.ssh && cat >{home}/.ssh/authorized_keys && chown -R {user}: {home}/.ssh && chmod 700 {home}/.ssh",
                   data=(folder / "key.pub").read_bytes())


def _start(fleet: Fleet, name: str, image: str) -> None:
    """Start one machine, and wait until it has booted and its sshd answers."""
    container = fleet.container(name)
    docker("run", "-d", "--label", LABEL, "--name", container, "--hostname", name, *SYSTEMD_OPTIONS, image)
    fleet.addresses[name] = docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}", container).split()[0]
    if not image.startswith("badgateway-test/"):
        _let_in(container, fleet.folder)
    deadline = time.monotonic() + BOOT_SECONDS
    # a connection costs nothing; a command in a container costs what a tenth of its boot does
    while not (_answers(fleet.addresses[name]) and succeeds_inside(container, "systemctl is-active --quiet multi-user.target", shell="bash -ec")):
        if time.monotonic() > deadline:
            raise AssertionError(f"{name} did not boot: {run_inside(container, STATE, shell='bash -c')}")
        time.sleep(0.2)


def _answers(address: str) -> bool:
    try:
        socket.create_connection((address, 22), timeout=1).close()
    except OSError:
        return False
    return True


def _without_python(fleet: Fleet, name: str, port: int) -> None:
    fleet.sh(name, f"""rm -f /usr/bin/python3*; mkdir -p /srv/desk
printf %s '{NODE_APP}' >/srv/desk/desk.js; printf %s '{NODE_UNIT}' >/etc/systemd/system/desk.service
printf %s '{NODE_SITE.replace("PORT", str(port))}' >/etc/nginx/sites-enabled/desk
systemctl daemon-reload; systemctl enable --now desk; systemctl restart nginx""")


def _write_inventory(fleet: Fleet) -> None:
    """Name the machines, and three that cannot be reached: no machine, no sshd, another host key."""
    folder, first = fleet.folder, fleet.addresses[fleet.kinds["healthy"][0]]
    count = len(fleet.addresses)
    lines = [f"{name} ansible_host={address}" for name, address in sorted(fleet.addresses.items())]
    gone, refused, changed = fleet.kinds.setdefault("unreachable", [f"web-{count + n:02}" for n in (1, 2, 3)])
    lines += [f"{gone} ansible_host={first.rpartition('.')[0]}.253", f"{refused} ansible_host={first} ansible_port=2222",
              f'{changed} ansible_host={first} ansible_ssh_common_args="-o HostKeyAlias=changed -o ControlPath=none"',
              "[fleet]", *sorted([*fleet.addresses, gone, refused, changed]),
              "[odd]", f"sudo-asks ansible_host={first} ansible_user=visitor ansible_become=true",
              f"sudo-works ansible_host={first} ansible_user=oncall ansible_become=true",
              "[all:vars]", "ansible_user=root", f"ansible_ssh_private_key_file={folder}/key"]
    (folder / "hosts.ini").write_text("\n".join(lines) + "\n", encoding="utf-8")
    key = " ".join(docker("exec", fleet.container(min(fleet.addresses)), "cat", "/etc/ssh/ssh_host_ed25519_key.pub").split()[:2])
    wrong = (folder / "key.pub").read_text(encoding="utf-8").split()
    known = [*(f"{address} {key}" for address in fleet.addresses.values()), f"changed {wrong[0]} {wrong[1]}"]
    (folder / "known").write_text("\n".join(known) + "\n", encoding="utf-8")
    sockets = Path("/tmp") / f"bg-{uuid.uuid4().hex[:8]}"      # a socket's path has 108 characters at most
    (folder / "ansible.cfg").write_text(f"""[defaults]
inventory={folder}/hosts.ini
collections_path={folder}
local_tmp={folder}/local
forks=4
timeout=30
nocows=1
retry_files_enabled=false
callbacks_enabled=badgateway.fixer.report
bin_ansible_callbacks=true
[ssh_connection]
ssh_args=-o ControlMaster=auto -o ControlPersist=60s -o ConnectTimeout=30 -o UserKnownHostsFile={folder}/known -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes
control_path_dir={sockets}
[callback_badgateway_report]
report_file={fleet.lines}
""", encoding="utf-8")


def _install(fleet: Fleet) -> None:
    """Install the collection as users do."""
    (fleet.folder / "built").mkdir()
    fleet.run("ansible-galaxy", "collection", "install", "--offline", "-p", str(fleet.folder), str(built_collection(fleet.folder / "built")))


def _remove(fleet: Fleet, images: list[str]) -> None:
    names = docker("ps", "-aq", "--filter", f"label={LABEL}", "--filter", f"name=^{fleet.container('web-')}").split()
    if names:
        docker("rm", "-f", "-v", *names)
    for image in images:
        subprocess.run(["docker", "rmi", "-f", image], capture_output=True, check=False)
