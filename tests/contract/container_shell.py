"""One `docker exec` for the scripts of many tests: to start a program in a container costs more than most of them do."""

from __future__ import annotations

import atexit
import base64
import contextlib
import functools
import os
import selectors
import shlex
import subprocess
import threading
import uuid


class NoShell(AssertionError):
    """Docker starts no shell there."""


class ContainerShell:
    """A shell in a container, as `docker exec` starts it there. Each script is a program of its own, so nothing is left
    of it for the next one. After a restart of the container it starts again by itself."""

    def __init__(self, container: str) -> None:
        self._argv = ("docker", "exec", "-i", container, "sh", "-s")
        self._process: subprocess.Popen[bytes] | None = None
        self._turn = threading.Lock()

    def run(self, script: str, *args: str, shell: str = "sh -ec", data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run a script with arguments and this standard input to its end; what it leaves behind may go on."""
        words = (*shell.split(), script, "sh", *args)
        command = " ".join(map(shlex.quote, words))
        given = f"printf %s {base64.b64encode(data).decode()} | base64 -d | {command}" if data else f"{command} </dev/null"
        begin, end = (f"\n{uuid.uuid4().hex}\n" for _ in range(2))
        text = f"printf {begin!r}; printf {begin!r} >&2\n{given}\nprintf '\\n%s' $?; printf {end!r}; printf {end!r} >&2\n"
        with self._turn:
            output, errors = self._ask(text.encode(), begin.encode(), end.encode())
        output, _, code = output.rpartition(b"\n")
        return subprocess.CompletedProcess(words, int(code), output, errors)

    def close(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.communicate()
            self._process = None

    def _ask(self, text: bytes, begin: bytes, end: bytes) -> list[bytes]:
        """Both outputs, of the shell that runs, or of a new one where that has ended before it read a word."""
        while True:
            known = self._process is not None
            if self._process is None:
                self._process = subprocess.Popen(self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            said = _exchange(self._process, text, end)
            if all(part.endswith(end) for part in said):
                return [part.partition(begin)[2].removesuffix(end) for part in said]
            self.close()
            if not known or begin in said[0]:
                raise NoShell(b"".join(said).decode(errors="replace"))


def _exchange(process: subprocess.Popen[bytes], text: bytes, end: bytes) -> list[bytes]:
    """Both outputs up to this end, or to their own."""
    assert process.stdin and process.stdout and process.stderr
    said = {process.stdout.fileno(): b"", process.stderr.fileno(): b""}
    with contextlib.suppress(BrokenPipeError), selectors.DefaultSelector() as selector:
        for pipe in said:
            selector.register(pipe, selectors.EVENT_READ)
        process.stdin.write(text)
        process.stdin.flush()
        while selector.get_map():
            for key, _ in selector.select():
                more = os.read(key.fd, 1 << 16)
                said[key.fd] += more
                if not more or said[key.fd].endswith(end):
                    selector.unregister(key.fd)
    return list(said.values())


@functools.cache
def shell_in(container: str) -> ContainerShell:
    """The one shell of this process in a container; it ends with the container, or with this process."""
    shell = ContainerShell(container)
    atexit.register(shell.close)
    return shell


def succeeds_inside(container: str, script: str, *, shell: str = "sh -ec") -> bool:
    """Whether a script succeeds now: in a container that does not run, none does."""
    try:
        return shell_in(container).run(script, shell=shell).returncode == 0
    except NoShell:
        return False


def run_inside(container: str, script: str, *args: str, shell: str = "sh -ec", data: bytes = b"") -> str:
    """What a script that must succeed says in a container."""
    done = shell_in(container).run(script, *args, shell=shell, data=data)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout.decode().strip()
