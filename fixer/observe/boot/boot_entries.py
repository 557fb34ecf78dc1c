"""Who starts a backend that no manager of ours keeps: `@reboot` of cron, rc.local, units of a user's own systemd, runit
and its like, monit. Read, never run; looked for only where an address is empty that nginx asks for."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping

from fixer.formats.server_names import runtime_of
from fixer.formats.shell_words import Word, literal, shell_words, systemd_words
from fixer.formats.unit_file import effective, unit_lines
from fixer.formats.wrapper_scripts import read_script, simple_commands
from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.regex import regex
from fixer.model.deployment import Starter, StarterKind
from fixer.model.facts import Evidence
from fixer.model.query import FileAnswer, Query, ReadFile, ReadGlob
from fixer.model.snapshot import Container
from fixer.observe.boot.run_folders import RUN_FOLDERS, run_folders, scanned
from fixer.observe.commands.resolved_command import Follow, Told, followed
from fixer.observe.commands.server_settings import told_bindings
from fixer.observe.commands.startup_waits import shell_queries
from fixer.observe.view.node_view import STARTER_FILES, View, is_readable
from fixer.redaction.values import redact_argv

LIMIT = 16 << 10
MONIT_FILES = ("/etc/monit/conf.d/*", "/etc/monit/conf-enabled/*", "/etc/monit.d/*")
STARTERS = ReadGlob((
    "/var/spool/cron/crontabs/*", "/var/spool/cron/*", "/etc/crontab", "/etc/cron.d/*", "/etc/rc.local",
    "/etc/rc.d/rc.local", "/home/*/.config/systemd/user/*.service", "/root/.config/systemd/user/*.service",
    "/etc/systemd/user/*.service", "/var/lib/systemd/linger/*",
    *RUN_FOLDERS, *MONIT_FILES,
), LIMIT, STARTER_FILES)

_REBOOT = regex(r"^[ \t]*@reboot[ \t]+(.*\S)", 0)
_WITH_USER = ("/etc/crontab", "/etc/cron.d/")
_CRON = frozenset({"cron", "crond", "systemd-cron", "anacron", "fcron"})
_LINGER = "/var/lib/systemd/linger/"
_OF_RUN_FOLDERS = tuple(pattern.rpartition("*")[2] for pattern in RUN_FOLDERS[:2])
_MONIT = tuple(pattern[:-1] for pattern in MONIT_FILES)
_CHECK = regex(r"^\s*check\s+process\s+\"?([\w.@-]+)")
_START = regex(r"^\s*start(?:\s+program)?\s*=?\s*([\"'])(?P<command>.+?)\1(?:.*?\bas\s+uid\s+\"?(?P<user>[\w.-]+))?")
_DEPTH = 3
_MOST = 40


def starter_queries(view: View, own: Container | None = None) -> Iterator[Query]:
    """First where such commands stand, then the scripts that they name; `own` is the container that the node is."""
    yield STARTERS
    yield from (*_scanned(view), *shell_queries(view))
    reads: list[str] = []
    for _ in _found(view, reads, own):
        pass
    yield from (ReadFile(path, 64 << 10) for path in dict.fromkeys(reads) if path.startswith("/"))


def starters_of(view: View, own: Container | None = None) -> tuple[Starter, ...]:
    """Every such command that is told where to listen."""
    return tuple(_found(view, [], own))[:_MOST] if STARTERS in view.node.answers else ()


def _found(view: View, reads: list[str], own: Container | None) -> Iterator[Starter]:
    answers = [view.node.answers.get(query) for query in (STARTERS, *_scanned(view))]
    files = {file.path: file for answer in answers if answer is not None for file in answer.files if is_readable(file)}
    for path, file in files.items():
        text = file.data.decode("latin-1")
        if path.endswith("rc.local"):
            idle = "" if file.stat is not None and file.stat.end.mode & 0o111 else f"{path} is not executable"
            if idle or view.init != "systemd":      # else it is a unit of systemd's
                yield from _started(view, reads, ("rc.local", path, "root", idle), (text, 1))
        elif path.startswith(_MONIT):
            yield from _monitored(view, reads, path, text)
        elif path.startswith(_LINGER) or path.endswith(_OF_RUN_FOLDERS):
            continue
        elif path.endswith(".service"):
            yield from _user_unit(view, reads, file, files)
        else:
            yield from _crontab(view, reads, path, text)
    for told in entered(view, own, reads):
        script, _, line = told.said.where.rpartition(":")
        about: _About = ("entrypoint", script or told.said.where, "", "")
        for starter in _bound(view, about, told, int(line) if script else 0):
            yield replace(starter, name=own.name if own is not None else "")
    for folder in run_folders(view, files):
        reads += folder.told.reads
        script, _, line = folder.told.said.where.rpartition(":")
        for starter in _bound(view, (folder.kind, script, "", folder.idle), folder.told, int(line)):
            yield replace(starter, name=folder.name, command=folder.command)


def _scanned(view: View) -> tuple[ReadGlob, ...]:
    """The services of a scanner that was given a folder of its own."""
    patterns = scanned(view)
    return (ReadGlob(patterns, LIMIT, STARTER_FILES),) if patterns else ()


_About = tuple[StarterKind, str, str, str]      # kind, file, user, idle


def _crontab(view: View, reads: list[str], path: str, text: str) -> Iterator[Starter]:
    idle = "" if any(p.comm in _CRON for p in view.by_pid.values()) else "cron does not run"
    for number, line in enumerate(text.split("\n"), 1):
        match = _REBOOT.match(line)
        if match is None:
            continue
        user, command = posixpath.basename(path), match[1]
        if path.startswith(_WITH_USER):
            user, _, command = command.partition(" ")
        yield from _started(view, reads, ("cron", path, user, idle), (command, number))


def _monitored(view: View, reads: list[str], path: str, text: str) -> Iterator[Starter]:
    """What monit starts where the process of a check is gone."""
    idle = "" if any(p.comm == "monit" for p in view.by_pid.values()) else "monit does not run"
    name = ""
    for number, line in enumerate(text.split("\n"), 1):
        check, start = _CHECK.match(line), _START.match(line)
        name = check[1] if check is not None else name
        if start is not None and name:
            about: _About = ("monit", path, start["user"] or "root", idle)
            for starter in _started(view, reads, about, (start["command"], number)):
                yield replace(starter, name=name, command=f"monit start {name}")


def _started(view: View, reads: list[str], about: _About, said: tuple[str, int]) -> Iterator[Starter]:
    text, number = said
    for words, directory, line in _servers(_Text(text, about[1], number, "/"), view.contents()):
        follow = Follow(view.contents(), directory)
        evidence = Evidence("file", f"{about[1]}:{line}", " ".join(w.text for w in words))
        command, env, style, evidence = followed(words, {}, evidence, follow)
        reads += follow.reads
        told = Told(tuple(command), env, evidence, style, follow.directory)
        yield from _bound(view, about, told, line)


@dataclass(frozen=True, slots=True)
class _Text:
    """Shell text that begins at a line of a file, and the folder that it is run in."""

    text: str
    file: str
    line: int
    directory: str


def _servers(said: _Text, contents: Mapping[str, bytes], depth: int = 0) -> Iterator[tuple[list[Word], str, int]]:
    """The commands of a shell text that are servers or scripts of one's own, also those that `su -c` is given, each
    with the folder that it starts in and its line."""
    directory = said.directory
    for command, _, more in simple_commands(said.text):
        line = said.line + more
        words = shell_words(command, said.file, line)
        argv = [word.text for word in words]
        if argv[:1] == ["cd"] and len(argv) > 1:
            directory = posixpath.join(directory, argv[1])
        elif argv and posixpath.basename(argv[0]) in ("su", "runuser") and "-c" in argv[:-1] and depth < _DEPTH:
            inner = words[argv.index("-c") + 1]
            yield from _servers(_Text(inner.text, said.file, line, directory), contents, depth + 1)
        elif runtime_of(argv) or (argv and "/" in argv[0]):
            run = read_script(command, said.file, {}, contents, line=line, directory=directory)
            yield (run.command or words), directory, line


def _user_unit(view: View, reads: list[str], file: FileAnswer, files: Mapping[str, FileAnswer]) -> Iterator[Starter]:
    lines = unit_lines(file.path, file.data)
    said = [line for line in effective(lines, "ExecStart") if line.value.strip()]
    if not said:
        return
    home = file.path.partition("/.config/")[0] if "/.config/" in file.path else ""
    user = posixpath.basename(home)
    idle = f"{user} does not linger, so it runs only while {user} is logged in" if user and \
        f"{_LINGER}{user}" not in files else ""
    folders = [line.value.strip().replace("%h", home) for line in effective(lines, "WorkingDirectory")]
    follow = Follow(view.contents(), folders[-1] if folders and folders[-1].startswith("/") else home or "/")
    line = said[-1]
    evidence = Evidence("unit", f"{line.file}:{line.line}", f"ExecStart={line.value}")
    words = systemd_words(line.value.replace("%h", home), line.file, line.line)
    command, env, style, evidence = followed(words, {}, evidence, follow)
    reads += follow.reads
    told = Told(tuple(command), env, evidence, style or "unit", follow.directory)
    yield from _bound(view, ("user-unit", file.path, user, idle), told, line.line)


def _bound(view: View, about: _About, told: Told, line: int) -> Iterator[Starter]:
    kind, file, user, idle = about
    if runtime_of(told.argv):
        text = " ".join(redact_argv(list(told.argv)))
        for binding in told_bindings(told, view):
            yield Starter(view.name, kind, file, line, text, user, binding.port, binding.unix, idle)


# Servers that a container's own script puts into the background before it becomes nginx: nobody watches them.


def entered(view: View, box: Container | None, reads: list[str]) -> Iterator[Told]:
    """What the container's command ends in besides nginx, as its scripts say: an entry script may hand over to another
    one that it is given. `reads` takes the files that say it."""
    if box is None or box.is_machine:
        return
    for at in range(len(box.argv)):
        follow = Follow(view.contents(), box.working_dir or "/")
        said = Evidence("container", box.name, " ".join(box.argv))
        words, env, style, said = followed([literal(word) for word in box.argv[at:]], {}, said, follow)
        reads += [posixpath.normpath(path) for path in follow.reads]
        told = Told(tuple(words), env, said, style, follow.directory, tuple(follow.reads))
        if style and runtime_of(told.argv):
            yield told
            return
