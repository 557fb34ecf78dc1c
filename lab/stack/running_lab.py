"""A running lab: containers, address, commands inside, restart, and nginx's log."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lab.errors import ScenarioError, UnexpectedState
from lab.http_get import get_status
from lab.scenario.deployment_fields import CompleteDeployment
from lab.scenario.scenario_file import Role, Stack
from lab.scenario.templates import Value
from lab.stack import compose_limits, docker_engine
from lab.stack.docker_command import FinishedCommand, labelled_ids, run
from lab.stack.lab_records import LabRecord

# seconds until the page answers on a busy machine, in addition to the scenario's own
SETTLE_SECONDS = 40.0
ERROR_LOG = "/var/log/nginx/error.log"
SEAT_KEY = "seat"  # in a record: the seat of a person in a class
# what nginx said to its supervisord before it had read its configuration
_SUPERVISED_NGINX_LOG = "cat /var/log/supervisor/nginx-std*.log 2>/dev/null"


@dataclass(frozen=True, slots=True)
class LogPosition:
    """A position in nginx's error log: bytes of the file (host), or a time (containers)."""

    size: int
    moment: float


@dataclass(frozen=True, slots=True)
class Lab:
    """One running stack, as its record describes it."""

    record: LabRecord

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def stack(self) -> Stack:
        return self.record.stack

    @property
    def params(self) -> Mapping[str, Value]:
        """Return its parameters by name, as templates of scenarios fill them in."""
        return self.record.parameters

    @property
    def deployment(self) -> CompleteDeployment:
        """Return its parameters as they are now; a step of a break may change them."""
        return CompleteDeployment.from_values(self.record.parameters)

    @property
    def folder(self) -> Path:
        return self.record.folder

    @property
    def target(self) -> str:
        """Return the target for a fixer outside."""
        return f"docker://{self.id}-host" if self.stack == "host" else f"compose://{self.id}"

    @property
    def url(self) -> str:
        """Return the published URL of the page. Docker chooses a new port at every start."""
        if self.deployment.web_network == "host" or SEAT_KEY in self.record.extra:
            return self.url_at(None)
        return self.url_at(docker_engine.published_port(self.container("web"), f"{self.front_port}/tcp"))

    @property
    def front_port(self) -> int:
        """Return the port of the page inside nginx's container."""
        return 443 if self.deployment.tls else 80

    def url_at(self, published: int | None) -> str:
        """Return the URL at the port that the Docker host publishes now; None: at the last one."""
        if self.deployment.web_network == "host":
            return f"http://127.0.0.1:{self.deployment.front_port}"
        seat = self.record.extra.get(SEAT_KEY)
        if seat is not None:  # through its door, whose ports stay the same
            return f"{'https' if self.front_port == 443 else 'http'}://{seat['bind']}:{seat['page_port']}"
        if published is not None:
            self.record.port = published
        return f"{'https' if self.front_port == 443 else 'http'}://127.0.0.1:{self.record.port}"

    @property
    def visit_name(self) -> str:
        """Return the server name that visitors use for the office; empty if the address is enough."""
        return self.deployment.visit_name

    def service(self, role: Role = "web") -> str:
        """Return the compose service of a part; the machine, or the all-in-one container, is all of them."""
        if self.stack == "host":
            return "host"
        deployment = self.deployment
        if self.stack == "all-in-one":
            return deployment.web
        return {"web": deployment.web, "backend": deployment.backend, "second": deployment.second}[role]

    def container(self, role: Role = "web") -> str:
        """Return the container's name."""
        return f"{self.id}-host" if self.stack == "host" else f"{self.id}-{self.service(role)}-1"

    def unit(self, role: Role) -> str:
        """Return the systemd unit of a part of the machine, or the program of an all-in-one container."""
        deployment = self.deployment
        return {"web": "nginx", "backend": deployment.unit, "second": deployment.second_unit}[role]

    def compose(self, *words: str, check: bool = True, timeout: float = 180.0) -> FinishedCommand:
        """Run docker compose on the lab's own files, without the caller's variables."""
        kept = {key: value for key, value in os.environ.items()
                if key in {"PATH", "HOME", "TMPDIR"} or key.startswith(("DOCKER_", "XDG_", "SSH_"))}
        argv = ["docker", "compose", "--project-directory", str(self.folder), "-f", str(self.folder / "compose.yaml"),
                "-p", self.id]
        if self.record.beside and compose_limits.creates(words):  # a scenario of somebody else
            shown = run([*argv, "config", "--format", "json"], timeout=timeout, environment=kept)
            if problem := compose_limits.config_problem(json.loads(shown.out), self.folder):
                raise ScenarioError(f"{self.record.scenario}: compose.yaml: {problem}")
        return run([*argv, *words], check=check, timeout=timeout, environment=kept)

    def run_in(
        self, role: Role, argv: Sequence[str], *, check: bool = True, stdin: bytes | None = None,
    ) -> FinishedCommand:
        """Run a command inside the container of a part, as root."""
        return docker_engine.execute(self.container(role), argv, user="0", stdin=stdin, check=check)

    def restart(self) -> None:
        """Restart, so that only the disk survives: recreate containers, or boot the machine with an empty /run."""
        if self.stack == "host":
            docker_engine.restart(self.container(), timeout=20)
            wait_until_booted(self)
        else:
            # A broken stack may not come up well: the oracle decides that.
            self.compose("up", "-d", "--force-recreate", "--wait", "--wait-timeout", "30", check=False)
        self.settle()

    def settle(self, seconds: float = SETTLE_SECONDS) -> None:
        """Wait until the application listens; if it never does, continue after `seconds`."""
        deployment = self.deployment
        hosts = [deployment.visit_name, *([deployment.second_name] if deployment.second_site else [])]
        until = time.monotonic() + seconds + deployment.start_seconds
        while time.monotonic() < until:
            if all(get_status(self.url, "/login", host=host, timeout=2.0) == 200
                   for host in hosts) and self._serves_a_crowd():
                return
            time.sleep(0.2)

    def _serves_a_crowd(self) -> bool:
        """Return whether many concurrent visitors succeed.
        nginx skips members that started after its first request, and until a retry some visitors get an error."""
        if self.deployment.route_style != "group":
            return True
        with ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(get_status, self.url, "/login", host=self.visit_name, timeout=2.0) for _ in range(16)]
            return all(answer.result() == 200 for answer in asked)

    @property
    def error_log(self) -> str:
        """Return nginx's error log, if it is a file and no stream of its container."""
        return ERROR_LOG if self.stack == "host" else self.deployment.nginx_log

    def log_position(self) -> LogPosition:
        """Return the end of nginx's error log now."""
        size = 0
        if self.error_log:
            shown = self.run_in("web", ["stat", "-c", "%s", self.error_log], check=False)
            size = int(shown.text or 0) if shown.code == 0 else 0
        return LogPosition(size, time.time())

    def log_since(self, mark: LogPosition) -> str:
        """Return what nginx has logged since. Before it has read its configuration it writes to its manager's log."""
        if self.stack == "host":
            written = self.run_in("web", ["tail", "-c", f"+{mark.size + 1}", ERROR_LOG], check=False)
            since = f"--since=@{int(mark.moment)}"
            said = self.run_in("web", ["journalctl", "-u", "nginx", "-o", "cat", "--no-pager", since], check=False)
            return (written.out + said.out).decode("utf-8", "replace")
        shown = docker_engine.logs_of(self.container("web"), since=mark.moment)
        if self.error_log:
            shown += self.run_in("web", ["tail", "-c", f"+{mark.size + 1}", self.error_log], check=False).out
            shown += self.run_in("web", ["sh", "-c", _SUPERVISED_NGINX_LOG], check=False).out
        return shown.decode("utf-8", "replace")

    def failure_text(self) -> str:
        """Return state and last log lines of its containers, for an error message."""
        lines = []
        for container in labelled_ids("container", self.id):
            seen = docker_engine.inspect(container)
            state = seen.get("State", {})
            log = docker_engine.logs_of(container, tail=5).decode("utf-8", "replace").strip().splitlines()[-5:]
            name = seen.get("Name", container).lstrip("/")
            lines.append(f"  {name} {state.get('Status', '')} {state.get('ExitCode', '')}")
            lines += [f"    {line}" for line in log]
        return "\n".join(lines)


def wait_until_booted(lab: Lab) -> None:
    """Wait until the machine has started its boot services."""
    def booted() -> bool:
        state = lab.run_in("web", ["systemctl", "is-system-running", "--wait"], check=False).text
        return state in ("running", "degraded")

    wait_for(booted, 60.0, f"{lab.id}: the machine did not boot", lab)


def wait_for(condition: Callable[[], bool], within: float, otherwise: str, lab: Lab) -> None:
    """Wait until a condition holds; else raise UnexpectedState with state and logs."""
    until = time.monotonic() + within
    while not condition():
        if time.monotonic() > until:
            raise UnexpectedState(f"{otherwise} within {within:.0f} s\n{lab.failure_text()}")
        time.sleep(0.1)


def worker_pids(lab: Lab) -> frozenset[int]:
    """Return the PIDs of nginx's workers that still accept connections, as the engine sees them."""
    return frozenset(
        pid for pid, command in docker_engine.processes_of(lab.container("web"))
        if "nginx: worker process" in command and "shutting down" not in command
    )


def reload_nginx(lab: Lab) -> None:
    """Reload nginx, and wait until new workers serve."""
    before = worker_pids(lab)
    argv = ["systemctl", "reload", "nginx"] if lab.stack == "host" else ["nginx", "-s", "reload"]
    lab.run_in("web", argv)

    def replaced() -> bool:
        now = worker_pids(lab)
        return bool(now) and not now & before

    wait_for(replaced, 15.0, f"{lab.id}: nginx did not reload its configuration", lab)

