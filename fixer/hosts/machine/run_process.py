"""Start of processes, only here: own group, limits on time and output, explicit stdin, never a shell."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess  # the only import of it in fixer
import threading
import time
from collections.abc import Mapping, Sequence

from fixer.hosts.machine.look_budget import bytes_within, is_under_way, seconds_within
from fixer.hosts.machine.trusted_files import search_path
from fixer.isolation import without_import_variables
from fixer.model.host import CommandResult

MAX_OUTPUT = 16 << 20
_GRACE = 1.0  # seconds between TERM and KILL
_LAST_GRACE = 0.2  # the same if the time of a look is over
_CLOSE_SECONDS = 5.0  # seconds for a conversation to end by itself: only then is its lock on a node released
_DRAIN_SECONDS = 0.2  # seconds that a finished command's pipes may stay open: a daemon that it started may hold them
_CHUNK = 1 << 16


def command_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return our environment with the C locale, and with the system tools even if PATH is bare.
    Root's PATH has no folder that others can change, and no variable chooses what a tool written in Python imports."""
    env = {**os.environ, "LC_ALL": "C", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": "", **(extra or {})}
    env["PATH"] = search_path(env.get("PATH", "/usr/bin:/bin"))
    return without_import_variables(env)


def run(
    argv: Sequence[str],
    *,
    stdin: bytes = b"",
    timeout: float = 10.0,
    max_output: int = MAX_OUTPUT,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
) -> CommandResult:
    """Run a command to its end. A timeout, a missing tool and a non-zero code are results, not exceptions.
    In a look, it has at most the time and the bytes that are left of that look, and is ended once its output is cut:
    nobody reads on. None starts after the last second. `max_output` counts both outputs."""
    if (limit := seconds_within(timeout)) <= 0:
        return CommandResult(tuple(argv), None, b"", b"", timed_out=True)
    try:
        child = _start(argv, env, cwd)
    except FileNotFoundError as error:
        return CommandResult(tuple(argv), None, b"", str(error).encode(), missing=True)
    except (OSError, ValueError) as error:  # not executable; a NUL in an argument
        return CommandResult(tuple(argv), None, b"", str(error).encode())
    found = _Outputs(child, max_output, b"", both=False)
    try:
        timed_out, cut = _pump(child, stdin, time.monotonic() + limit, found)
    except BaseException:
        _kill_group(child)
        raise
    finally:
        _close_pipes(child)
    timed_out = timed_out or (cut and is_under_way())
    if timed_out:
        _kill_group(child)
    return CommandResult(tuple(argv), None if timed_out else child.wait(), *found.joined(), timed_out=timed_out,
                         truncated=cut)


class _Child(subprocess.Popen[bytes]):
    """A process that ends if its start is interrupted: nobody holds it then."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str] | None, cwd: str | None) -> None:
        try:
            super().__init__(
                list(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env=command_environment(env), cwd=cwd, start_new_session=True, bufsize=0,
            )
        except KeyboardInterrupt:
            if getattr(self, "pid", None) is not None:
                _kill_group(self)
            raise


def _start(argv: Sequence[str], env: Mapping[str, str] | None, cwd: str | None) -> subprocess.Popen[bytes]:
    return _Child(argv, env, cwd)


class _Output:
    """What came from one pipe, as far as it is kept, and whether the mark was in it."""

    def __init__(self, mark: bytes) -> None:
        self.kept: list[bytes] = []
        self._mark = mark
        self._tail = b""
        self.is_whole = not mark
        self.is_cut = False

    def add(self, data: bytes, kept: int) -> None:
        """Keep the first bytes; the mark is seen in what is dropped, too."""
        if kept > 0:
            self.kept.append(data[:kept])
        self.is_cut = self.is_cut or kept < len(data)
        if not self.is_whole:
            self.is_whole = self._mark in (seen := self._tail + data)
            self._tail = seen[-len(self._mark):]


class _Outputs:
    """Both outputs of a command that is under way, and the bytes that may still be kept of them."""

    def __init__(self, child: subprocess.Popen[bytes], limit: int, mark: bytes, *, both: bool) -> None:
        assert child.stdout and child.stderr
        self.left = limit
        self.of = {child.stdout.fileno(): _Output(mark), child.stderr.fileno(): _Output(mark if both else b"")}
        self._has_mark = bool(mark)

    @property
    def is_cut(self) -> bool:
        """Return whether bytes were dropped."""
        return any(output.is_cut for output in self.of.values())

    @property
    def are_whole(self) -> bool:
        """Return whether each mark came. A look ends what prints too much: nobody reads on."""
        return self._has_mark and all(output.is_whole for output in self.of.values()) and not (
            self.is_cut and is_under_way())

    def joined(self) -> tuple[bytes, bytes]:
        """Return (stdout, stderr) as far as they are kept."""
        out, err = (b"".join(output.kept) for output in self.of.values())
        return out, err


def _pump(child: subprocess.Popen[bytes], stdin: bytes, deadline: float, found: _Outputs, *,
          close: bool = True) -> tuple[bool, bool]:
    """Feed stdin and collect both outputs until the command ends, or their marks came: (timed out, truncated).
    Stdin stays open unless `close`."""
    assert child.stdin
    pending = memoryview(stdin)
    ended = 0.0
    with selectors.DefaultSelector() as selector:
        _register_pipes(selector, child, pending, close=close)
        while any(fd in selector.get_map() for fd in found.of):
            if found.are_whole:
                return False, found.is_cut
            now = time.monotonic()
            if now >= deadline:
                return True, found.left <= 0
            if found.left <= 0 and is_under_way():
                break
            if not ended and child.poll() is not None:
                ended = now
            if ended and now - ended > _DRAIN_SECONDS:
                break
            for key, _ in selector.select(min(deadline - now, 0.05 if ended else 0.25)):
                if key.fd in found.of:
                    _read_output(selector, key.fd, found)
                else:
                    pending = _write_input(selector, child, pending, close=close)
    cut = found.left <= 0
    try:
        child.wait(0.0 if cut and is_under_way() else max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return True, cut
    return False, cut


def _register_pipes(selector: selectors.BaseSelector, child: subprocess.Popen[bytes], pending: memoryview, *,
                    close: bool) -> None:
    assert child.stdin and child.stdout and child.stderr
    for pipe in (child.stdout, child.stderr):
        os.set_blocking(pipe.fileno(), False)
        selector.register(pipe.fileno(), selectors.EVENT_READ)
    if pending:
        os.set_blocking(child.stdin.fileno(), False)
        selector.register(child.stdin.fileno(), selectors.EVENT_WRITE)
    elif close:
        child.stdin.close()


def _read_output(selector: selectors.BaseSelector, fd: int, found: _Outputs) -> None:
    try:
        data = os.read(fd, _CHUNK)
    except BlockingIOError:
        return
    if not data:
        selector.unregister(fd)
        return
    kept = bytes_within(min(len(data), max(0, found.left)))
    found.of[fd].add(data, kept)
    # what exceeds the limit is read and dropped, so that a command outside of a look can end
    found.left = found.left - len(data) if kept == len(data) else 0


def _write_input(selector: selectors.BaseSelector, child: subprocess.Popen[bytes], pending: memoryview, *,
                 close: bool) -> memoryview:
    assert child.stdin
    try:
        pending = pending[os.write(child.stdin.fileno(), pending[:_CHUNK]):]
    except BlockingIOError:
        return pending
    except BrokenPipeError:
        pending = pending[:0]
    if not pending:
        selector.unregister(child.stdin.fileno())
        if close:
            with contextlib.suppress(OSError):
                child.stdin.close()
    return pending


def _close_pipes(child: subprocess.Popen[bytes]) -> None:
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    grace = min(_GRACE, seconds_within(_GRACE) + _LAST_GRACE)
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(patience)
            break
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)  # children that outlived their parent


class RoundProcess:
    """A process that takes one input after the other: its answer to each ends with a mark. It ends on close, or with
    fixer. One thread asks at a time; another one may close it meanwhile."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._argv = tuple(argv)
        self._child = _start(argv, None, None)
        self._asked = threading.Lock()

    @property
    def alive(self) -> bool:
        """Return False once the process has ended or was closed."""
        return self._child.poll() is None

    def ask(self, stdin: bytes, mark: bytes, *, timeout: float, max_output: int, both: bool = False) -> CommandResult:
        """Send an input, and return the answer up to its mark, with code 0; the process goes on.
        With `both`, stderr has a mark, too. In all other cases it is ended, and the result is that of `run`; without a
        code if it was closed meanwhile, and has read nothing of it."""
        if (limit := seconds_within(timeout)) <= 0:
            return CommandResult(self._argv, None, b"", b"", timed_out=True)
        with self._asked:
            if self._child.stdout is None or self._child.stdout.closed:     # since it was last seen alive
                return CommandResult(self._argv, None, b"", b"")
            found = _Outputs(self._child, max_output, mark, both=both)
            try:
                timed_out, cut = _pump(self._child, stdin, time.monotonic() + limit, found, close=False)
            except BaseException:
                _kill_group(self._child)
                _close_pipes(self._child)
                raise
            out, err = found.joined()
            if found.are_whole:
                return CommandResult(self._argv, 0, out.partition(mark)[0], err.partition(mark)[0] if both else err,
                                     truncated=found.is_cut)
            timed_out = timed_out or (cut and is_under_way())
            if timed_out:
                _kill_group(self._child)
            _close_pipes(self._child)
        return CommandResult(self._argv, None if timed_out else self._child.wait(), out, err, timed_out=timed_out,
                             truncated=cut)

    def end_input(self) -> None:
        """Close its stdin: it ends by itself, unless it is being asked."""
        if self._child.stdin and self._asked.acquire(blocking=False):
            with contextlib.suppress(OSError):
                self._child.stdin.close()
            self._asked.release()

    def close(self) -> None:
        """Wait for its end, but no longer than for a command that is killed."""
        idle = self._child.stdin is not None and self._child.stdin.closed
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(min(_CLOSE_SECONDS, seconds_within(_CLOSE_SECONDS) + _LAST_GRACE) if idle else 0.0)
        if self._child.poll() is None:
            _kill_group(self._child)
        if self._asked.acquire(blocking=False):
            _close_pipes(self._child)
            self._asked.release()


class InteractiveProcess:
    """A process that stays: write to its stdin, read its stdout up to a mark. It ends on close, or with fixer."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._child = _start(argv, None, None)
        assert self._child.stdin and self._child.stdout and self._child.stderr
        for pipe in (self._child.stdout, self._child.stderr, self._child.stdin):
            os.set_blocking(pipe.fileno(), False)
        self._rest = b""
        self.unread = b""  # its output before it ended, if the mark never came
        self.is_over = False  # its output has ended, though the process may still exit

    @property
    def alive(self) -> bool:
        """Return False once the process has ended or was closed."""
        return self._child.poll() is None

    def exchange(self, data: bytes, mark: bytes, timeout: float) -> bytes | None:
        """Send, then read until `mark`; return what came before. None if the process ended or time ran out first.
        End it if it prints too much before the mark."""
        assert self._child.stdin and self._child.stdout
        deadline, pending, got = time.monotonic() + seconds_within(timeout), memoryview(data), self._rest
        with selectors.DefaultSelector() as selector:
            selector.register(self._child.stdout.fileno(), selectors.EVENT_READ)
            if pending:
                selector.register(self._child.stdin.fileno(), selectors.EVENT_WRITE)
            while mark not in got:
                now = time.monotonic()
                if now >= deadline:
                    return None
                for key, _ in selector.select(deadline - now):
                    if key.fd == self._child.stdout.fileno():
                        more = os.read(key.fd, _CHUNK)
                        if not more:
                            self.unread, self.is_over = got or self.unread, True
                            return None
                        if len(got := got + more) > MAX_OUTPUT:
                            self.is_over = True  # nobody says so much before a mark: it never comes
                            _kill_group(self._child)
                            return None
                    else:
                        pending = self._send(selector, key.fd, pending)
        before, _, self._rest = got.partition(mark)
        return before

    def _send(self, selector: selectors.BaseSelector, fd: int, pending: memoryview) -> memoryview:
        try:
            pending = pending[os.write(fd, pending[:_CHUNK]):]
        except BlockingIOError:
            return pending
        except BrokenPipeError:
            pending = pending[:0]
        if not pending:
            selector.unregister(fd)
        return pending

    def complaint(self) -> str:
        """Return what the process has written to stderr so far."""
        assert self._child.stderr
        with contextlib.suppress(BlockingIOError, ValueError):
            return os.read(self._child.stderr.fileno(), 4096).decode(errors="replace").strip()
        return ""

    def close(self) -> None:
        """Close stdin, then end the process like any command."""
        if self._child.stdin:
            with contextlib.suppress(OSError):
                self._child.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(_CLOSE_SECONDS)
        if self._child.poll() is None:
            _kill_group(self._child)
        _close_pipes(self._child)
