"""Services remembered by `fixer learn`: reading them, and choosing what to remember of a healthy node."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping

from fixer.formats.numbers import is_number
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex, up_to_first
from fixer.model.facts import Known
from fixer.model.learned import Learned, LearnedService, learned_from_json
from fixer.model.query import Query, ReadFile, ReadGlob
from fixer.model.snapshot import Endpoint, Process, Service, Snapshot
from fixer.observe.view.node_view import View
from fixer.redaction.secrets import is_secret_name, redact_text

with lazy_imports():  # not needed in most looks
    from fixer.formats.env_file import read_env_file

FILE_LIMIT = 1 << 16


def learned_of(view: View, path: str) -> Learned | None:
    """Return what `fixer learn` remembered of the node."""
    data = view.data(path) if path else None
    return None if data is None else learned_from_json(data, view.name, path)


def learned_queries(view: View, path: str) -> list[Query]:
    """Return the queries for the memory file, then for the variable files of services that no longer listen."""
    asked: list[Query] = [ReadFile(path)]
    learned = learned_of(view, path)
    for service in learned.services if learned is not None else ():
        if _has_no_listener(service, view):
            asked += [ReadFile(file, FILE_LIMIT) for _, file in service.variables if file]
    return asked


def _has_no_listener(service: LearnedService, view: View) -> bool:
    """Return whether nothing listens at any address of the service."""
    listeners = view.listeners.or_else(())
    held = {(line.address if line.family == "unix" else "", line.port) for line in listeners}
    return not any((unix, port) in held for _, port, unix in service.addresses)


ENVIRON_LIMIT = 128 << 10
_SHELL_VARIABLES = frozenset((
    "PATH", "HOME", "PWD", "OLDPWD", "SHLVL", "_", "TERM", "USER", "LOGNAME", "SHELL", "MAIL", "HOSTNAME", "PS1",
    "TMPDIR", "VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT", "LS_COLORS", "EDITOR", "PAGER", "DISPLAY",
    "INVOCATION_ID", "JOURNAL_STREAM",
    "SYSTEMD_EXEC_PID", "NOTIFY_SOCKET", "MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE", "DEBIAN_FRONTEND",
    "CREDENTIALS_DIRECTORY",
    "LANG", "LANGUAGE", "container", "DBUS_SESSION_BUS_ADDRESS", "SUPERVISOR_ENABLED", "SUPERVISOR_PROCESS_NAME",
    "SUPERVISOR_GROUP_NAME", "SUPERVISOR_SERVER_URL", "LISTEN_FDS", "LISTEN_PID", "MAINPID", "MANAGERPID",
    "MANAGERPIDFDID", "TMUX", "TMUX_PANE", "STY", "WINDOW", "TERM_PROGRAM", "TERM_PROGRAM_VERSION",
))
_VARIABLE_FILES = (".env", ".env.*", "*.env", "env", "*.sh", "bin/*", "start*", "run*", "conf/*", "config/*.env")
# Programs that run another one as another user and wait for it; their directory and rights differ.
_USER_SWITCHERS = frozenset(("runuser", "sudo", "su", "doas"))
_IGNORED_PREFIXES = ("LC_", "XDG_", "SSH_", "SUDO_", "LESS", "GPG_", "DOCKER_", "BADGATEWAY_")
_PYTHON = regex(r"^(?:python|pypy)[\d.]*t?$")
# A unit of a user's systemd, which restarts it: no system unit must be created for it.
_USER_MANAGER_UNIT = regex(up_to_first(r"/user@\d+\.service/") + r"(?:.*/)?[^/]+\.service$")
_SECRET_OPTION = regex(r"^--?(?=[A-Za-z-]*(?:secret|token|password|passwd|api-?key))[A-Za-z-]*+(?:=.+)?$")


@dataclass(frozen=True, slots=True)
class LearnCandidate:
    """An application to remember: its service, its main process, and the addresses that lead to it."""

    service: Service
    process: Process
    addresses: tuple[tuple[str, int, str], ...]


def learn_candidates(snapshot: Snapshot) -> tuple[LearnCandidate, ...]:
    """Return the applications on machines that routes need and that listen there."""
    found: dict[str, tuple[Service, list[Endpoint]]] = {}
    for endpoint in snapshot.endpoints:
        service = snapshot.service(endpoint.listening_service or "")
        if service is not None and service.is_app_server and service.container is None and service.pids:
            found.setdefault(service.id, (service, []))[1].append(endpoint)
    made = []
    for service, endpoints in found.values():
        process = _main_process(snapshot, service)
        if process is not None and not _USER_MANAGER_UNIT.search(process.cgroup):
            addresses = tuple(dict.fromkeys((e.host, e.port, e.unix or "") for e in endpoints))
            made.append(LearnCandidate(service, process, addresses))
    return tuple(made)


def _main_process(snapshot: Snapshot, service: Service) -> Process | None:
    processes = snapshot.node(service.node).processes
    mine = [p for p in processes.value if p.pid in service.pids] if isinstance(processes, Known) else []
    pids = {p.pid for p in mine}
    main = next((p for p in mine if p.ppid not in pids), None)
    while main is not None and main.argv and posixpath.basename(main.argv[0]) in _USER_SWITCHERS:
        below = [p for p in mine if p.ppid == main.pid]
        if len(below) != 1:
            break
        main = below[0]
    return main


def environ_query(candidate: LearnCandidate) -> ReadFile:
    """Return the query for the environment of the main process. Its answer never goes into a capture."""
    return ReadFile(f"/proc/{candidate.process.pid}/environ", ENVIRON_LIMIT)


def variable_file_queries(candidate: LearnCandidate) -> tuple[ReadFile | ReadGlob, ...]:
    """Return the queries for files that usually hold the variables of such a deployment."""
    directory = candidate.process.cwd.or_else("/")
    if directory == "/":
        return (ReadGlob(("/etc/default/*",), 1 << 16, 100), ReadFile("/etc/passwd"))
    above = posixpath.dirname(directory)
    patterns = [f"{folder}/{name}" for folder in (directory, above) if folder != "/" for name in _VARIABLE_FILES]
    return (ReadGlob((*patterns, "/etc/default/*", "/etc/environment"), 1 << 16, 200), ReadFile("/etc/passwd"))


def learned_service(
    candidate: LearnCandidate, environ: bytes | None, files: Mapping[str, bytes], users: Mapping[int, str],
) -> LearnedService:
    """Return what to remember. Of a variable only its name and the file that holds its current value are stored.
    `environ` is None if it could not be read."""
    service, process = candidate.service, candidate.process
    values = dict(_parse_environ(environ or b""))
    texts = {path: read_env_file(path, data) for path, data in files.items()}
    directory = process.cwd.or_else("/")
    variables = []
    for name, value in values.items():
        if name not in _SHELL_VARIABLES and not name.startswith(_IGNORED_PREFIXES):
            holder = next((path for path, found in texts.items() if name in found and found[name].text == value), "")
            variables.append((name, "." if value == directory and not is_secret_name(name) else holder))
    argv = _learnable_argv(process, values)
    name = service.name.partition("[")[0]
    # A transient unit of systemd-run ends with its process. Nothing can start it again, as with a shell's child.
    fleeting = service.unit is not None and service.unit.fragment_path.startswith("/run/systemd/transient/")
    return LearnedService(
        name=name.removesuffix(".service") if fleeting else name,
        manager="none" if fleeting else service.manager, runtime=service.runtime,
        argv=argv, directory=directory,
        user=users.get(process.uid, str(process.uid)), addresses=candidate.addresses,
        variables=tuple(sorted(variables)), complete=bool(argv), readable=environ is not None,
    )


def _learnable_argv(process: Process, values: Mapping[str, str]) -> tuple[str, ...]:
    """Return the command with the absolute path of its program; empty if one of its arguments is a secret."""
    words = list(process.argv)
    if not words or redact_text(" ".join(words)) != " ".join(words) or any(map(_SECRET_OPTION.match, words)):
        return ()
    if not words[0].startswith("/"):
        program = _path_in_virtualenv(words[0], process, values)
        if not program and not isinstance(process.exe, Known):
            return ()
        words[0] = program or process.exe.or_else("")
    return tuple(words)


def _path_in_virtualenv(word: str, process: Process, values: Mapping[str, str]) -> str:
    """Return the interpreter of a virtual environment under the path it was called by; empty if unsure.
    The kernel knows only the resolved path: the system's interpreter, which does not find the packages."""
    home = values.get("VIRTUAL_ENV", "")
    if "/" not in word:
        first = values.get("PATH", "").split(":")[0]
        return f"{first}/{word}" if _PYTHON.match(word) and home.startswith("/") and first == f"{home}/bin" else ""
    cwd = process.cwd.or_else("")
    if not cwd or values.get("PWD", cwd) != cwd:
        return ""
    return posixpath.normpath(posixpath.join(cwd, word))


def _parse_environ(environ: bytes) -> Iterable[tuple[str, str]]:
    for part in environ.split(b"\0"):
        name, found, value = part.decode("latin-1").partition("=")
        if found and name:
            yield name, value


def users_of(passwd: bytes) -> dict[int, str]:
    """Return uid -> name from an /etc/passwd."""
    rows = [line.split(":") for line in passwd.decode("utf-8", "replace").splitlines()]
    return {int(row[2]): row[0] for row in reversed(rows) if len(row) > 2 and is_number(row[2])}
