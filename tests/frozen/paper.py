"""A machine on paper: its files are real ones below a folder, its programs answer from a small state that they change.

It is for journals: what a way back asks for and in which order is compared, not whether Docker or systemd would do it.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fixer.hosts.machine.local_files import LocalFiles
from fixer.model.host import Asker, CommandResult, Files, Writer
from fixer.model.target import TargetRef

MASTER, TICKS, WORKER, OWN, HELD = 100, 1000, 101, 500, 77
RULES = ["tcp dport 22 accept", "tcp dport 8000 counter drop", "icmp type echo-request accept"]
SAVED = ["-p tcp -m tcp --dport 22 -j ACCEPT", "-p tcp -m tcp --dport 8001 -j DROP"]
CONTAINER = "c0ffee" * 10 + "c0ff"
START: dict[str, Any] = {
    "generation": 0, "own": False, "process": "S", "rules": RULES, "saved": SAVED, "boolean": False,
    "networks": ["shop_default"], "made": False,
}
_UNIT = ("ActiveState=active\nSubState=running\nResult=success\nExecMainStatus=0\nInvocationID=aaaa\nNRestarts=0\n"
         "TriggeredBy=\nInactiveExitTimestampMonotonic=900000000")
_MACHINE = "ActiveState=active\nInvocationID=\nActiveEnterTimestampMonotonic=2500000"
_TABLE = ("  sl  local_address rem_address   st\n"
          "   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 7 1 0 100 0 0 10 0\n")


class Machine:
    """What its programs know, and every command that it was given."""

    def __init__(self, state: dict[str, Any]) -> None:
        self.state = state
        self.told: list[str] = []

    def run(self, argv: Sequence[str], stdin: bytes) -> str:
        """The output; every command ends well."""
        self.told.append(shlex.join(argv) + (f" <<< {stdin.decode()!r}" if stdin else ""))
        words = list(argv)
        if words[:2] == ["nsenter", "-t"]:
            words = words[4:]
        known: dict[str, Callable[[list[str]], str]] = {
            "sh": self._sh, "docker": self._docker, "getsebool": self._boolean, "setsebool": self._boolean,
            "iptables": self._iptables, "nft": lambda rest: self._nft(rest, stdin.decode()), "/usr/sbin/nginx": self._nginx,
        }
        match words:
            case ["systemctl", "show", *rest]:
                return f"{_UNIT}\n\n{_MACHINE}\n" if "init.scope" in rest else f"{_UNIT}\n"
            case ["supervisorctl", _, _, "status", *_]:
                return "shop  RUNNING  pid 300, uptime 1:00:00\n"
            case ["cat", path, *_] if path.endswith("/net/tcp"):
                return _TABLE
            case ["stat", "-c", *_]:
                return "0\n0\n0\n"
            case [program, *rest] if program in known:
                return known[program](rest)
            case _:
                return ""

    def _sh(self, words: list[str]) -> str:
        match words:
            case ["-c", script, "sh", signal, pid, _] if "kill -s" in script:
                self._signal(signal, int(pid))
                return ""
            case ["-c", script] if "/proc/[0-9]*/stat" in script:
                return "".join(f"{pid} ({comm}) {state} {ppid}{' 0' * 17} {ticks} 0\n"
                               for pid, comm, state, ppid, ticks in self._processes())
            case _:
                return ""

    def _processes(self) -> list[tuple[int, str, str, int, int]]:
        generation, process = self.state["generation"], self.state["process"]
        return [(MASTER, "nginx", "S", 1, TICKS), (WORKER + generation, "nginx", "S", MASTER, TICKS + 1 + generation),
                *([(OWN, "nginx", "S", 1, 5000), (OWN + 1, "nginx", "S", OWN, 5001)] if self.state["own"] else []),
                *([(HELD, "python3", process, 1, 7700)] if process else [])]

    def _signal(self, signal: str, pid: int) -> None:
        match signal, pid:
            case "HUP", 100:
                self.state["generation"] += 1
            case "QUIT", 500:
                self.state["own"] = False
            case _:
                self.state["process"] = {"CONT": "S", "STOP": "T"}.get(signal, "")

    def _nginx(self, words: list[str]) -> str:
        if "-t" not in words:
            self.state["own"] = "quit" not in words
        return ""

    def _docker(self, words: list[str]) -> str:
        match words:
            case ["network", verb, *_, network, _]:
                held = [name for name in self.state["networks"] if name != network]
                self.state["networks"] = [*held, network] if verb == "connect" else held
            case ["inspect", *_] if "{{json .NetworkSettings.Networks}}" in words:
                return "{" + ", ".join(f'"{name}": {{}}' for name in self.state["networks"]) + "}"
            case ["inspect", *_] if "{{.State.Pid}}" in words:
                return "4242\n"
            case ["inspect", *_] if any(".RestartCount" in word for word in words):
                return f"{CONTAINER} true 2026-11-19T05:06:40Z 0 no\n"
            case ["inspect", "--type", *_]:
                return f"{CONTAINER} worker\n"
            case ["compose", *_] if "--hash" in words:
                return "worker 5eed\n"
            case ["compose", *_]:
                self.state["made"] = "up" in words
            case ["ps", "-a", *_]:
                return f"{CONTAINER[:12]}\n" if self.state["made"] else ""
            case ["rm", *_]:
                self.state["made"] = False
            case _:
                pass
        return ""

    def _boolean(self, words: list[str]) -> str:
        if words[0] == "-P":
            self.state["boolean"] = words[2] == "1"
        return f"{words[0]} --> {'on' if self.state['boolean'] else 'off'}\n"

    def _iptables(self, words: list[str]) -> str:
        match words[4:]:
            case ["-D", _, number]:
                self.state["saved"] = [rule for at, rule in enumerate(self.state["saved"], 1) if at != int(number)]
            case ["-I", _, number, *rule]:
                rules, at = self.state["saved"], int(number) - 1
                self.state["saved"] = [*rules[:at], " ".join(rule), *rules[at:]]
            case _:
                return "".join(f"-A INPUT {rule}\n" for rule in self.state["saved"])
        return ""

    def _nft(self, words: list[str], stdin: str) -> str:
        rules = self.state["rules"]
        if words[0] == "-a":
            listed = "".join(f"\t\t{rule} # handle {at}\n" for at, rule in enumerate(rules, 2))
            return f"table ip shop {{\n\tchain input {{ # handle 1\n{listed}\t}}\n}}\n"
        if words[0] == "delete":
            self.state["rules"] = [rule for at, rule in enumerate(rules, 2) if at != int(words[-1])]
        if stdin:       # add rule ip shop input handle N RULE
            _, _, _, _, _, _, handle, rule = stdin.strip().split(" ", 7)
            self.state["rules"] = [*rules[:int(handle) - 1], rule, *rules[int(handle) - 1:]]
        return ""


class PaperWriter:
    """A node of that machine."""

    def __init__(self, machine: Machine, files: Files, name: str) -> None:
        self.name = name
        self.files = files
        self._machine = machine

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        return CommandResult(tuple(argv), 0, self._machine.run(argv, stdin).encode(), b"")


class PaperTarget:
    """The machine, and the Docker engine on it; its journals lie in `folder`."""

    notes: tuple[str, ...] = ()

    def __init__(self, machine: Machine, folder: Path, files: Files | None = None) -> None:
        self.ref = TargetRef("local", "")
        self._folder = str(folder)
        self._writers = {name: PaperWriter(machine, files or LocalFiles(), name) for name in ("local", "engine")}

    def askers(self) -> tuple[Asker, ...]:
        return ()

    def writer(self, node: str) -> Writer:
        return self._writers[node]

    def journal_location(self) -> tuple[Writer, str]:
        return self._writers["local"], self._folder

    def close(self) -> None:
        """Nothing."""
