"""The places that the contract is tried on: each has an asker, a way to prepare things there, and files to change."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fixer.hosts.machine import run_process
from fixer.hosts.machine.local_files import LocalFiles
from fixer.hosts.nodes.local_node import LocalAsker
from fixer.hosts.sh.lasting_shell import LastingShell
from fixer.hosts.sh.sh_asker import MAX_ROUND_BYTES, ShAsker
from fixer.hosts.sh.sh_files import ShFiles
from fixer.model.host import Asker, CommandResult, Files


@dataclass(frozen=True, slots=True)
class Transport:
    """`sh` runs a script there, `files` changes files there, `root` is an empty folder there."""

    asker: Asker
    files: Files
    root: str
    sh: Callable[..., CommandResult]


def script_runner(words: tuple[str, ...]) -> Callable[..., CommandResult]:
    """A function that runs a script with arguments behind these words."""
    def run(script: str, *args: str, timeout: float = 20.0) -> CommandResult:
        result = run_process.run((*words, "sh", "-ec", script, "sh", *args), timeout=timeout)
        assert result.returncode == 0, result
        return result

    return run


def local_transport(tmp_path: Path) -> Transport:
    """This machine, in-process."""
    return Transport(LocalAsker(), LocalFiles(), str(tmp_path), script_runner(()))


def shell_transport(name: str, shell: tuple[str, ...], tmp_path: Path) -> Transport:
    """This machine as it answers through a shell."""
    asker = ShAsker(name, "machine", lambda script, timeout: run_process.run((*shell, "-s"), stdin=script, timeout=timeout))
    return Transport(asker, ShFiles(tuple, shell), str(tmp_path), script_runner(()))


def lasting_transport(tmp_path: Path) -> Transport:
    """The same, all rounds through one shell, as a container answers in a look."""
    shell = LastingShell(("sh", "-s"))
    asker = ShAsker("lasting", "machine", lambda script, timeout: shell.run(script, timeout=timeout, max_output=MAX_ROUND_BYTES))
    return Transport(asker, ShFiles(tuple), str(tmp_path), script_runner(()))


LOCAL_TRANSPORTS: Mapping[str, Callable[[Path], Transport]] = {
    "local": local_transport,
    "sh": lambda tmp_path: shell_transport("sh", ("sh",), tmp_path),
    "busybox": lambda tmp_path: shell_transport("busybox", ("busybox", "sh"), tmp_path),
    "lasting": lasting_transport,
    "bash": lambda tmp_path: shell_transport("bash", ("bash",), tmp_path),
}


def has_shell(name: str) -> bool:
    """Whether this machine has that shell."""
    return name in ("local", "lasting") or shutil.which(name) is not None
