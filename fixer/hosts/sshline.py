"""The system's ssh as argv: which options, how a command passes any login shell, and what its complaints mean."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Sequence

from fixer.errors import CannotObserve, Unreachable, UsageError
from fixer.lazy.regex import regex
from fixer.model.host import CommandResult

COMMAND = "BADGATEWAY_SSH"      # another ssh, or this one with options (`ssh -F FILE`), as git has GIT_SSH_COMMAND
CONNECT = 10        # seconds for TCP and the greeting of the server
# Nothing may ask, forward, or run what the configuration has for sessions of a person.
OPTIONS = (
    "-T", "-x", "-a", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT}", "-o", "ClearAllForwardings=yes",
    "-o", "PermitLocalCommand=no", "-o", "RemoteCommand=none", "-o", "RequestTTY=no", "-o", "EscapeChar=none",
    "-o", "LogLevel=ERROR", "-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=4",
)
_SOCKET_PATH = 103      # bytes that a socket's path may have everywhere: macOS has 104 with the last 0
_ADDRESS = regex(r"(?:([^@]+)@)?(\[[^\]]+\]|[^:]+)(?::(\d+))?\Z")
_PLAIN = regex(rb"[A-Za-z0-9 _./:,;=@%+(){}<>|&\"$#?*\[\]-]")
_COMPLAINTS: tuple[tuple[str, str, str], ...] = (
    (r"IDENTIFICATION HAS CHANGED|host key for \S+ has changed",
     "the host key of {host} is another than ssh knows",
     "find out why before anything else; ssh-keygen -R {name} forgets the old one"),
    (r"Host key verification failed|No \S+ host key is known",
     "the host key of {host} is not known here", "connect once with ssh {words}, compare the fingerprint, say yes"),
    (r"Permission denied|Too many authentication failures|No supported authentication methods",
     "{host} does not let us in: {said}",
     "a key or an agent must do without asking: ssh -o BatchMode=yes {words} true shows it"),
    (r"Could not resolve hostname|Name or service not known", "the name {name} does not resolve: {said}",
     "is it a Host of ~/.ssh/config, or a name that DNS knows?"),
    (r"Connection refused", "{host} cannot be reached: {said}", "does sshd run there, on that port?"),
    (r"timed out|No route to host|Network is unreachable|Connection closed|Connection reset|kex_exchange",
     "{host} cannot be reached: {said}", "ssh -v {words} shows where it stops"),
)


def program() -> tuple[str, ...]:
    """The ssh to use, with the options that a person gave to it."""
    try:
        return tuple(shlex.split(os.environ.get(COMMAND, ""))) or ("ssh",)
    except ValueError as error:
        raise UsageError(f"{COMMAND} is no command line: {error}", "for example: ssh -F FILE") from None


def control_folder() -> str:
    """A new folder for the connection's socket: in the temporary folder, or where its path is short enough for one.

    CannotObserve where none can be made."""
    for base in (os.environ.get("TMPDIR", ""), "/tmp", "/var/tmp"):       # noqa: S108 a new folder of our own in it
        if base and len(os.fsencode(base)) <= _SOCKET_PATH - len("/badgateway-12345678/s.1234567890123456"):
            try:
                return tempfile.mkdtemp(prefix="badgateway-", dir=base)
            except OSError:
                continue
    raise CannotObserve("there is no temporary folder where ssh could have its socket",
                        "set TMPDIR to a folder that you may write, with a path of at most 60 characters")


def words_of(address: str) -> tuple[str, ...]:
    """`user@host:port` as ssh's own words, the host last."""
    match = _ADDRESS.match(address)
    assert match, address
    user, host, port = match[1], match[2].strip("[]"), match[3]
    return (*(("-l", user) if user else ()), *(("-p", port) if port else ()), "--", host)


def host_of(address: str) -> str:
    """The host alone, as a person names it."""
    return words_of(address)[-1]


def through_shell(words: Sequence[str], *, sudo: bool) -> str:
    """The command as one line that sh, bash, csh and fish hand on unchanged: nothing in its quotes is special to any
    of them, and what would be is octal until our own sh has it."""
    text = os.fsencode(shlex.join(words))
    safe = "".join(chr(b) if _PLAIN.match(bytes((b,))) else f"\\0{b:03o}" for b in text)
    return f"{'sudo -n -- ' if sudo else ''}sh -c 'eval \"$(printf %b \"$0\")\"' '{safe}'"


def explain(address: str, result: CommandResult) -> Unreachable:
    """What ssh's last words mean, and what to do next."""
    if result.missing:
        return Unreachable("ssh is not installed here", "ssh:// needs the OpenSSH client (openssh-client)")
    words = words_of(address)
    text = result.stderr.decode(errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip(" @\r")]
    said = lines[-1][:300] if lines else "no answer"
    shown = {"host": address, "name": words[-1], "words": shlex.join(w for w in words if w != "--"), "said": said}
    for pattern, message, hint in _COMPLAINTS:
        if regex(pattern).search(text):
            return Unreachable(message.format(**shown), hint.format(**shown))
    last = [line.strip() for line in result.stdout.decode(errors="replace").splitlines() if line.strip()][-1:]
    if not lines and not result.timed_out and last:
        return Unreachable(
            f"{address} lets us in and ends at once: {last[0][:300]}",
            "is its login shell one that runs commands (getent passwd USER there)? Another user, or a shell, would do")
    if result.timed_out:
        said = f"it did not answer in time (it said: {said})" if lines else "it did not answer in time"
    return Unreachable(f"{address} cannot be reached: {said}", f"ssh -v {shown['words']} shows where it stops")
