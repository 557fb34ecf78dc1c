"""A machine whose server somebody started by hand with a script, as an account that root made for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fixer.model.capture import NodeCapture
from fixer.model.query import Answer, FileAnswer, Probe, Query, ReadFile
from fixer.observe.boot.boot_entries import ACCOUNTS, BOOT_ENTRY_FILES, START_SCRIPTS
from tests.observe.capture_builders import file, node, probe_answer, process, sockets, stat, tcp_row

SCRIPT = "/usr/local/bin/start-shop"
FOLDER = "/srv/shop"
COMMAND = ("/usr/bin/gunicorn", "--bind", "127.0.0.1:{}", "shop:app")
PASSWD = "root:x:0:0::/root:/bin/sh\nshop:x:997:997::/nonexistent:/usr/sbin/nologin\nnoor:x:1001:1001::/home/noor:/bin/sh\n"
SITE = "server {{ listen 80; server_name shop.example; location / {{ proxy_pass http://{}; }} }}"


@dataclass(frozen=True)
class ByHand:
    """What the tests vary. An owner is (uid, mode); a folder without one was not read."""

    asked: str = "127.0.0.1:8000"
    port: int = 9000
    words: Sequence[str] = ()       # of the process; those of the script by default
    uid: int = 997
    worker: int = 997
    cwd: str = FOLDER
    second: int = 0     # the account of another server with the same command
    text: str = "#!/bin/sh\ncd {folder} || exit 1\nexec {command}\n"
    path: str = SCRIPT
    script: tuple[int, int] = (0, 0o755)
    owners: Mapping[str, tuple[int, int]] | None = None

    @property
    def command(self) -> tuple[str, ...]:
        return tuple(word.format(self.port) for word in COMMAND)

    def folders(self) -> Mapping[str, tuple[int, int]]:
        return {"/usr/local/bin": (0, 0o755), "/srv": (0, 0o755), FOLDER: (997, 0o755), **(self.owners or {})}

    def probes(self) -> tuple[Probe, Probe]:
        """Return the requests to the address that nginx asks, and to nginx."""
        host, _, port = self.asked.rpartition(":")
        return (Probe(host, int(port), "/", host_header="shop.example"),
                Probe("127.0.0.1", 80, "/", host_header="shop.example"))

    def machine(self, answers: Mapping[Query, Answer] | None = None, **more: Any) -> NodeCapture:
        """Return the node with all answers but those of `answers`, which come first."""
        text = self.text.format(folder=FOLDER, command=" ".join(self.command))
        script = owned(file(self.path, text), *self.script)
        argv = ("/usr/bin/python3", *(self.words or self.command))
        backend, page = self.probes()
        found: dict[Query, Answer] = {
            BOOT_ENTRY_FILES: Answer("ok"), START_SCRIPTS: Answer("ok", files=(script,)),
            ACCOUNTS: Answer("ok", files=(file(ACCOUNTS.path, PASSWD),)),
            backend: probe_answer(None, error="refused", errno=111, phase="connect"), page: probe_answer(502),
            **{ReadFile(path, 0): Answer("ok", files=(folder(path, *owner),)) for path, owner in self.folders().items()},
        }
        running = [process(77, argv, uid=self.uid, cwd=self.cwd), process(78, argv, uid=self.worker, cwd=self.cwd, ppid=77),
                   *([process(90, argv, uid=self.second, cwd=self.cwd)] if self.second else [])]
        listening = sockets([tcp_row("127.0.0.1", self.port, 5)], {5: [77, 78]})
        return node({**found, **(answers or {})}, site=SITE.format(self.asked), running=running, listening=listening, **more)


def owned(answer: FileAnswer, uid: int, mode: int) -> FileAnswer:
    assert answer.stat is not None
    return replace(answer, stat=replace(answer.stat, uid=uid, mode=mode))


def folder(path: str, uid: int, mode: int) -> FileAnswer:
    return owned(FileAnswer(path, "ok", stat("dir")), uid, mode)
