"""Lock that allows one repair or undo at a time on a target: a flock in its state folder, with the holder's name."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from functools import partial

from fixer.apply.journal_folder import make_folders
from fixer.apply.steps.process_step import parse_process_table
from fixer.errors import Locked, NeedsPerson
from fixer.model.host import Files, Target, Writer

STATE_HINT = "run fixer as root, or name a writable folder in BADGATEWAY_STATE"


def locate_journal(target: Target) -> tuple[Writer, str]:
    """Return the machine that stores lock and journal, and the real path of the folder."""
    writer, folder = target.journal_location()
    return writer, writer.files.real(folder)


@contextlib.contextmanager
def journal_access(folder: str) -> Iterator[None]:
    """Raise NeedsPerson with one clear line if reading or writing journals fails."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise NeedsPerson(f"the journals in {folder} cannot be used: {reason}", STATE_HINT) from error


@contextlib.contextmanager
def hold_lock(files: Files, state_dir: str, what: str) -> Iterator[None]:
    """Hold the target's lock until the block ends; `Locked` names the holder. The lock ends with its holder.
    If a holder died and the node missed it (lost connection), the next fixer on this machine releases the lock."""
    make_folders(files, state_dir)
    path = f"{state_dir}/lock"
    record = partial(_holder_json, what)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(files.lock(path, record))
        except Locked as error:
            fields = _read_holder(files, path)
            if not _has_holder_ended(fields):
                raise _locked_error(fields, error) from None
            try:
                with contextlib.suppress(OSError):
                    files.release_lock(str(fields.get("holder", "")))
                stack.enter_context(files.lock(path, record))
            except Locked:
                raise _locked_error(fields, error) from None
        yield


def _holder_json(what: str, holder: str) -> bytes:
    user = os.environ.get("SUDO_USER") or f"uid {os.geteuid()}"
    fields = {"pid": os.getpid(), "host": os.uname().nodename, "user": user, "at": int(time.time()), "what": what}
    here = {"kernel": _kernel_id(), "start": _start_ticks(os.getpid()), "holder": holder} if holder else {}
    return json.dumps({**fields, **here}).encode() + b"\n"


def _kernel_id() -> str:
    """Return the boot id and PID namespace, in which a PID and start time identify a process; empty if unknown."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:  # noqa: PTH123  pathlib takes 4 ms
            boot = file.read().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115
    except (OSError, ValueError):
        return ""


def _start_ticks(pid: int) -> int:
    """Return the start time of a live process in ticks; 0 if there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
            entry = parse_process_table(file.read()).get(pid)
    except OSError:
        return 0
    return entry.start_ticks if entry is not None and entry.state not in "ZX" else 0


def _has_holder_ended(fields: Mapping[str, object]) -> bool:
    """Return whether the fixer that wrote this ran on this machine and has ended."""
    kernel, pid, start = fields.get("kernel"), fields.get("pid"), fields.get("start")
    if not kernel or kernel != _kernel_id() or not isinstance(pid, int) or not isinstance(start, int) or not start:
        return False
    return _start_ticks(pid) != start


def _read_holder(files: Files, path: str) -> Mapping[str, object]:
    """Return what the last holder wrote; empty if it cannot be read."""
    try:
        fields = json.loads(files.read(path))
    except (OSError, ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _locked_error(fields: Mapping[str, object], error: Locked) -> Locked:
    """Return `Locked` with the last writer of the lock file as text."""
    hint, there = "wait until it ends; nothing was changed", str(fields.get("holder", "")).partition(" ")[0]
    if there.isdecimal():
        hint += f"; if its connection is lost for good, end process {there} on the node to release the lock"
    try:
        at = time.strftime("%H:%M:%S", time.gmtime(float(str(fields["at"]))))
        who = f"pid {fields['pid']} of {fields['user']} on {fields['host']}, since {at} UTC"
        return Locked(f"{fields['what']} is running on this target ({who})", hint)
    except (ValueError, KeyError, OverflowError):
        return Locked(error.message, hint)
