"""A target on real files in a folder, and a small site to repair there."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from fixer.errors import NeedsPerson
from fixer.hosts.machine.local_files import LocalFiles
from fixer.hosts.nodes.local_node import LocalWriter
from fixer.model.host import Asker, CommandResult, Files, Writer
from fixer.model.plan import Plan, Step, WriteFile
from fixer.model.target import TargetRef

NOW = 1_795_000_000.0
OLD, NEW = b"proxy_pass http://127.0.0.1:8001;\n", b"proxy_pass http://127.0.0.1:8000;\n"
Answers = Callable[[Sequence[str]], CommandResult | None]


class KilledError(BaseException):
    """No `except` of fixer's sees a kill either."""


class FolderWriter:
    """This machine with files of our choice."""

    def __init__(self, files: Files, name: str = "local") -> None:
        self.name = name
        self.files = files
        self._machine = LocalWriter(name)

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        return self._machine.run(argv, stdin=stdin, timeout=timeout)


class FolderTarget:
    """One node, whose journals lie in `state`."""

    notes: tuple[str, ...] = ()

    def __init__(self, state: Path, files: Files | None = None, name: str = "local") -> None:
        self.ref = TargetRef("local", "") if name == "local" else TargetRef("docker", name)
        self._state = str(state)
        self._writer = FolderWriter(files or LocalFiles(), name)

    def askers(self) -> tuple[Asker, ...]:
        return ()

    def writer(self, node: str) -> Writer:
        if node != self._writer.name:
            raise NeedsPerson(f"{node} is not {self._writer.name}")
        return self._writer

    def journal_location(self) -> tuple[Writer, str]:
        return self._writer, self._state

    def close(self) -> None:
        """Nothing."""


def make_plan(*steps: Step) -> Plan:
    return Plan("wrong-port", "r", "safe", "change it", steps)


def write_step(path: Path | str, before: bytes | None, after: bytes | None, **more: object) -> WriteFile:
    return WriteFile("local", str(path), before, after, "change it", **more)  # type: ignore[arg-type]


def read_tree(root: Path) -> dict[str, tuple[object, ...]]:
    """Everything below a folder: kind, bytes, mode and owner."""
    found: dict[str, tuple[object, ...]] = {}
    for folder, folders, names in os.walk(root):
        for name in [*folders, *names]:
            path = Path(folder, name)
            info = path.lstat()
            content: object = os.readlink(path) if path.is_symlink() else None
            if path.is_file() and not path.is_symlink():
                content = path.read_bytes()
            mode = info.st_mode if not path.is_symlink() else 0
            found[str(path.relative_to(root))] = (mode, info.st_uid, info.st_gid, content)
    return found

