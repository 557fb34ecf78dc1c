"""A fixer command in a process of its own: every tool is one, so an agent can do nothing that the command line cannot.

A pipe is the command's lifeline. Its end interrupts the command once, as Ctrl-C does: a look stops, and a repair
finishes its step and rolls the round back. The pipe ends with a cancelled request, with a lost client, and with this
process, even if somebody kills it. The command has a session of its own: a signal for the server does not reach it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import AsyncIterable, Sequence
from contextlib import suppress
from subprocess import PIPE
from typing import TYPE_CHECKING

from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports

with lazy_imports():
    import anyio  # only the server has it

if TYPE_CHECKING:
    from anyio.abc import Process

LOOK_SECONDS = 120.0  # a look limits itself to 10 s and a login; this is for what hangs all the same
END_SECONDS = 10.0  # an interrupted look has to end
MOST_BYTES = 8 << 20  # of an answer; more is no report
_PARENT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120
_START = ("import sys; sys.path.insert(0, sys.argv[1]); from fixer.agent.child_command import hold_lifeline; "
          "hold_lifeline(); from fixer.__main__ import main; sys.exit(main())")


@dataclass(frozen=True, slots=True)
class CommandEnd:
    """How a command ended: its exit code, its output, and the end of its error output."""

    code: int
    output: bytes
    errors: str


class TooLong(Exception):
    """The command printed more than an answer may hold."""


def command_argv(words: Sequence[str]) -> tuple[str, ...]:
    """Return the argv of a fixer command for this interpreter and this copy of fixer."""
    flags = ("-I",) if sys.flags.isolated else ("-P",)
    return (sys.executable, *flags, "-c", _START, _PARENT, *words)


async def run_fixer(words: Sequence[str], *, seconds: float | None = LOOK_SECONDS) -> CommandEnd:
    """Run a command and return its end. Interrupt it after `seconds`, or if the caller is cancelled, and wait for its
    end then. `seconds` None: it takes as long as it takes, since a repair is never cut."""
    argv = command_argv(words)
    process = await anyio.open_process(argv, stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True)
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    output, errors = bytearray(), bytearray()
    try:
        with anyio.move_on_after(seconds):
            async with anyio.create_task_group() as readers:
                readers.start_soon(_read, process.stdout, output)
                readers.start_soon(_read, process.stderr, errors)
                await process.wait()
    finally:
        with anyio.CancelScope(shield=True):
            await process.stdin.aclose()
            await _wait_for_end(process, may_kill=seconds is not None)
            await process.aclose()
    if len(output) > MOST_BYTES:
        raise TooLong
    return CommandEnd(process.returncode or 0, bytes(output), errors[-2000:].decode("utf-8", "replace"))


async def _read(stream: AsyncIterable[bytes], into: bytearray) -> None:
    """Read all of a stream, so that its writer never blocks; keep a bounded part."""
    async for chunk in stream:
        if len(into) <= MOST_BYTES:
            into += chunk


async def _wait_for_end(process: Process, *, may_kill: bool) -> None:
    """Wait until an interrupted command has ended. One that only looks is killed if it does not end soon."""
    if process.returncode is not None:
        return
    assert process.stdout is not None and process.stderr is not None
    async with anyio.create_task_group() as readers:
        for stream in (process.stdout, process.stderr):  # else a full pipe would hold it up
            readers.start_soon(_read, stream, bytearray())
        with anyio.move_on_after(END_SECONDS if may_kill else None) as limit:
            await process.wait()
        if limit.cancelled_caught:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def hold_lifeline() -> None:
    """Take stdin of this process, the command, as its lifeline: once it ends, the command is interrupted."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's children ignore it otherwise
    lifeline = os.dup(0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    threading.Thread(target=_interrupt_at_end, args=(lifeline,), daemon=True).start()
    sys.argv[0:2] = ["fixer"]


def _interrupt_at_end(lifeline: int) -> None:
    while os.read(lifeline, 4096):
        pass
    os.kill(os.getpid(), signal.SIGINT)
