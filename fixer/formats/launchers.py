"""Programs that only start another one, and the options and arguments before it. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from itertools import chain, pairwise

from fixer.lazy.regex import regex

# The first process of a container, where it only passes on signals and collects the ended processes.
REAPERS = frozenset({"tini", "tini-static", "dumb-init", "docker-init", "catatonit"})
_INITS = frozenset({"systemd", "init", "supervisord", "s6-svscan", "runit", "runsvdir", "openrc-init", "my_init",
                    "procd", "launchd"})
# Run the commands of crontabs, each as a child of their own.
CRON_DAEMONS = frozenset({"cron", "crond", "systemd-cron", "anacron", "fcron"})
# Number of arguments before the program, without options.
LAUNCHERS = {
    **dict.fromkeys(REAPERS, 0),
    "exec": 0, "nohup": 0, "setsid": 0, "command": 0, "time": 0, "chpst": 0, "gosu": 1, "su-exec": 1,
    "setuidgid": 1, "s6-setuidgid": 1, "envuidgid": 1, "envdir": 1, "s6-envdir": 1, "softlimit": 0,
    "s6-softlimit": 0, "with-contenv": 0,
    "chroot": 1, "timeout": 1, "flock": 1, "taskset": 1, "chrt": 1, "prlimit": 0, "setlock": 1, "pidproxy": 1,
    "env": 0, "sudo": 0, "doas": 0, "runuser": 0, "setpriv": 0, "stdbuf": 0, "nice": 0, "ionice": 0, "numactl": 0,
    "chronic": 0, "unbuffer": 0, "eatmydata": 0, "catchsegv": 0, "authbind": 0, "faketime": 1, "fakeroot": 0,
    "cgexec": 0, "unshare": 0, "nsenter": 0, "firejail": 0, "strace": 0, "dbus-run-session": 0, "xvfb-run": 0,
    "systemd-cat": 0, "systemd-inhibit": 0, "systemd-socket-activate": 0,
    "opentelemetry-instrument": 0, "ddtrace-run": 0, "newrelic-admin": 1,
}
# Options whose value is a separate argument.
_TAKES_VALUE = {
    "sudo": {"-u", "-g", "-h", "-p", "-C", "-D", "-R", "-T", "--user", "--group", "--host", "--prompt", "--chdir"},
    "doas": {"-u", "-C"},
    "runuser": {"-u", "-g", "-G", "--user", "--group", "--supp-group"},
    "env": {"-u", "-C", "-S", "--unset", "--chdir"},
    "nice": {"-n", "--adjustment"}, "ionice": {"-c", "-n", "--class", "--classdata"},
    "setpriv": {"--reuid", "--regid", "--ruid", "--euid", "--rgid", "--egid", "--groups", "--inh-caps",
                "--ambient-caps", "--bounding-set", "--securebits", "--selinux-label", "--apparmor-profile",
                "--pdeathsig"},
    "stdbuf": {"-o", "-e", "-i", "--output", "--error", "--input"},
    "chpst": {"-u", "-U", "-e", "-n", "-/", "-b", "-m", "-d", "-o", "-p", "-f", "-c", "-l", "-L"},
    "softlimit": {"-m", "-d", "-o", "-f", "-c"}, "s6-softlimit": {"-m", "-d", "-o", "-f", "-c"},
    "timeout": {"-s", "-k", "--signal", "--kill-after"}, "tini": {"-p"}, "tini-static": {"-p"},
    "flock": {"-w", "-E", "--timeout", "--wait", "--conflict-exit-code"},
    "chrt": {"-T", "-P", "-D"}, "numactl": {"-N", "-m", "-C", "-i", "-p"},
    "cgexec": {"-g"}, "unshare": {"-S", "-G", "-R", "-w", "--setuid", "--setgid", "--root", "--wd"},
    "nsenter": {"-t", "-S", "-G", "--target", "--setuid", "--setgid"},
    "strace": {"-o", "-e", "-p", "-s", "-u", "-E", "-P", "-a", "-O", "-S", "-I"},
    "xvfb-run": {"-n", "-s", "-e", "-f", "-w", "-p"},
    "systemd-cat": {"-t", "-p", "--identifier", "--priority", "--stderr-priority", "--level-prefix"},
    "systemd-inhibit": {"--what", "--who", "--why", "--mode"},
    "systemd-socket-activate": {"-l", "--listen", "-E", "--setenv", "--fdname"},
}
_RUNNERS: dict[tuple[str, str], set[str]] = {
    ("poetry", "run"): set(), ("pipenv", "run"): set(), ("pdm", "run"): {"-p", "--project"}, ("hatch", "run"): set(),
    ("rye", "run"): set(), ("bundle", "exec"): set(), ("pyenv", "exec"): set(),
    ("pixi", "run"): {"-e", "--environment"},
    ("uv", "run"): {"--extra", "--group", "--with", "-p", "--python", "--directory", "--project", "--env-file",
                    "--package", "--with-requirements"},
    ("conda", "run"): {"-n", "--name", "-p", "--prefix", "--cwd"}, ("dotenv", "run"): set(),
    ("micromamba", "run"): {"-n", "--name", "-p", "--prefix", "--cwd"},
    ("doppler", "run"): {"-p", "--project", "-c", "--config"}, ("infisical", "run"): {"--env", "--path", "--projectId"},
    ("op", "run"): {"--env-file"},
}
_ASSIGNMENT = regex(r"^[A-Za-z_]\w*=")
_PYTHON = regex(r"python[0-9.]*\Z")
_EXEC_PREFIXES = "@-:+!|"  # what systemd parses before a program
SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh"})
_COMMAND_OPTIONS = frozenset({"-c", "--command"})

# Messages about a program that could not start, of coreutils, util-linux, busybox, tini, runit, sudo and shells.
START_ERROR = regex(
    r"(?:^|[:\s])['\"\u2018\u201c]?(?P<what>[^\s:'\"\u2018\u2019\u201c\u201d]+)['\"\u2019\u201d]?(?: failed)?: "
    r"(?P<why>(?:command )?not found|No such file or directory|file does not exist|Permission denied|access denied"
    r"|cannot execute[^:]*)(?:: (?:No such file or directory|required file not found))?$")

# What a shell says of a file that it should read and that does not exist; `sourced`: by its `.` command.
UNREAD_FILE = regex(r"(?P<sourced>(?:^|\s)\.: (?:line \d{1,9}: )?)?(?:cannot|can't) open '?(?P<what>[^\s']+)'?"
                    r": No such file(?: or directory)?$")
_SHELL_COMMAND = regex(r"-\w*c")

START_ERROR_STATUSES = frozenset({1, 69, 126, 127})  # their exit codes then: `runuser` 1, `flock` 69


def program_name(argv: Sequence[str], i: int) -> str:
    """Return the program name of an argument, without its folder and systemd's prefixes."""
    return posixpath.basename(argv[i].lstrip(_EXEC_PREFIXES) if i == 0 else argv[i])


def skip_launchers(argv: Sequence[str]) -> int:
    """Return how many leading arguments only launch the rest (`exec env A=1 sudo -u app …`)."""
    i = 0
    while i < len(argv):
        name = program_name(argv, i)
        takes = _RUNNERS.get((name, argv[i + 1] if i + 1 < len(argv) else ""))
        if takes is not None:
            i = _skip_options(argv, i + 2, takes)
        elif name in LAUNCHERS and shell_text_index(argv, i) is None:
            i = _skip_options(argv, i + 1, _TAKES_VALUE.get(name, set()))
            if LAUNCHERS[name]:
                i = _skip_options(argv, i + LAUNCHERS[name], set(), dashes=False)
        elif _ASSIGNMENT.match(argv[i]):
            i += 1
        else:
            return i
    return len(argv)


_USER_OPTIONS = frozenset({"-u", "--user", "--reuid"})
_USER_FIRST = frozenset({"gosu", "su-exec", "setuidgid", "s6-setuidgid"})     # the account is their first argument
_USER_LAUNCHERS = frozenset({"sudo", "doas", "runuser", "setpriv", "chpst"})


def launch_user(argv: Sequence[str]) -> str:
    """Return the account (and perhaps group) that the leading launchers change to; empty if they change to none."""
    end, found = skip_launchers(argv), ""
    for i in range(min(end, len(argv) - 1)):
        name = program_name(argv, i)
        if name in _USER_FIRST:
            found = argv[i + 1]
        elif name in _USER_LAUNCHERS:
            words = argv[i + 1:end]
            given = (value for word, value in pairwise(words) if word in _USER_OPTIONS)
            joined = (value for word in words for option, equals, value in (word.partition("="),)
                      if equals and option in _USER_OPTIONS)
            found = next(chain(given, joined), found)
    return found


def launched_index(argv: Sequence[str]) -> int | None:
    """Return the index of the program that runs in the end; None if there is none."""
    place = skip_launchers(argv)
    return place if place < len(argv) else None


def starts_init(argv: Sequence[str]) -> bool:
    """Return whether the command ends in an init, so that its container is a machine: services live in it.

    A launcher or a reaper is none, but what it starts may be one.
    """
    rest = argv[skip_launchers(argv):]
    if rest and _PYTHON.match(program_name(rest, 0)):
        rest = [word for word in rest[1:] if not word.startswith("-")]
    text = shell_text_index(rest, 0) if rest else None
    if text is not None:
        words = rest[text].replace(";", " ").replace("&&", " ").split()
        rest = words[words.index("exec") + 1:] if "exec" in words else words
    return bool(rest) and program_name(rest, 0) in _INITS


def _skip_options(argv: Sequence[str], i: int, takes_value: set[str], *, dashes: bool = True) -> int:
    while i < len(argv):
        if argv[i] == "--":
            return i + 1
        if dashes and _ASSIGNMENT.match(argv[i]):
            i += 1
        elif dashes and argv[i].startswith("-") and len(argv[i]) > 1:
            i += 2 if argv[i] in takes_value else 1
        else:
            return i
    return i


def shell_text_index(argv: Sequence[str], i: int) -> int | None:
    """Return the index of the text that the shell, `su` or `flock` at `i` passes to a shell; None if there is none."""
    name = program_name(argv, i)
    if name in SHELLS:
        return next((k + 1 for k in range(i + 1, len(argv) - 1) if _SHELL_COMMAND.fullmatch(argv[k])), None)
    if name == "flock":
        at = _skip_options(argv, i + 1, _TAKES_VALUE[name]) + 1
        return at + 1 if at + 1 < len(argv) and argv[at] in _COMMAND_OPTIONS else None
    if name not in ("su", "runuser"):
        return None
    for k in range(i + 1, len(argv) - 1):
        if argv[k] in _COMMAND_OPTIONS:
            return k + 1
        if argv[k] in ("--", "-u", "--user"):
            return None  # the arguments of another program start here
    return None


def launcher_address_indexes(argv: Sequence[str]) -> list[int]:
    """Return the indexes of addresses on which a launcher listens for the program that it then starts."""
    end = skip_launchers(argv)
    found: list[int] = []
    for i in range(end):
        if program_name(argv, i) == "systemd-socket-activate":
            found += [k + 1 for k in range(i + 1, end - 1) if argv[k] in ("-l", "--listen")]
            found += [k for k in range(i + 1, end) if argv[k].startswith("--listen=")]
    return found
