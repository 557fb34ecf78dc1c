"""What starts a backend besides the managers: lines of cron for a reboot, rc.local, units of a user's own systemd,
folders of runit, s6 or daemontools, what monit watches, the script that a container begins with."""

from __future__ import annotations

from typing import Literal, TypeAlias

from fixer.lazy.dataclass import dataclass

StarterKind: TypeAlias = Literal["cron", "rc.local", "user-unit", "runit", "s6", "daemontools", "monit", "entrypoint"]


@dataclass(frozen=True, slots=True)
class Starter:
    """One command that starts a server at `port` (or `unix`). `user` is whose it is; `idle` says why it may not have
    been run, empty where nothing speaks against it; `command` starts it where its watcher has one for that."""

    node: str
    kind: StarterKind
    file: str
    line: int
    text: str
    user: str
    port: int
    unix: str | None
    idle: str = ""
    name: str = ""
    command: str = ""
