"""The command of a unit, wrapper script or process: arguments, variables, and the files that define them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Literal

from fixer.formats.launchers import launch_user, shell_text_index
from fixer.formats.server_names import script_of, server_at
from fixer.formats.shell_words import Env, Word, expand_words, literal_word, split_assignment, systemd_words
from fixer.formats.systemctl_show import packaged_unit_path
from fixer.formats.unit_file import UnitLine, effective_lines, expand_specifiers, unit_lines
from fixer.formats.wrapper_scripts import MAX_DEPTH, BackgroundServer, ShellRun, is_shell_script, read_script
from fixer.lazy.dataclass import dataclass, field, replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence
from fixer.model.snapshot import CommandArgument, Process, Unit, UnitSetting
from fixer.observe.view.node_view import View

with lazy_imports():  # not needed in most looks
    from fixer.formats.env_file import read_unit_env_file

CommandStyle = Literal["", "unit", "shell", "yaml-flow", "yaml-block", "yaml-string"]

# Programs of the distribution are no wrappers of an application.
SYSTEM_FOLDERS = ("/usr/bin/", "/usr/sbin/", "/usr/lib/", "/usr/libexec/", "/usr/share/", "/bin/", "/sbin/", "/lib/")
_OUTPUT_TO_FILE = regex(r"^(?:append|file|truncate):(/\S+)$")
_REDIRECTION = regex(r"^[\d&]?(>>?|<|>&|&>>?)(.*)$")


@dataclass(frozen=True, slots=True)
class ServiceCommand:
    """A command with its variables. `source_files` define it (read or not); `env_files` are those with variables, and
    `required_files` those without which its scripts end. `unit_files`: the fragment and drop-ins. `script`: the wrapper
    followed. `entry`: the program that systemd starts. `output_files`: files that its output goes to. `namespace`: its
    own journal namespace."""

    command: tuple[Word, ...]
    env: Env
    evidence: Evidence
    style: CommandStyle
    directory: str = ""
    source_files: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    unit_files: tuple[str, ...] = ()
    script: str = ""
    lines: tuple[UnitLine, ...] = ()
    entry: Word | None = None
    output_files: tuple[str, ...] = ()
    namespace: str = ""
    required_files: tuple[str, ...] = ()
    runs_as: str = ""       # the account that its launchers change to

    @property
    def argv(self) -> tuple[str, ...]:
        """Return the command as text."""
        return tuple(word.text for word in self.command)


_UNIT_FOLDERS = tuple(f"{folder}/systemd/system" for folder in ("/etc", "/run", "/usr/local/lib"))     # the first wins


@dataclass(slots=True)
class CommandTrace:
    """The state while a command is traced from its unit or compose file through wrappers to the server."""

    contents: Mapping[str, bytes]
    directory: str
    source_files: list[str] = field(default_factory=list)
    env_files: list[str] = field(default_factory=list)
    script: str = ""
    output_files: list[str] = field(default_factory=list)
    required_files: list[str] = field(default_factory=list)
    background: list[BackgroundServer] = field(default_factory=list)    # servers that the scripts run with `&`
    runs_as: str = ""       # the account that its launchers change to

    def read(self, path: str) -> bytes:
        """Return the bytes of a file, and record that it is needed."""
        if path not in self.source_files:
            self.source_files.append(path)
        return self.contents.get(path, b"")


def command_of_unit(unit: Unit, view: View) -> ServiceCommand:
    """Return the command that systemd runs for a unit, from its files if read, else from `systemctl show`."""
    contents = view.contents()
    is_masked = unit.load_state == "masked"
    fragment = _masked_unit_file(unit.name, contents) if is_masked else unit.fragment_path
    paths = tuple(p for p in (fragment, *(_masked_drop_ins(unit.name, contents) if is_masked else unit.drop_in_paths))
                  if p)
    lines = tuple(line for path in paths for line in unit_lines(path, contents.get(path, b"")))
    follow = CommandTrace(contents, _working_directory(unit, lines), source_files=list(paths))
    env = _unit_environment(unit, lines, follow)
    exec_lines = [line for line in effective_lines(lines, "ExecStart") if line.value.strip()]
    if exec_lines:
        line = exec_lines[-1]
        words = _with_specifiers(systemd_words(line.value, line.file, line.line, line.start), unit)
        said = Evidence("unit", f"{line.file}:{line.line}", f"ExecStart={' '.join(line.value.split())}")
    else:
        words = [word for text in unit.exec_start for word in systemd_words(text)]
        said = Evidence("unit", unit.name, f"ExecStart={' '.join(unit.exec_start)}")
    entry = _without_exec_prefix(words[0]) if words else None
    words, env, style, said = trace_command(words, env, said, follow)
    return ServiceCommand(tuple(words), env, said, style or "unit", follow.directory,
                          tuple(dict.fromkeys(follow.source_files)),
                tuple(dict.fromkeys(follow.env_files)), paths, follow.script, lines, entry,
                (*_unit_output_files(unit, lines), *follow.output_files), _log_namespace(unit, lines),
                tuple(follow.required_files), follow.runs_as)


def _masked_unit_file(name: str, contents: Mapping[str, bytes]) -> str:
    """Return the unit file that a mask hides: the administrator's folder comes before the packages'."""
    own = f"/usr/local/lib/systemd/system/{name}"
    return own if contents.get(own) else packaged_unit_path(name)


def _masked_drop_ins(name: str, contents: Mapping[str, bytes]) -> list[str]:
    """Return the drop-ins of a masked unit, which systemd does not report, in their order.
    Of two with the same name only the one in the first folder counts."""
    found: dict[str, str] = {}
    for folder in _UNIT_FOLDERS:
        for path in contents:
            if path.startswith(f"{folder}/{name}.d/") and path.endswith(".conf"):
                found.setdefault(path.rpartition("/")[2], path)
    return [found[base] for base in sorted(found)]


def _unit_output_files(unit: Unit, lines: tuple[UnitLine, ...]) -> list[str]:
    """Return the files that the unit itself sends its output to."""
    said = [line.value.strip() for key in ("StandardOutput", "StandardError")
            for line in effective_lines(lines, key)[-1:]]
    found = (match for text in said if (match := _OUTPUT_TO_FILE.match(text)) is not None)
    return [expand_specifiers(match[1], unit.name) for match in found]


def _log_namespace(unit: Unit, lines: tuple[UnitLine, ...]) -> str:
    """Return the unit's journal namespace, empty for the default one."""
    said = [line.value.strip() for line in effective_lines(lines, "LogNamespace")[-1:]]
    return expand_specifiers(said[0], unit.name) if said else ""


def _without_exec_prefix(word: Word) -> Word:
    """Return the program without systemd's prefixes (`-`, `@`, `+` …)."""
    text = word.text
    return word.slice(len(text) - len(text.lstrip("@-:+!|")), len(text))


def _working_directory(unit: Unit, lines: tuple[UnitLine, ...]) -> str:
    """Return WorkingDirectory= from its files, else as systemd has it."""
    said = [line.value.strip() for line in effective_lines(lines, "WorkingDirectory")]
    path = expand_specifiers(said[-1].lstrip("-"), unit.name) if said else unit.working_directory
    return path if path.startswith("/") else "/"


def command_of_process(process: Process, view: View) -> ServiceCommand:
    """Return the command of a bare process: its own arguments; its wrapper has already ended."""
    said = Evidence("process", f"pid {process.pid}", " ".join(process.argv))
    return ServiceCommand(tuple(literal_word(a) for a in process.argv), {}, said, "")


def _unit_environment(unit: Unit, lines: tuple[UnitLine, ...], follow: CommandTrace) -> dict[str, Word]:
    """Return Environment= of the unit and its drop-ins, overridden by the files of EnvironmentFile=."""
    env: dict[str, Word] = {}
    for line in effective_lines(lines, "Environment"):
        words = systemd_words(line.value, line.file, line.line, line.start)
        env.update({pair[0]: pair[1] for word in words if (pair := split_assignment(word))})
    files = [line.value.strip() for line in effective_lines(lines, "EnvironmentFile")] or list(unit.environment_files)
    for written in files:
        path = expand_specifiers(written.removeprefix("-"), unit.name)
        follow.env_files.append(path)
        env.update(read_unit_env_file(path, follow.read(path)))
    return env


def _with_specifiers(words: list[Word], unit: Unit) -> list[Word]:
    """Return words with expanded specifiers; an expanded piece has no byte position."""
    return [Word(tuple(replace(p, text=expand_specifiers(p.text, unit.name), start=None) if "%" in p.text else p
                       for p in word.pieces)) for word in words]


TracedCommand = tuple[list[Word], dict[str, Word], CommandStyle, Evidence]


def trace_command(words: list[Word], env: dict[str, Word], said: Evidence, follow: CommandTrace) -> TracedCommand:
    """Return the command that wrapper scripts and `sh -c` end in, with its variables expanded."""
    style: CommandStyle = ""
    for _ in range(MAX_DEPTH):
        words = expand_words(words, env)
        follow.runs_as = launch_user([word.text for word in words]).partition(":")[0] or follow.runs_as
        run, path = _run_inner_script(words, env, follow)
        if run is None:
            break
        env, follow.directory = run.env, run.directory or follow.directory
        follow.source_files += run.sourced
        follow.env_files += run.sourced
        follow.required_files += run.required
        follow.background += run.background
        inner = run.command or (run.other[-1] if run.other else None)
        if inner is None:
            break
        words, style = inner[1:] if inner[0].text == "exec" else inner, "shell"
        if path:
            follow.script = path
            line = next((p.line for w in words for p in w.pieces if p.file == path), 1)
            said = Evidence("file", f"{path}:{line}", " ".join(w.to_argument().text for w in words))
    return _without_redirections(words, follow.output_files), env, style, said


def background_commands(follow: CommandTrace, said: Evidence) -> Iterator[ServiceCommand]:
    """Yield the servers that the traced scripts run with `&`, each traced through its own wrappers.
    What their files need is recorded in the trace."""
    for server in tuple(follow.background):
        inner = CommandTrace(follow.contents, server.directory or follow.directory, source_files=follow.source_files)
        place = server.command[0].to_argument()
        shown = " ".join(word.to_argument().text for word in server.command)
        about = replace(said, source="file", where=f"{place.file}:{place.line}", text=shown) if place.file else said
        words, env, style, about = trace_command(list(server.command), dict(server.env), about, inner)
        yield ServiceCommand(tuple(words), env, about, style or "shell", inner.directory, tuple(inner.source_files),
                             (*server.sourced, *inner.env_files), output_files=tuple(inner.output_files))


def _run_inner_script(words: list[Word], env: Env, follow: CommandTrace) -> tuple[ShellRun | None, str]:
    """Return the shell script that a command runs: its own file, or the text after `sh -c`."""
    argv = [w.text for w in words]
    runtime, at = server_at(argv)
    given = shell_text_index(argv, at - 1) if runtime == "shell" else None
    if given is not None:
        return _run_shell_text(words[given], env, follow, words[given + 2:]), ""       # the word between is its $0
    script = script_of(argv)
    if script is None or runtime not in ("", "shell", "python") or script.startswith(SYSTEM_FOLDERS):
        return None, ""
    if runtime == "" and not script.startswith(("/", ".")):
        return None, ""
    path = posixpath.normpath(posixpath.join(follow.directory, script))
    data = follow.read(path)
    if runtime == "python" or not (is_shell_script(data) or (runtime == "shell" and data)):
        return None, ""
    run = read_script(data.decode("latin-1"), path, env, follow.contents, directory=follow.directory,
                      given=words[argv.index(script) + 1:] if script in argv else ())
    return run, path


def _run_shell_text(word: Word, env: Env, follow: CommandTrace, given: list[Word]) -> ShellRun:
    place = word.to_argument()
    source = word if place.start is None and place.file else None      # compose doubles each $
    return read_script(word.text, place.file or "", env, follow.contents, line=place.line,
                       start=place.start if source is None else 0, directory=follow.directory, given=given,
                       source=source)


def _without_redirections(words: list[Word], output: list[str]) -> list[Word]:
    """Return the command without redirections; append the files that it writes to `output`."""
    kept: list[Word] = []
    writes: bool | None = None          # after a lone redirection operator: whether it writes
    for word in words:
        match = _REDIRECTION.match(word.text)
        if match is None and writes is None:
            kept.append(word)
            continue
        target, to = (word.text, writes) if match is None else (match[2], match[1] != "<")
        writes = to if not target else None
        if target and to and not target.startswith("&") and not target.isdigit():
            output.append(target)
    return kept


# `ulimit` in a start script: -v is the address space, -d the data segment, both in KiB; without -H or -S both limits
# are set.
_ULIMIT = regex(rb"^[^#\n]*?\bulimit[ \t]+(?:-[SH][ \t]+)*-[SH]*(?P<what>[vd])[ \t]+(?P<value>[1-9][0-9]*)\b")


def ulimits_of(told: ServiceCommand, view: View) -> tuple[UnitSetting, ...]:
    """Return `ulimit -v` and `ulimit -d` of the start script, the last of each."""
    data = view.data(told.script) if told.script else None
    return tuple({one.key: one for one in _ulimit_lines(told.script, data)}.values()) if data is not None else ()


def _ulimit_lines(path: str, data: bytes) -> Iterator[UnitSetting]:
    at = 0
    for number, line in enumerate(data.split(b"\n"), 1):
        match = _ULIMIT.match(line)
        if match is not None:
            value, key = match["value"].decode(), f"ulimit -{match['what'].decode()}"
            place = CommandArgument(value, path, number, at + match.start("value"), at + match.end("value"))
            said = Evidence("file", f"{path}:{number}", line.decode("utf-8", "replace").strip())
            yield UnitSetting(key, value, said, None, place)
        at += len(line) + 1
