"""One step, or one look, as somebody: a process of its own gives its rights up and acts through fixer's engine."""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib
import json
import os
import pickle
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

import fixer
from fixer.app.inspect_target import diagnose
from fixer.app.request import DiagnoseRequest
from fixer.apply import rollback
from fixer.apply.repair_run import RepairRun, undo
from fixer.errors import FixerError
from fixer.hosts.open_target import open_target, parse_target
from fixer.model.plan import Plan, Step


@dataclass(frozen=True)
class Rights:
    """Rights: user, group, further groups, and where the state folder is (empty: the user's own)."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    home: str = "/"
    state: str = ""


@dataclass(frozen=True)
class Outcome:
    """What came of it: nothing said where it was done, else the exit code that fixer ends with and its words."""

    code: int
    message: str


def run_as(word: str, who: Rights, act: str, steps: tuple[Step, ...] = ()) -> Outcome:
    """`repair` with these steps, `undo`, or `diagnose`."""
    if word != "local":
        _import_all()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(who.groups)
            os.setgid(who.gid)
            os.setuid(who.uid)
            os.chdir("/")
            os.environ["HOME"] = who.home
            os.environ.pop("BADGATEWAY_STATE", None)
            if who.state:
                os.environ["BADGATEWAY_STATE"] = who.state
            os.write(writing, json.dumps(_run_action(word, act, steps)).encode())
        except BaseException:  # noqa: BLE001 - a copy of this process must not go on beyond
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        told = answer.read()
    os.waitpid(child, 0)
    return Outcome(*json.loads(told))


@functools.cache
def _import_all() -> None:
    """All that fixer imports as it goes, once a process (it reads every file): here the user may not read where Python and fixer lie."""
    importlib.import_module("encodings.ascii")
    importlib.import_module("_strptime")       # which time.strptime looks for at its first use
    root = Path(fixer.__path__[0])
    for path in root.rglob("*.py"):
        parts = path.relative_to(root.parent).with_suffix("").parts
        if parts[-1] not in ("__init__", "__main__"):       # managers and causes are found by their names
            importlib.import_module(".".join(parts))
        for node in ast.walk(ast.parse(path.read_bytes())):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in filter(None, names):
                with contextlib.suppress(ImportError):
                    importlib.import_module(name)


def _run_action(word: str, act: str, steps: tuple[Step, ...]) -> tuple[int, str]:
    rollback.COMMAND_SECONDS = 1.0
    try:
        if act == "diagnose":
            report = diagnose(word, DiagnoseRequest())
            return 0, "\n".join((report.verdict, *report.notes))
        target = open_target(parse_target(word))
        try:
            if act == "undo":
                return 0, "; ".join(undo(target, None).conflicts)
            with RepairRun.open(target, cause="privilege", now=time.time()) as run:
                run.round(Plan("c", "r", "disruptive", "change it", steps))
                run.commit()
        finally:
            target.close()
    except FixerError as error:
        return error.exit_code, error.message
    return 0, ""


def main() -> None:
    """What is asked for comes pickled, since steps hold bytes."""
    word, who, act, steps = pickle.load(sys.stdin.buffer)
    outcome = run_as(word, Rights(**who), act, steps)
    print(json.dumps([outcome.code, outcome.message]))


if __name__ == "__main__":
    main()
