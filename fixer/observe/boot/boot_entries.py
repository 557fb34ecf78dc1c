"""Boot entries: cron `@reboot`, rc.local, user units, runit and similar, monit; start scripts that somebody runs by
hand. They are read, never run. Read only if no server listens at an address that nginx connects to."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence

from fixer.formats.launchers import CRON_DAEMONS, launch_user, skip_launchers
from fixer.formats.server_names import runtime_of
from fixer.formats.shell_words import Word, literal_word, shell_words, systemd_words
from fixer.formats.unit_file import RC_LOCAL_UNIT, effective_lines, unit_lines
from fixer.formats.wrapper_scripts import is_start_script, read_script, simple_commands
from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.parse_cache import parse_once
from fixer.lazy.regex import regex
from fixer.model.deployment import BootEntry, StarterKind
from fixer.model.facts import Evidence
from fixer.model.query import FileAnswer, Query, ReadFile, ReadGlob
from fixer.model.snapshot import Container
from fixer.observe.boot.run_folders import RUN_FOLDERS, run_folders, scanned_patterns
from fixer.observe.commands.resolved_command import (
    CommandStyle,
    CommandTrace,
    ServiceCommand,
    background_commands,
    trace_command,
)
from fixer.observe.commands.server_settings import configured_bindings
from fixer.observe.commands.startup_waits import shell_queries
from fixer.observe.commands.written_values import quoted_evidence
from fixer.observe.view.node_view import MOST_BOOT_FILES, View, is_readable

with lazy_imports():
    from fixer.redaction.commands import redact_argv

ENTRY_FILE_LIMIT = 16 << 10
MONIT_FILES = ("/etc/monit/conf.d/*", "/etc/monit/conf-enabled/*", "/etc/monit.d/*")
BOOT_ENTRY_FILES = ReadGlob((
    "/var/spool/cron/crontabs/*", "/var/spool/cron/*", "/etc/crontab", "/etc/cron.d/*", "/etc/rc.local",
    "/etc/rc.d/rc.local", "/home/*/.config/systemd/user/*.service", "/root/.config/systemd/user/*.service",
    "/etc/systemd/user/*.service", "/var/lib/systemd/linger/*",
    *RUN_FOLDERS, *MONIT_FILES,
), ENTRY_FILE_LIMIT, MOST_BOOT_FILES)

START_SCRIPTS = ReadGlob((      # where people put the script that starts their server
    *(f"/usr/local/{place}/{name}" for place in ("bin", "sbin") for name in ("*start*", "*run*", "*serve*", "*.sh")),
    *(f"{place}/{name}" for place in ("/opt/*", "/srv/*", "/var/www/*", "/home/*", "/root")
      for name in ("*.sh", "bin/*.sh", "bin/*start*", "start*", "run*")),
), ENTRY_FILE_LIMIT, MOST_BOOT_FILES)

ACCOUNTS = ReadFile("/etc/passwd", 256 << 10)       # whose process it is that an entry starts

_REBOOT = regex(r"^[ \t]*@reboot[ \t]+(.*\S)", 0)
_CRON_VARIABLE = regex(r"^[ \t]*[\"']?(?P<name>[A-Za-z_]\w*)[\"']?[ \t]*=")
_HARMLESS_VARIABLES = frozenset({"SHELL", "MAILTO"})
_PROGRAM = regex(r"/[\w./@+-]+\Z")
_USER_COLUMN_FILES = ("/etc/crontab", "/etc/cron.d/")
_CRON_FOLDERS = (*_USER_COLUMN_FILES, "/var/spool/cron/")
_LINGER_FOLDER = "/var/lib/systemd/linger/"
_RUN_FOLDER_ENDS = tuple(pattern.rpartition("*")[2] for pattern in RUN_FOLDERS[:2])
_MONIT_FOLDERS = tuple(pattern[:-1] for pattern in MONIT_FILES)
_MONIT_CHECK = regex(r"^\s*check\s+process\s+\"?([\w.@-]+)")
_MONIT_START = regex(r"^\s*start(?:\s+program)?\s*+(?:=\s*+)?([\"'])(?P<command>.+?)\1"
                     r"(?:.*?\bas\s+uid\s+\"?(?P<user>[\w.-]+))?")
NOT_AT_BOOT = "nothing starts it at boot"
_MAX_SU_DEPTH = 3
_MOST_ENTRIES = 40


def boot_entry_queries(view: View, own: Container | None = None) -> Iterator[Query]:
    """Yield the queries for boot files, then for the scripts that they name; `own` is the node's own container."""
    yield BOOT_ENTRY_FILES
    yield from (*_run_folder_queries(view), *shell_queries(view))
    reads: list[str] = []
    for _ in _find_commands(view, reads, own):
        pass
    yield from (ReadFile(path, 64 << 10) for path in dict.fromkeys(reads) if path.startswith("/"))
    if reads:
        yield ACCOUNTS


@dataclass(frozen=True, slots=True)
class BootCommand:
    """The server that a boot entry starts. `entry` has no address yet: the command may have several. `by_unit`: systemd
    runs the entry as a unit, which is a service of its own."""

    entry: BootEntry
    command: ServiceCommand
    by_unit: bool = False

    def entries(self, view: View) -> Iterator[BootEntry]:
        """Yield the entry once for each address that its command is configured to listen on."""
        for binding in configured_bindings(self.command, view):
            yield replace(self.entry, port=binding.port, unix=binding.unix)


def boot_commands_of(view: View, own: Container | None = None) -> tuple[BootCommand, ...]:
    """Return the servers that boot entries start; none unless the entries were read. Traced once for each view."""
    if BOOT_ENTRY_FILES not in view.node.answers:
        return ()
    return parse_once(lambda: tuple(_find_commands(view, [], own))[:_MOST_ENTRIES], "boot", view, own)


def boot_entries_of(view: View, own: Container | None = None) -> tuple[BootEntry, ...]:
    """Return every boot entry whose command has a configured listen address. What somebody runs by hand is none."""
    return tuple(entry for found in boot_commands_of(view, own) if not found.by_unit and found.entry.kind != "by-hand"
                 for entry in found.entries(view))[:_MOST_ENTRIES]


def missing_boot_programs(view: View) -> Iterator[Evidence]:
    """Yield the lines of cron and rc.local that start a program at boot which does not exist: renamed, or removed."""
    answer = view.node.answers.get(BOOT_ENTRY_FILES)
    for file in answer.files if answer is not None else ():
        is_script = file.path.endswith("rc.local")
        if not is_readable(file) or not (is_script or file.path.startswith(_CRON_FOLDERS)):
            continue
        lines = file.data.decode("latin-1").split("\n")
        for number, line in enumerate(lines, 1):
            match = None if is_script else _REBOOT.match(line)
            text = line if is_script else match[1] if match is not None else ""
            if match is not None and file.path.startswith(_USER_COLUMN_FILES):
                text = text.partition(" ")[2]
            for words, _, _ in _server_commands(_ShellText(text, file.path, number, "/"), {}):
                program = next((word.text for word in words[skip_launchers([word.text for word in words]):]), "")
                if program in view.files and view.files[program].status == "absent":
                    yield Evidence("file", f"{file.path}:{number}", program)


def _find_commands(view: View, reads: list[str], own: Container | None) -> Iterator[BootCommand]:
    answers = [view.node.answers.get(query) for query in (BOOT_ENTRY_FILES, *_run_folder_queries(view))]
    files = {file.path: file for answer in answers if answer is not None for file in answer.files if is_readable(file)}
    for path, file in files.items():
        text = file.data.decode("latin-1")
        if path.endswith("rc.local"):
            idle = "" if file.stat is not None and file.stat.end.mode & 0o111 else f"{path} is not executable"
            for entry in _entries_of_command(view, reads, ("rc.local", path, "root", idle), (text, 1)):
                yield replace(entry, by_unit=not idle and RC_LOCAL_UNIT in view.units)
        elif path.startswith(_MONIT_FOLDERS):
            yield from _entries_in_monit_file(view, reads, path, text)
        elif path.startswith(_LINGER_FOLDER) or path.endswith(_RUN_FOLDER_ENDS):
            continue
        elif path.endswith(".service"):
            yield from _entries_of_user_unit(view, reads, file, files)
        else:
            yield from _entries_in_crontab(view, reads, file, text)
    for told in entrypoint_commands(view, own, reads):
        script, _, line = told.evidence.where.rpartition(":")
        user = launch_user(told.argv).partition(":")[0]
        about: _EntrySource = ("entrypoint", script or told.evidence.where, user, "")
        yield from _server_of(view, about, told, int(line) if script else 0, name=own.name if own is not None else "")
    for folder in run_folders(view, files):
        reads += folder.service_command.source_files
        script, _, line = folder.service_command.evidence.where.rpartition(":")
        yield from _server_of(view, (folder.kind, script, "", folder.idle_reason), folder.service_command, int(line),
                              name=folder.name, start=folder.command)
    yield from _servers_of_scripts(view, reads)


def _servers_of_scripts(view: View, reads: list[str]) -> Iterator[BootCommand]:
    """Yield the servers that start scripts run, but for those that a boot entry runs, and copies of others."""
    answer = view.node.answers.get(START_SCRIPTS)
    files = [f for f in (answer.files if answer is not None else ()) if is_readable(f)
             and is_start_script(f.path, f.data)]
    seen = {posixpath.normpath(path) for path in reads}
    for file in files:
        if file.path in seen:
            continue
        follow = CommandTrace(view.contents(), "/")
        said = Evidence("file", f"{file.path}:1", file.path)
        command, env, style, said = trace_command([literal_word(file.path)], {}, said, follow)
        told = _service_command(command, env, said, style, follow)
        user = launch_user([word.text for word in command]).partition(":")[0]
        _, _, line = said.where.rpartition(":")
        if runtime_of(told.argv):
            reads += follow.source_files
        yield from _server_of(view, ("by-hand", file.path, user, NOT_AT_BOOT), told, int(line))


def _run_folder_queries(view: View) -> tuple[ReadGlob, ...]:
    """Return the query for the services of a scanner that runs with its own folder."""
    patterns = scanned_patterns(view)
    return (ReadGlob(patterns, ENTRY_FILE_LIMIT, MOST_BOOT_FILES),) if patterns else ()


_EntrySource = tuple[StarterKind, str, str, str]      # kind, file, user, idle reason


def _entries_in_crontab(view: View, reads: list[str], file: FileAnswer, text: str) -> Iterator[BootCommand]:
    path, idle = file.path, "" if any(p.comm in CRON_DAEMONS for p in view.by_pid.values()) else "cron is not running"
    for number, line in enumerate(text.split("\n"), 1):
        match = _REBOOT.match(line)
        if match is None:
            continue
        user, command = posixpath.basename(path), match[1]
        if path.startswith(_USER_COLUMN_FILES):
            user, _, command = command.partition(" ")
        alone = _only_program(command, text, file, user)
        for found in _entries_of_command(view, reads, ("cron", path, user, idle), (command, number)):
            yield replace(found, entry=replace(found.entry, program=alone))


def _only_program(command: str, crontab: str, file: FileAnswer, user: str) -> str:
    """Return the program if a line is nothing else, and cron gives it no variables. Whoever else may write the file
    must not choose what runs as `user`."""
    stat = file.stat.end if file.stat is not None else None
    closed = stat is not None and not stat.mode & 0o022 and (
        stat.uid == 0 or (posixpath.basename(file.path) == user and not file.path.startswith(_USER_COLUMN_FILES)))
    names = {match["name"] for line in crontab.split("\n") if (match := _CRON_VARIABLE.match(line)) is not None}
    return command if closed and _PROGRAM.match(command) and names <= _HARMLESS_VARIABLES else ""


def _entries_in_monit_file(view: View, reads: list[str], path: str, text: str) -> Iterator[BootCommand]:
    """Yield what monit starts if the process of a check has ended."""
    idle = "" if any(p.comm == "monit" for p in view.by_pid.values()) else "monit is not running"
    name = ""
    for number, line in enumerate(text.split("\n"), 1):
        check, start = _MONIT_CHECK.match(line), _MONIT_START.match(line)
        name = check[1] if check is not None else name
        if start is not None and name:
            about: _EntrySource = ("monit", path, start["user"] or "root", idle)
            for found in _entries_of_command(view, reads, about, (start["command"], number)):
                yield replace(found, entry=replace(found.entry, name=name, command=f"monit start {name}"))


def _entries_of_command(view: View, reads: list[str], about: _EntrySource,
                        said: tuple[str, int]) -> Iterator[BootCommand]:
    text, number = said
    for words, directory, line in _server_commands(_ShellText(text, about[1], number, "/"), view.contents()):
        follow = CommandTrace(view.contents(), directory)
        evidence = Evidence("file", f"{about[1]}:{line}", " ".join(w.text for w in words))
        command, env, style, evidence = trace_command(words, {}, evidence, follow)
        reads += follow.source_files
        user = launch_user([word.text for word in words]).partition(":")[0] or about[2]
        told = _service_command(command, env, evidence, style, follow)
        yield from _server_of(view, (about[0], about[1], user, about[3]), told, line)


@dataclass(frozen=True, slots=True)
class _ShellText:
    """Shell text with its file, its first line there, and the working directory of its shell."""

    text: str
    file: str
    line: int
    directory: str


def _server_commands(said: _ShellText, contents: Mapping[str, bytes],
                     depth: int = 0) -> Iterator[tuple[list[Word], str, int]]:
    """Yield (words, working directory, line) of servers and scripts that a shell text runs, also by `su -c`."""
    directory = said.directory
    for command, _, more in simple_commands(said.text):
        line = said.line + more
        words = shell_words(command, said.file, line)
        argv = [word.text for word in words]
        if argv[:1] == ["cd"] and len(argv) > 1:
            directory = posixpath.join(directory, argv[1])
        elif argv and posixpath.basename(argv[0]) in ("su", "runuser") and "-c" in argv[:-1] and depth < _MAX_SU_DEPTH:
            inner = words[argv.index("-c") + 1]
            yield from _server_commands(_ShellText(inner.text, said.file, line, directory), contents, depth + 1)
        elif runtime_of(argv) or (argv and "/" in argv[0]):
            run = read_script(command, said.file, {}, contents, line=line, directory=directory)
            yield (run.command or words), directory, line


def _entries_of_user_unit(view: View, reads: list[str], file: FileAnswer,
                          files: Mapping[str, FileAnswer]) -> Iterator[BootCommand]:
    lines = unit_lines(file.path, file.data)
    said = [line for line in effective_lines(lines, "ExecStart") if line.value.strip()]
    if not said:
        return
    home = file.path.partition("/.config/")[0] if "/.config/" in file.path else ""
    user = posixpath.basename(home)
    idle = f"lingering is not enabled for {user}, so it runs only while {user} is logged in" if user and \
        f"{_LINGER_FOLDER}{user}" not in files else ""
    folders = [line.value.strip().replace("%h", home) for line in effective_lines(lines, "WorkingDirectory")]
    follow = CommandTrace(view.contents(), folders[-1] if folders and folders[-1].startswith("/") else home or "/")
    line = said[-1]
    evidence = Evidence("unit", f"{line.file}:{line.line}", f"ExecStart={line.value}")
    words = systemd_words(line.value.replace("%h", home), line.file, line.line)
    command, env, style, evidence = trace_command(words, {}, evidence, follow)
    reads += follow.source_files
    told = _service_command(command, env, evidence, style or "unit", follow)
    yield from _server_of(view, ("user-unit", file.path, user, idle), told, line.line)


def _service_command(command: Sequence[Word], env: dict[str, Word], evidence: Evidence, style: CommandStyle,
                     follow: CommandTrace) -> ServiceCommand:
    """Return the traced command, with the files of its variables and those that its output goes to."""
    return ServiceCommand(tuple(command), env, evidence, style, follow.directory,
                          env_files=tuple(dict.fromkeys(follow.env_files)), script=follow.script,
                          output_files=tuple(follow.output_files), required_files=tuple(follow.required_files))


def _server_of(view: View, about: _EntrySource, told: ServiceCommand, line: int, *, name: str = "",
               start: str = "") -> Iterator[BootCommand]:
    """Yield the command with its entry, if it is a server's. Where a line only leads to it, the entry quotes that."""
    kind, file, user, idle = about
    if runtime_of(told.argv):
        said = Evidence("file", f"{file}:{line}", " ".join(redact_argv(list(told.argv))))
        line_text = quoted_evidence(said, view).text
        text = said.text if said.text in line_text else line_text
        yield BootCommand(BootEntry(view.name, kind, file, line, text, user, 0, None, idle, name, start,
                                    told.directory if told.directory != "/" else ""), told)


def entrypoint_commands(view: View, box: Container | None, reads: list[str]) -> Iterator[ServiceCommand]:
    """Yield the servers that the entrypoint scripts of an nginx container run in the background, unsupervised.
    A script may hand over to another one in its arguments. Append the files that were read to `reads`."""
    if box is None or box.is_machine:
        return
    for at in range(len(box.argv)):
        follow = CommandTrace(view.contents(), box.working_dir or "/")
        said = Evidence("container", box.name, " ".join(box.argv))
        words, env, style, said = trace_command([literal_word(word) for word in box.argv[at:]], {}, said, follow)
        reads += [posixpath.normpath(path) for path in follow.source_files]
        told = ServiceCommand(tuple(words), env, said, style, follow.directory, tuple(follow.source_files),
                              tuple(follow.env_files))
        if not style or not runtime_of(told.argv):
            continue
        beside = [one for one in background_commands(follow, said) if runtime_of(one.argv)]
        reads += [posixpath.normpath(path) for path in follow.source_files]
        yield from beside or [told]
        return
