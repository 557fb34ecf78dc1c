"""Journals as they lie on disk, one cut off at each kind of step: made once, committed, and undone by every later version.

    python -m tests.frozen.journals      makes tests/frozen/disk/journals anew, which only a new kind of step needs

A case is what was on the disk when the repair died behind the last step's effect and before its `done`: the runs with
their before-images, the files, the machine's state. `undone` is what an undo of that day said, asked for and left.
"""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

from fixer.apply import rollback
from fixer.apply.repair_run import RepairRun, undo
from fixer.hosts.machine.local_files import LocalFiles
from fixer.model.plan import (
    ABSENT,
    ChangeRule,
    CheckNginx,
    ComposeUp,
    ContainerAction,
    DaemonReload,
    FileMeta,
    NetworkAction,
    Plan,
    ProgramAction,
    ReloadNginx,
    RemoveRoute,
    SetBoolean,
    SignalProcess,
    StartNginx,
    Step,
    UnitAction,
    WaitForListener,
    WriteFile,
)
from tests.frozen.paper import CONTAINER, HELD, MASTER, RULES, SAVED, START, Machine, PaperTarget

DISK = Path(__file__).parent / "disk" / "journals"
PLACE = "/srv/frozen"              # where the folder of the files lies, in what is committed
NGINX = ("/usr/sbin/nginx", "/etc/nginx/nginx.conf", "/usr/share/nginx")
OLD, NEW = b"proxy_pass http://127.0.0.1:8001;\n", b"proxy_pass http://127.0.0.1:8000;\n"
NOW, LATER = 1_795_000_000.0, 1_795_000_010.0     # of the repair, and of the undo
KEPT = "kept"                      # the case of a run that came to its end, with every kind of step


class Cut(BaseException):
    """The process dies here."""


class CuttingFiles(LocalFiles):
    """Files that die before the record which says that the step of that number is done."""

    def __init__(self, index: int) -> None:
        self._index = index

    def append(self, path: str, data: bytes) -> None:
        told = json.loads(data)
        if told["phase"] == "done" and told.get("index", 0) == self._index:
            raise Cut
        super().append(path, data)


def cases(site: str, uid: int = 0, gid: int = 0) -> dict[str, tuple[Step, ...]]:
    """The steps of each case; the last one is that of its name. Those before give it something to take back."""
    me = FileMeta(0o644, uid, gid)

    def write(name: str, before: bytes | None, after: bytes | None, **more: Any) -> WriteFile:
        return WriteFile("local", f"{site}/{name}", before, after, "change it", **more)

    def unit(verb: Any, was: str, enabled: str = "enabled") -> UnitAction:
        return UnitAction("local", "shop.service", verb, was, enabled, main_pid=300, describe="the shop")

    def program(verb: Any, was: str) -> ProgramAction:
        return ProgramAction("local", "shop", "shop", verb, "/etc/supervisor/supervisord.conf", was, describe="the shop")

    def container(verb: Any, was: str) -> ContainerAction:
        return ContainerAction(CONTAINER, "shop-worker-1", verb, was, "the worker")

    def up(was: str = "running") -> ComposeUp:
        return ComposeUp("shop", "worker", "/srv/shop", ("/srv/shop/compose.yaml",), ("/srv/shop/.env",), "5eed", was)

    edit = write("edited", OLD, NEW, mask=(b"never-shown",))
    return {
        "edit-file": (edit,),
        "create-file": (write("d/created", None, b"new\n", meta=me, create_dirs=(f"{site}/d",)),),
        "delete-file": (write("deleted", b"stale\n", None),),
        "remove-link": (write("link", None, None, link_target="../sites/edited"),),
        "make-link": (write("linked", None, b"", link_target="edited", display_path=f"{site}/shown"),),
        "edit-in-place": (write("mounted", b"801\n", b"80\nx\n", in_place=True, expect_meta=FileMeta(0o600, me.uid, me.gid)),),
        "set-mode": (write("edited", OLD, OLD, meta=FileMeta(0o600, me.uid, me.gid)),),
        "check-nginx": (edit, CheckNginx("local", *NGINX, explicit=True)),
        "reload-nginx": (edit, CheckNginx("local", *NGINX), ReloadNginx("local", MASTER, *NGINX, "/var/log/nginx/error.log")),
        "daemon-reload": (edit, DaemonReload("local")),
        "unit-start": (unit("start", "failed"),), "unit-stop": (unit("stop", "active"),),
        "unit-restart": (edit, DaemonReload("local"), unit("restart", "active")),
        "unit-restart-along": (edit, UnitAction("local", "other.service", "restart", "active", "static", along=True)),
        "unit-enable": (unit("enable", "inactive", "disabled"),), "unit-disable": (unit("disable", "active"),),
        "unit-reset-failed": (unit("reset-failed", "failed"),),
        "program-start": (program("start", "FATAL"),), "program-restart": (edit, program("restart", "RUNNING")),
        "program-update": (edit, program("update", "RUNNING")),
        "container-start": (container("start", "exited"),), "container-stop": (container("stop", "running"),),
        "container-restart": (edit, container("restart", "running")), "container-unpause": (container("unpause", "paused"),),
        "compose-up": (edit, up()), "compose-up-absent": (up(ABSENT),),
        "signal-term": (SignalProcess("local", HELD, 7700, "TERM", "python3", 0.1),),
        "signal-cont": (SignalProcess("local", HELD, 7700, "CONT", "python3"),),
        "start-nginx": (StartNginx("local", *NGINX, explicit=True),),
        "wait": (edit, WaitForListener("local", "127.0.0.1", 8000, seconds=5.0, unit="shop.service")),
        "connect": (NetworkAction(CONTAINER, "shop-worker-1", "shop_more", "connect", ("w",), ("10.9.8.7",)),),
        "disconnect": (NetworkAction(CONTAINER, "shop-worker-1", "shop_default", "disconnect", ("worker",)),),
        "route": (RemoveRoute("local", "unreachable", "203.0.113.9/32"),),
        "route-of-container": (RemoveRoute("engine", "blackhole", "203.0.113.9/32", "shop-worker-1", CONTAINER),),
        "boolean": (SetBoolean("local", "httpd_can_network_connect", True, False),),
        "rule-out": (ChangeRule("local", "nft", "ip", "shop", "input", "remove", RULES[1], 1, tuple(RULES)),),
        "rule-in": (ChangeRule("local", "iptables", "", "filter", "INPUT", "add", "-p tcp -m tcp --dport 8000 -j ACCEPT", 1,
                               tuple(SAVED)),),
        "rule-of-container": (ChangeRule("engine", "nft", "ip", "shop", "input", "remove", RULES[1], 1, tuple(RULES),
                                         "shop-worker-1", CONTAINER),),
    }


def fill(site: Path) -> None:
    """The files before a repair."""
    site.mkdir(parents=True)
    for name, data, mode in (("edited", OLD, 0o640), ("deleted", b"stale\n", 0o604), ("mounted", b"801\n", 0o600)):
        (site / name).write_bytes(data)
        (site / name).chmod(mode)
    (site / "link").symlink_to("../sites/edited")


def tree(site: Path) -> dict[str, list[str]]:
    """Every path below the folder: its mode, and its text or where it leads."""
    found = {}
    for path in sorted(site.rglob("*")):
        mode = path.lstat().st_mode
        held = f"-> {path.readlink()}" if stat.S_ISLNK(mode) else "" if path.is_dir() else path.read_text()
        found[str(path.relative_to(site))] = ["link" if stat.S_ISLNK(mode) else f"{mode:o}", held]
    return found


def plant(site: Path, wanted: dict[str, list[str]]) -> None:
    """The folder as `tree` told it."""
    site.mkdir(parents=True)
    for name, (mode, held) in wanted.items():
        path = site / name
        if mode == "link":
            path.symlink_to(held.removeprefix("-> "))
            continue
        if stat.S_ISDIR(int(mode, 8)):
            path.mkdir()
        else:
            path.write_text(held)
        path.chmod(stat.S_IMODE(int(mode, 8)))


def take_back(folder: Path, site: Path, state: dict[str, Any]) -> dict[str, Any]:
    """What an undo soon afterwards says, asks the machine for, and leaves; no name of this folder in it."""
    machine = Machine(copy.deepcopy(state))
    with patch.object(rollback, "COMMAND_SECONDS", 0.0), patch.object(time, "time", lambda: LATER):
        result = undo(PaperTarget(machine, folder), None)
    told = {"restored": result.restored, "conflicts": result.conflicts, "irreversible": result.irreversible,
            "notes": result.notes, "told": machine.told, "state": machine.state, "tree": tree(site)}
    plain: dict[str, Any] = json.loads(json.dumps(told).replace(str(site), PLACE))
    return plain


def settle(folder: Path, runs: Path, site: Path) -> None:
    """The runs of a case in the folder of a target, about the files in `site` and for whoever this is."""
    shutil.copytree(runs, folder / "runs")
    for path in (folder / "runs").rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
        if path.name == "journal.jsonl":
            text = path.read_text(encoding="ascii").replace(PLACE, str(site))
            for word, mine in (("uid", os.getuid()), ("gid", os.getgid())):
                text = re.sub(rf'(\\?"{word}\\?":)0\b', rf"\g<1>{mine}", text)
            path.write_text(text, encoding="ascii")


def _make(name: str, steps: tuple[Step, ...], root: Path, cut: int) -> dict[str, Any]:
    """A repair that dies there; its runs are kept below the name."""
    site, folder = root / "site", root / "state"
    state = copy.deepcopy({**START, "process": "T" if name == "signal-cont" else START["process"]})
    target = PaperTarget(Machine(state), folder, CuttingFiles(cut))
    with suppress(Cut), patch.object(time, "time", lambda: NOW), RepairRun.open(target, cause="wrong-port", now=NOW) as run:
        run.round(Plan("wrong-port", "edit-port", "disruptive", "change it", steps))
        run.commit()
    shutil.copytree(folder / "runs", DISK / name)
    for path in DISK.joinpath(name).rglob("journal.jsonl"):
        path.write_text(path.read_text().replace(str(site), PLACE))
    left = {"tree": tree(site), "state": copy.deepcopy(state)}
    return {**left, "undone": take_back(folder, site, state)}


def main() -> None:
    """All cases anew."""
    shutil.rmtree(DISK, ignore_errors=True)
    DISK.mkdir(parents=True)
    places = {}
    with tempfile.TemporaryDirectory() as top:
        names = [*cases(""), KEPT]
        for name in names:
            root = Path(top, name)
            fill(root / "site")
            known = cases(str(root / "site"), os.getuid(), os.getgid())
            every = tuple(dict.fromkeys(step for case, steps in known.items() for step in steps
                                        if case not in ("set-mode", "rule-of-container", "signal-cont")))
            steps = every if name == KEPT else known[name]
            places[name] = _make(name, steps, root, -1 if name == KEPT else len(steps) - 1)
    (DISK / "places.json").write_text(json.dumps(places, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
