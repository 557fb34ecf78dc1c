"""`ssh://[user@]host[:port]`: another machine through OpenSSH, over one connection; needs only sh there."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Sequence
from functools import partial

from fixer.errors import CannotObserve, NeedsPerson, Unreachable, UsageError
from fixer.hosts.machine import run_process, state_root
from fixer.hosts.machine.look_budget import cleanup
from fixer.hosts.machine.run_process import InteractiveProcess
from fixer.hosts.sh.run_command import CLOCK_FRAME, RUN_SCRIPT, unwrap_result
from fixer.hosts.sh.sh_asker import MAX_ROUND_BYTES, ShAsker
from fixer.hosts.sh.sh_files import ShFiles
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.host import Asker, CommandResult, Files, Writer
from fixer.model.query import Command
from fixer.model.target import TargetRef

with lazy_imports():
    from fixer.hosts.docker_engine.docker_cli import Docker
    from fixer.hosts.docker_engine.engine_program import choose_engine
    from fixer.hosts.nodes.nearby_containers import (  # most hosts have no containers
        nginx_container_askers,
        published_container_askers,
    )

ENGINE = "engine"
_LOGIN_SECONDS = 40.0  # seconds until login: jump hosts, slow name servers, a busy machine
# Print the uid, whether sudo allows the shell that does all work, and the state folder. Then the connection stays until
# its input ends.
_LOGIN_SCRIPT = r"""u=$(id -u); s=-; e=''; t=''
if [ "$u" != 0 ] && command -v sudo >/dev/null 2>&1; then
  if timeout 1 true 2>/dev/null; then t='timeout 15'; fi
  if timeout -k 1 1 true 2>/dev/null; then t='timeout -k 2 15'; fi
  e=$({ LC_ALL=C $t sudo -n -- sh -c : 2>&1; echo " exit $?"; } | head -c 4000)
  s=${e##* exit }; e=${e% exit *}
  case $s in ''|*[!0-9]*) s=1 ;; 124|137) e='no answer in 15 s' ;; esac
fi
printf '\n%s %s %s %s\n%s\n%s\n' "$1" "$u" "$s" "${XDG_STATE_HOME:-$HOME/.local/state}" "$e" "$1"
exec cat >/dev/null"""
_KILL_SCRIPT = r"""read -r a b c d g x <"/proc/$1/stat" || exit 0
case $g in ''|0|1|*[!0-9]*) kill -s KILL "$1" ;; *) kill -s KILL -- "-$g" ;; esac"""


@dataclass(frozen=True, slots=True)
class Login:
    """The user on the other side."""

    root: bool
    sudo: bool
    state: str
    refusal: str = ""  # sudo's message if it denies access


class Connection:
    """One connection that all commands share. Use a live one of the user's own ssh configuration as it is."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._words = ssh_arguments(address)
        self._folder = ""
        self._master: InteractiveProcess | None = None
        self._ssh = ssh_command()
        self._options: tuple[str, ...] = ("-o", "ControlMaster=no")
        if not self._is_open_already():
            self._folder = make_control_folder()
            self._options = (*self._options, "-o", f"ControlPath={self._folder}/s")
        try:
            self.login = self._enter()
        except BaseException:
            self.close()
            raise

    def _is_open_already(self) -> bool:
        asked = run_process.run((*self._ssh, "-o", "BatchMode=yes", "-O", "check", *self._words), timeout=5.0)
        if asked.missing:
            raise explain_ssh_error(self.address, asked)
        return asked.returncode == 0

    def _enter(self) -> Login:
        nonce = os.urandom(16).hex()
        master = ("-o", "ControlMaster=yes", "-o", "ControlPersist=no") if self._folder else ()
        command = shell_command_line(("sh", "-c", _LOGIN_SCRIPT, "sh", nonce), sudo=False)
        self._master = InteractiveProcess((*self._ssh, *master, *self._options, *SSH_OPTIONS, *self._words, command))
        self._master.exchange(b"", f"\n{nonce} ".encode(), _LOGIN_SECONDS)
        said = self._master.exchange(b"", f"\n{nonce}\n".encode(), 5.0)
        if said is None:
            late = self._master.alive and not self._master.is_over
            complaint, unread = self._master.complaint().encode(), self._master.unread
            raise explain_ssh_error(self.address, CommandResult(("ssh",), None, unread, complaint, timed_out=late))
        head, _, refusal = said.decode(errors="replace").partition("\n")
        user, sudo, home = [*head.split(" ", 2), "", ""][:3]
        root = user == "0" or sudo == "0"
        lines = [line.strip() for line in refusal.splitlines() if line.strip()]
        refused = "" if root or sudo == "-" else lines[-1][:200] if lines else f"exit {sudo}"
        return Login(root, user != "0" and root, state_root.ROOT_STATE if root else f"{home}/badgateway", refused)

    def argv(self, words: Sequence[str]) -> tuple[str, ...]:
        """Return the local command that runs `words` there."""
        command = shell_command_line(words, sudo=self.login.sudo)
        return (*self._ssh, *self._options, *SSH_OPTIONS, *self._words, command)

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0,
            max_output: int = run_process.MAX_OUTPUT) -> CommandResult:
        """Run a command there; separate its exit code from ssh's."""
        nonce = os.urandom(16).hex()
        words = self.argv(("sh", "-c", RUN_SCRIPT, "sh", nonce, *argv))
        result = run_process.run(words, stdin=stdin, timeout=timeout, max_output=max_output)
        explained = partial(explain_ssh_error, self.address)
        return unwrap_result(host_of(self.address), nonce.encode(), result, argv=tuple(argv), kill=self.kill,
                          explained=explained)

    def kill(self, pid: int) -> None:
        """Kill a command's process group there: the end of its channel does not end it."""
        with cleanup():
            run_process.run(self.argv(("sh", "-c", _KILL_SCRIPT, "sh", str(pid))), timeout=10)

    def close(self) -> None:
        """End the connection if fixer opened it."""
        if self._master is not None:
            self._master.close()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)


class SshWriter:
    """Writer for the machine at the other end of the connection."""

    def __init__(self, name: str, connection: Connection) -> None:
        self.name = name
        self._connection = connection
        self._files = ShFiles(connection.argv)

    @property
    def files(self) -> Files:
        """Return its files."""
        return self._files

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        """Run a command there."""
        return self._connection.run(argv, stdin=stdin, timeout=timeout)

    def close(self) -> None:
        """End the shell that changes files."""
        self._files.close()


class SshTarget:
    """Another machine. Lock and journal are on it, where a fixer that root runs there finds them."""

    def __init__(self, ref: TargetRef) -> None:
        self.ref = ref
        self._name = host_of(ref.address)
        self._connection = Connection(ref.address)
        self._writer: SshWriter | None = None
        here = self._connection.login
        self.notes: tuple[str, ...] = ()
        if here.refusal:
            self.notes = (f"not root on {self._name}, and sudo there refuses: {here.refusal}",)
        elif not here.root:
            self.notes = (f"not root on {self._name}, and there is no sudo",)

    def askers(self) -> tuple[Asker, ...]:
        """Return one node, named by its host."""
        return (ShAsker(self._name, "machine", self._shell),)

    def has_docker(self) -> bool:
        """Return True: Docker is checked only if no program of the machine listens at an address of nginx."""
        return True

    def beside(self, places: Sequence[str]) -> tuple[Asker, ...]:
        """Return the containers that may serve its ports and sockets, by its own docker; empty without docker."""
        if not self._has_engine():
            return ()
        docker = Docker(self._connection.run, self._name)
        return published_container_askers(places, ShAsker(ENGINE, "machine", self._shell), docker)

    def with_nginx(self, ids: Sequence[str]) -> tuple[tuple[Asker, ...], tuple[Command, ...]]:
        """Return its containers with nginx and those of their projects, and its engine with its answers."""
        if not self._has_engine():
            return (), ()
        docker = Docker(self._connection.run, self._name)
        return nginx_container_askers(ids, ShAsker(ENGINE, "machine", self._shell), docker)

    def _has_engine(self) -> bool:
        """Return whether docker, or podman, is installed there."""
        return choose_engine(lambda program: not self._connection.run((program, "--version"), timeout=10.0).missing)

    def _shell(self, script: bytes, timeout: float) -> CommandResult:
        argv = self._connection.argv(("sh", "-s"))
        result = run_process.run(argv, stdin=script, timeout=timeout, max_output=MAX_ROUND_BYTES)
        began = CLOCK_FRAME.search(result.stdout)
        if result.timed_out and began:
            self._connection.kill(int(began[1]))
        if began is None and not result.timed_out:
            raise explain_ssh_error(self.ref.address, result)
        return result

    def writer(self, node: str) -> Writer:
        """Return that machine, which is the Docker host of its containers too."""
        if node not in (self._name, ENGINE):
            raise NeedsPerson(f"{node} is not {self.ref}", "run fixer on that host with docker:// or compose://")
        return self._own()

    def _own(self) -> SshWriter:
        if refusal := self._connection.login.refusal:
            raise NeedsPerson(
                f"fixer cannot change {self._name}: not root there, and sudo refuses: {refusal}",
                f"use ssh://root@{self._name}, or let that user use sudo without a password (NOPASSWD)",
            )
        if self._writer is None:
            self._writer = SshWriter(self._name, self._connection)
        return self._writer

    def journal_location(self) -> tuple[Writer, str]:
        """Return that machine and the folder of its own `local`."""
        return self._own(), state_root.target_folder(self._connection.login.state, TargetRef("local", ""))

    def close(self) -> None:
        """End the shells and the connection."""
        if self._writer is not None:
            self._writer.close()
        self._connection.close()


# The system's ssh: its options, commands that pass any login shell unchanged, and its error messages.
SSH_VARIABLE = "BADGATEWAY_SSH"  # another ssh, or ssh with options (`ssh -F FILE`), like GIT_SSH_COMMAND
CONNECT_SECONDS = 10  # seconds for TCP and the server's greeting
# No prompt, no forwarding, and none of the commands that the configuration runs in interactive sessions.
SSH_OPTIONS = (
    "-T", "-x", "-a", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_SECONDS}", "-o", "ClearAllForwardings=yes",
    "-o", "PermitLocalCommand=no", "-o", "RemoteCommand=none", "-o", "RequestTTY=no", "-o", "EscapeChar=none",
    "-o", "LogLevel=ERROR", "-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=4",
)
_SHOWN_BYTES = 4096  # last bytes of an output in which an error is looked for
_SOCKET_PATH_LIMIT = 103  # bytes of a socket path that every system accepts: macOS has 104 with the final 0
_ADDRESS = regex(r"(?:([^@]+)@)?(\[[^\]]+\]|[^:]+)(?::(\d+))?\Z")
_PLAIN = regex(rb"[A-Za-z0-9 _./:,;=@%+(){}<>|&\"$#?*\[\]-]")
_SSH_ERRORS: tuple[tuple[str, str, str], ...] = (
    (r"IDENTIFICATION HAS CHANGED|host key for \S+ has changed",
     "the host key of {host} has changed",
     "find out why before you go on; ssh-keygen -R {name} removes the old key"),
    (r"Host key verification failed|No \S+ host key is known",
     "the host key of {host} is unknown here", "connect once with ssh {words}, compare the fingerprint, answer yes"),
    (r"Permission denied|Too many authentication failures|No supported authentication methods",
     "{host} refuses the login: {said}",
     "set up a key or an agent that needs no prompt; to test it: ssh -o BatchMode=yes {words} true"),
    (r"Could not resolve hostname|Name or service not known", "the name {name} does not resolve: {said}",
     "check that it is a Host of ~/.ssh/config, or a name in DNS"),
    (r"Connection refused", "{host} cannot be reached: {said}", "check that sshd listens there, on that port"),
    (r"timed out|No route to host|Network is unreachable|Connection closed|Connection reset|kex_exchange",
     "{host} cannot be reached: {said}", "ssh -v {words} shows where it stops"),
)


def ssh_command() -> tuple[str, ...]:
    """Return the ssh command to use, with the user's options."""
    try:
        return tuple(shlex.split(os.environ.get(SSH_VARIABLE, ""))) or ("ssh",)
    except ValueError as error:
        raise UsageError(f"{SSH_VARIABLE} is not a command line: {error}", "for example: ssh -F FILE") from None


def make_control_folder() -> str:
    """Create a folder for the connection's socket, in a temporary folder whose path is short enough.
    Raise CannotObserve if none can be created."""
    for base in (os.environ.get("TMPDIR", ""), "/tmp", "/var/tmp"):  # noqa: S108 a new private folder in it
        if base and len(os.fsencode(base)) <= _SOCKET_PATH_LIMIT - len("/badgateway-12345678/s.1234567890123456"):
            try:
                return tempfile.mkdtemp(prefix="badgateway-", dir=base)
            except OSError:
                continue
    raise CannotObserve("ssh cannot create its socket in any temporary folder",
                        "set TMPDIR to a writable folder, with a path of at most 60 characters")


def ssh_arguments(address: str) -> tuple[str, ...]:
    """Return `user@host:port` as ssh's arguments, the host last."""
    match = _ADDRESS.match(address)
    assert match, address
    user, host, port = match[1], match[2].strip("[]"), match[3]
    return (*(("-l", user) if user else ()), *(("-p", port) if port else ()), "--", host)


def host_of(address: str) -> str:
    """Return the host alone."""
    return ssh_arguments(address)[-1]


def shell_command_line(words: Sequence[str], *, sudo: bool) -> str:
    """Return the command as one line that sh, bash, csh and fish pass on unchanged.
    Special bytes are octal until our own sh decodes them."""
    text = os.fsencode(shlex.join(words))
    safe = "".join(chr(b) if _PLAIN.match(bytes((b,))) else f"\\0{b:03o}" for b in text)
    return f"{'sudo -n -- ' if sudo else ''}sh -c 'eval \"$(printf %b \"$0\")\"' '{safe}'"


def explain_ssh_error(address: str, result: CommandResult) -> Unreachable:
    """Return ssh's last error as Unreachable, with what to do next."""
    if result.missing:
        return Unreachable("ssh is not installed here", "ssh:// needs the OpenSSH client (openssh-client)")
    words = ssh_arguments(address)
    text = result.stderr[-_SHOWN_BYTES:].decode(errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip(" @\r")]
    said = lines[-1][:300] if lines else "no answer"
    shown = {"host": address, "name": words[-1], "words": shlex.join(w for w in words if w != "--"), "said": said}
    for pattern, message, hint in _SSH_ERRORS:
        if regex(pattern).search(text):
            return Unreachable(message.format(**shown), hint.format(**shown))
    printed = result.stdout[-_SHOWN_BYTES:].decode(errors="replace")
    last = [line.strip() for line in printed.splitlines() if line.strip()][-1:]
    if not lines and not result.timed_out and last:
        return Unreachable(
            f"{address} accepts the login, then ends the session at once: {last[0][:300]}",
            "check the login shell there (getent passwd USER): it must run commands; or use another user")
    if result.timed_out:
        said = f"it did not answer in time (last output: {said})" if lines else "it did not answer in time"
    return Unreachable(f"{address} cannot be reached: {said}", f"ssh -v {shown['words']} shows where it stops")
