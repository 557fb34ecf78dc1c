"""The server that a command line runs: launchers removed, name recognised, application server or daemon."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from functools import lru_cache

from fixer.formats.application_servers import ADDRESS_OPTIONS, APPLICATION_SERVERS
from fixer.formats.dependency_systems import BY_PROGRAM
from fixer.formats.launchers import SHELLS, shell_text_index, skip_launchers
from fixer.lazy.regex import regex

SERVERS = frozenset(name for name, server in APPLICATION_SERVERS.items() if server.is_program)
_MODULES = {module: name for name, server in APPLICATION_SERVERS.items() for module in server.modules}
_PYTHON = regex(r"^(?:python|pypy)(?:\d(?:\.\d+)?)?t?$")
_VERSION = regex(r"(?:(?:-|(?<!\d)(?<!\d\.))\d++(?:\.\d++)*|\.py|\.exe)$")
_PYTHON_VALUE = {"-W", "-X", "--check-hash-based-pycs"}
_LOCAL_FOLDERS = ("/srv/", "/opt/", "/home/", "/usr/local/", "/var/www/", "/app/", "/root/", "/data/", "/code/",
                  "/var/lib/")
_SYSTEM_FOLDERS = ("/usr/bin/", "/usr/sbin/", "/usr/lib/", "/usr/libexec/", "/usr/share/", "/bin/", "/sbin/", "/lib/",
           "/etc/init.d/")
_INTERPRETERS = {"node": "node", "nodejs": "node", "bun": "node", "deno": "node", "java": "java", "ruby": "ruby",
                 "dotnet": "dotnet", "beam.smp": "beam"}
DAEMONS = frozenset({
    "nginx", "sshd", "cron", "crond", "dbus-daemon", "dbus-broker", "rsyslogd", "containerd", "dockerd",
    "docker-proxy", "chronyd", "ntpd", "agetty", "polkitd",
    "supervisord", "caddy", "haproxy", "apache2", "httpd", "varnishd", "exim4", "master", "named", "unbound", "dnsmasq",
    "journald", "systemd", "init", "certbot", "logrotate", "prometheus",
    "node_exporter", "squid", *BY_PROGRAM,
})

STARTS_NO_NGINX = DAEMONS - {"nginx", "supervisord", "systemd", "init", "containerd", "dockerd"} | {"sleep", "tail",
                                                                                                    "cat"}
"""Programs that start no nginx."""


def is_nginx(program: str) -> bool:
    """Return whether a program's name is nginx, or that of a fork."""
    name = posixpath.basename(program.removesuffix(" (deleted)")).lower()
    return "nginx" in name or name in ("openresty", "angie", "tengine")


def server_at(argv: Sequence[str]) -> tuple[str, int]:
    """Return (runtime, index of its first own argument); runtime is empty if none is recognised."""
    i = skip_launchers(argv)
    if i >= len(argv):
        return "", i
    name = posixpath.basename(argv[i].lstrip("@-:+!"))
    if _PYTHON.match(name):
        return _python_server(argv, i + 1)
    known = _server_by_name(name)
    if known:
        return known, i + 1
    if name in _INTERPRETERS:
        return _interpreted_server(argv, i, _INTERPRETERS[name])
    if name in SHELLS or shell_text_index(argv, i) is not None:
        return "shell", i + 1
    if name in ("npm", "yarn", "pnpm", "npx"):
        return "node", i + 1
    return "", i + 1


def _server_by_name(name: str) -> str:
    """Return the server of that file name (`gunicorn3`, `php-fpm8.2`, `uvicorn.exe` included)."""
    if name == "manage.py":
        return "django"
    stem = _VERSION.sub("", name)
    return stem if stem in SERVERS else ""


def _interpreted_server(argv: Sequence[str], i: int, runtime: str) -> tuple[str, int]:
    for k in range(i + 1, len(argv)):
        if not argv[k].startswith("-"):
            return _server_by_name(posixpath.basename(argv[k])) or runtime, i + 1
    return runtime, i + 1


def _python_server(argv: Sequence[str], i: int) -> tuple[str, int]:
    while i < len(argv):
        if argv[i] == "-m" and i + 1 < len(argv):
            module = argv[i + 1]
            return _MODULES.get(module) or _server_by_name(module.split(".")[0]) or "python", i + 2
        if argv[i] == "-c":
            return "python", i + 2
        if argv[i] in _PYTHON_VALUE:
            i += 2
        elif argv[i].startswith("-"):
            i += 1
        else:
            name = posixpath.basename(argv[i])
            known = _server_by_name(name)
            if known in ("", "python") and skip_launchers(argv[i:]) and i + 1 < len(argv):
                return server_at_offset(argv, i)
            return known or "python", i + 1
    return "python", i


def server_at_offset(argv: Sequence[str], i: int) -> tuple[str, int]:
    """Return server_at for the arguments from `i` on."""
    runtime, at = server_at(argv[i:])
    return runtime, at + i


def runtime_of(argv: Sequence[str]) -> str:
    """Return what serves when this command runs: a known server, `python`, `node`, `java`, `binary` … or empty."""
    return _runtime_of(tuple(argv))


@lru_cache(maxsize=4096)  # each process is looked up several times, and thousands run the same command
def _runtime_of(argv: tuple[str, ...]) -> str:
    runtime, _ = server_at(argv)
    if runtime and runtime != "shell":
        return runtime
    i = skip_launchers(argv)
    command = argv[i].lstrip("@-:+!") if i < len(argv) else ""
    if runtime == "shell" or posixpath.basename(command) in DAEMONS or is_nginx(command):
        return ""
    return "binary" if command.startswith(_LOCAL_FOLDERS) else ""


def managed_runtime(argv: Sequence[str]) -> str:
    """Return runtime_of a command that a service manager keeps running. There a program of no known name is `binary` if
    its options say where it listens: elsewhere such options can be a client's."""
    found = runtime_of(argv)
    if found or server_at(argv)[0]:
        return found
    i = skip_launchers(argv)
    program = posixpath.basename(argv[i].lstrip("@-:+!")) if i < len(argv) else ""
    if not program or program in DAEMONS or is_nginx(program):
        return ""
    return "binary" if any(word.partition("=")[0] in ADDRESS_OPTIONS for word in argv[i + 1:]) else ""


def script_of(argv: Sequence[str]) -> str | None:
    """Return the file with the command's code: a script given to python, sh, node, or run itself."""
    i = skip_launchers(argv)
    if i >= len(argv):
        return None
    name = posixpath.basename(argv[i].lstrip("@-:+!"))
    if not (_PYTHON.match(name) or name in SHELLS or name in _INTERPRETERS):
        return argv[i].lstrip("@-:+!")
    for word in argv[i + 1 :]:
        if word in ("-c", "-m"):
            return None
        if not word.startswith("-"):
            return word
    return None


def is_app_server(argv: Sequence[str], runtime: str, fragment: str, unit_type: str) -> bool:
    """Return whether a unit's command is an application, not a system daemon or a one-shot job."""
    if not runtime or runtime == "http.server" or unit_type == "oneshot":
        return False
    if runtime in SERVERS or runtime == "django":
        return True
    script = script_of(argv) or ""
    shipped = fragment.startswith(("/usr/lib/systemd/", "/lib/systemd/"))
    return not shipped and (runtime == "binary" or not script.startswith(_SYSTEM_FOLDERS))
