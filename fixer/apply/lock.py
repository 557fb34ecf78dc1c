"""One repair or undo at a time on a target: a flock beside its journals, with the holder's name in the file."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator

from fixer.apply.journal import make_folders
from fixer.errors import Locked, NeedsPerson
from fixer.hosts.base import Files

STATE_HINT = "run fixer as root, or name a writable folder in BADGATEWAY_STATE"


@contextlib.contextmanager
def journal_access(folder: str) -> Iterator[None]:
    """Around what reads or writes journals: a machine that refuses that is one clear line."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise NeedsPerson(f"the journals in {folder} are out of reach: {reason}", STATE_HINT) from error


@contextlib.contextmanager
def hold_lock(files: Files, state_dir: str, what: str) -> Iterator[None]:
    """Hold the target's lock until the block ends; `Locked` says who holds it. It goes with its holder, never stale."""
    make_folders(files, state_dir)
    path = f"{state_dir}/lock"
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(files.lock(path))
        except Locked as error:
            hint = "wait until it has ended; nothing was changed"
            raise Locked(_holder(files, path) or error.message, hint) from None
        files.overwrite(path, _who(what))
        yield


def _who(what: str) -> bytes:
    user = os.environ.get("SUDO_USER") or f"uid {os.geteuid()}"
    fields = {"pid": os.getpid(), "host": os.uname().nodename, "user": user, "at": int(time.time()), "what": what}
    return json.dumps(fields).encode() + b"\n"


def _holder(files: Files, path: str) -> str:
    """Who wrote the lock file last, in words; empty where that cannot be read."""
    try:
        fields = json.loads(files.read(path))
        at = time.strftime("%H:%M:%S", time.gmtime(float(fields["at"])))
        who = f"pid {fields['pid']} of {fields['user']} on {fields['host']}, since {at} UTC"
        return f"{fields['what']} is at work on this target ({who})"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""
