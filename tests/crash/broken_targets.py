"""Real broken places on which fixer is killed: what they are like now in every respect that a repair may change."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

from lab.http_get import get_status
from lab.stack.docker_command import labelled_ids
from lab.stack.running_lab import Lab
from lab.trial import walk
from lab.trial.manifest import ROOTS, folder_manifest
from tests.contract.sshd_machines import SshdMachine
from tests.crash.crash_draw import ALL

State = Mapping[str, Any]

_REPLACED_LABEL = "com.docker.compose.replace"      # of a container in whose place Compose made this one

# What a machine runs and lets through, without what counts or ages. What is enabled for good are links below /etc.
_RUNNING_SCRIPT = r"""
read -r up x </proc/uptime
tried=" $(systemctl show -p Id -p NRestarts -p SubState -p ActiveEnterTimestampMonotonic '*.service' | awk -F= -v now="${up%.*}" '
  function out() { if (sub_state == "auto-restart" || restarts > 0 && sub_state == "running" && now - begun / 1000000 < 10) printf "%s ", id }
  $1 == "Id" { id = $2 } $1 == "NRestarts" { restarts = $2 } $1 == "SubState" { sub_state = $2 } $1 == "ActiveEnterTimestampMonotonic" { begun = $2 }
  $0 == "" { out(); restarts = 0 } END { out() }')"
systemctl list-units --type=service,socket,timer --state=active,activating --plain --no-legend --no-pager | while read -r u l a s x; do
  case "$tried" in *" $u "*) echo "unit $u tried"; continue ;; esac      # systemd starts it again and again: it is not over yet
  case "$s $x" in "exited LSB:"*) ;; *) echo "up $u" ;; esac      # an init script with nothing running: no undo brings that back
done
find /run/systemd/system /run/systemd/transient -printf 'until the next boot %p %l\n' 2>/dev/null
{ iptables-save; ip6tables-save; nft -s list ruleset; } 2>/dev/null | sed 's/^#.*//; s/\[[0-9:]*\]$//'
ip route show table all 2>/dev/null | grep -v '^local\|^broadcast\|^multicast' || true
for p in /proc/[0-9]*/stat; do read -r a b c d <"$p" && [ "$c" = T ] && echo "stopped $b"; done 2>/dev/null
supervisorctl status 2>/dev/null | while read -r p s x; do
  case "$s $x" in "RUNNING pid "*", uptime 0:00:0"?) s=STARTING ;; esac      # one that ends later than startsecs is called running in each try
  echo "program $p $s"
done
true
"""
_DOWN = re.compile("(?<=^program) (.*) (?:FATAL|STOPPED|EXITED)$")     # no undo brings the mark of a failure back
_TRIED = re.compile("(?<=^program) (.*) (?:STARTING|BACKOFF)$")        # it is not over yet


def machine_state(name: str, python: str = "python3") -> State:
    """Files with owner and mode, units, rules, routes and stopped processes of a machine."""
    program = Path(walk.__file__).read_bytes()
    walked = subprocess.run(["docker", "exec", "-i", name, python, "-", *ROOTS], input=program, capture_output=True, check=True)
    running = subprocess.run(["docker", "exec", name, "sh", "-c", _RUNNING_SCRIPT], capture_output=True, text=True, check=True).stdout
    lines = [_TRIED.sub(r" \1 tried", _DOWN.sub(r" \1 down", line)) for line in running.splitlines() if _is_steady(line)]
    return {**json.loads(walked.stdout), "running": lines}


def has_retrying_program(state: State) -> bool:
    """Whether a manager tries something there that may not stay up: on a busy machine that takes a minute."""
    return any(line.startswith(("program ", "unit ")) and line.endswith(" tried") for line in state.get("running", ()))


def _is_steady(line: str) -> bool:
    """Without what comes and goes by itself."""
    return bool(line.strip()) and not any(word in line for word in ("systemd-", "logrotate", "apt-", "dpkg-", "e2scrub", "fstrim", "user@", "session-"))


def project_state(lab: Lab) -> State:
    """The lab's folder, and what its containers are: status, networks with names, what they were deployed from, what the
    packet filter of their own network lets through."""
    found: dict[str, Any] = dict(folder_manifest(lab.folder))
    for item in json.loads(subprocess.run(["docker", "inspect", *labelled_ids("container", lab.id)], capture_output=True, check=True).stdout):
        labels, networks = item["Config"]["Labels"], item["NetworkSettings"]["Networks"]
        status = item["State"]["Status"].replace("restarting", "running")      # in a crash loop it is the one or the other
        if status == "created" and _REPLACED_LABEL in labels:      # Compose made it anew; only a run could make it "exited"
            status = "exited"
        found[f"container {item['Name']}"] = (
            status, labels.get("com.docker.compose.config-hash"), tuple(sorted(networks)),
            _filter_rules(item["State"]["Pid"], lab.id if item["HostConfig"]["NetworkMode"] == "host" else ""))
    return found


def _filter_rules(pid: int, name: str) -> str:
    """The rules of a container's own network, without what counts; empty where it does not run. Of the engine's host
    only those that carry this name: the others come and go with what others have up."""
    words = ["nsenter", "-t", str(pid), "-n", "sh", "-c", "iptables-save -t filter; ip6tables-save -t filter"]
    told = subprocess.run(words, capture_output=True, text=True, check=False).stdout if pid else ""
    rules = [re.sub(r"\[[0-9:]*\]$", "", line) for line in told.splitlines() if not line.startswith("#") and name in line]
    return "\n".join(rules) if any(line.startswith("-A") for line in rules) else ""


def copy_fixer_into(name: str) -> str:
    """fixer, what it needs at run time and what kills it, in a folder of the machine that no comparison looks at."""
    folder, packages = "/root/carried", Path(typer.__file__).parents[1]
    here = Path(__file__).parents[2]
    parts = [(here, part) for part in ("fixer", "tests/__init__.py", "tests/crash/__init__.py", "tests/crash/killed_fixer.py", "tests/crash/step_kills.py")]
    parts += [(packages, part) for part in ("typer", "annotated_doc", "shellingham")]
    words = [word for root, part in parts for word in ("-C", str(root), part)]
    packed = subprocess.run(["tar", "-c", "--exclude=__pycache__", *words], capture_output=True, check=True).stdout
    subprocess.run(["docker", "exec", "-i", name, "sh", "-c", f"mkdir {folder} && tar -x -C {folder} && python3 -m compileall -q {folder}"], input=packed, check=True)
    return folder


@dataclass(slots=True)
class BrokenTarget:
    """A broken place: the word for fixer, how it is now, whether its page is there. `inside` is the folder in its
    machine where fixer is run from."""

    target: str
    lab: Lab | None = None
    box: SshdMachine | None = None
    words: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    inside: str = ""

    def __post_init__(self) -> None:
        if ALL:      # here no command takes as long as the slowest anywhere may
            self.environment = {"BADGATEWAY_UNDER_WAY": "5", **self.environment}

    def python(self) -> list[str]:
        """What runs a module there."""
        if not self.inside:
            return [sys.executable]
        assert self.lab is not None
        told = [word for pair in self.environment.items() for word in ("-e", "=".join(pair))]
        return ["docker", "exec", "-e", f"PYTHONPATH={self.inside}", *told, "-w", "/", self.lab.container(), "python3"]

    @contextlib.contextmanager
    def with_fault(self, begin: str, environment: Mapping[str, str]) -> Iterator[None]:
        """What is run here until the end meets this trouble at its point."""
        before, self.environment = self.environment, {**self.environment, **environment, "BADGATEWAY_AT_POINT": begin}
        try:
            yield
        finally:
            self.environment = before

    def run_script(self, script: str) -> str:
        """What a script says there."""
        assert self.lab is not None
        return subprocess.run(["docker", "exec", self.lab.container(), "sh", "-c", script], capture_output=True, text=True, check=True).stdout

    def forget(self, state: Path) -> None:
        """Runs that were taken back are only read again and again, by each that follows."""
        far = "rm -rf /var/lib/badgateway/targets/*/runs/*"
        if self.box is not None:
            self.box.sh(far)
        elif self.lab is not None and self.lab.stack == "host":
            self.run_script(far)
        for folder in state.glob("targets/*/runs/*"):
            shutil.rmtree(folder)

    def state(self) -> State:
        """Everything that is compared."""
        if self.box is not None:
            return machine_state(self.box.name, "/usr/bin/python3.13")
        assert self.lab is not None
        if self.lab.stack == "host":
            return {**folder_manifest(self.lab.folder), **machine_state(self.lab.container())}
        return project_state(self.lab)

    def wait_until_settled(self, seconds: float = 30.0) -> State:
        """What it is like when it has come to rest: a service that cannot start is tried a few times before it is left."""
        begun, before = time.monotonic(), self.state()
        while True:
            time.sleep(3)
            now = self.state()
            if (now == before and not has_retrying_program(now)) or time.monotonic() - begun > _wait_seconds(now, seconds):
                return end_retries(now)
            before = now

    def looping(self) -> set[str]:
        """Its containers that Docker starts again and again."""
        if self.lab is None or self.lab.stack == "host":
            return set()
        look = "{{if or .State.Restarting .RestartCount}}{{.Name}}{{end}}"
        told = subprocess.run(["docker", "inspect", "-f", look, *labelled_ids("container", self.lab.id)], capture_output=True, text=True, check=True)
        return set(told.stdout.split())

    def is_well(self) -> bool:
        """Whether the page is there now."""
        if self.box is not None:
            return self.box.sh("curl -s -m 5 -o /dev/null -w '%{http_code}' http://127.0.0.1:8080/ || true") == "200"
        assert self.lab is not None
        return get_status(self.lab.url, "/login", host=str(self.lab.params["visit_name"])) == 200

    def wait_for_state(self, state: State, *, well: bool | None, seconds: float = 30.0) -> list[str]:
        """What is still different from that state, and whether the page is as it should be, when it had its time."""
        begun = time.monotonic()
        while True:
            now = self.state()
            late = time.monotonic() - begun > _wait_seconds(now, seconds)
            now = end_retries(now) if late else now
            wrong = [f"{key}: {_difference_text(state.get(key), now.get(key))}" for key in sorted({*state, *now}) if state.get(key) != now.get(key)]
            if well is not None and not wrong and self.is_well() is not well:
                wrong = [f"the page is {'not ' if well else ''}well"]
            if not wrong or late:
                return wrong
            time.sleep(0.5)


def _wait_seconds(state: State, seconds: float) -> float:
    return 2 * seconds if has_retrying_program(state) else seconds


def end_retries(state: State) -> State:
    """What loads longer than startsecs, as on a busy machine, is tried without end: it ends each time."""
    if "running" not in state:
        return state
    lines = [line for line in state["running"] if not (line.startswith("unit ") and line.endswith(" tried"))]
    return {**state, "running": [re.sub("(?<=^program)(.*) tried$", r"\1 down", line) for line in lines]}


def _difference_text(old: Any, new: Any) -> str:
    if isinstance(old, list) and isinstance(new, list):
        return f"{sorted(set(old) - set(new))} gone, {sorted(set(new) - set(old))} new"
    return f"{str(old)[:200]} now {str(new)[:200]}"

