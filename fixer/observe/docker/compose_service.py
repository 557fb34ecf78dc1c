"""One service as its compose files define it, with the byte positions of its values."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from fixer.formats.docker_conventions import environment_paths, path_on_engine
from fixer.formats.env_file import read_env_file
from fixer.formats.server_bindings import bindings_of
from fixer.formats.server_names import is_app_server, runtime_of
from fixer.formats.shell_words import Env, Word, expand_word, literal_word, shell_words, split_assignment
from fixer.formats.wrapper_scripts import is_shell_script
from fixer.formats.yaml_spans import Map, Node, Scalar, Seq
from fixer.lazy.dataclass import dataclass, replace
from fixer.model.facts import Evidence
from fixer.model.snapshot import (
    Binding,
    ComposeNetwork,
    ComposeSetting,
    Container,
    EnvAssignment,
    EnvSlot,
    UnitSetting,
)
from fixer.observe.commands.resolved_command import CommandStyle, CommandTrace, background_commands, trace_command
from fixer.observe.commands.written_values import env_file_slot
from fixer.observe.docker.compose_files import ComposeFile, compose_files_of, compose_roots_of, interpolation_env
from fixer.observe.docker.compose_missing import unset_variables_in
from fixer.observe.docker.compose_settings import (
    compose_networks,
    extra_hosts_in,
    ports_in,
    setting_slot,
    settings_in,
    volumes_in,
)
from fixer.observe.files.log_files import log_file_paths
from fixer.observe.view.node_view import ENGINE, View


@dataclass(frozen=True, slots=True)
class ComposeService:
    """A service's command, variables, limits and settings in its compose files, and positions for new ones.
    `scripts` are the start scripts that it has from the engine's machine, read or not."""

    command: tuple[Word, ...]
    env: Env
    style: CommandStyle
    env_slots: tuple[EnvSlot, ...]
    env_files: tuple[str, ...]
    evidence: Evidence
    limits: tuple[UnitSetting, ...] = ()
    settings: tuple[ComposeSetting, ...] = ()
    setting_slot: EnvSlot | None = None
    networks: tuple[ComposeNetwork, ...] = ()
    unset_variables: tuple[EnvAssignment, ...] = ()
    scripts: tuple[str, ...] = ()
    beside: tuple[Binding, ...] = ()    # of all servers, if its script runs several side by side
    log_files: tuple[str, ...] = ()     # files inside that the servers of its script write their output to


_LIMIT_KEYS = (
    ("MemoryMax", ("mem_limit",)), ("MemoryMax", ("deploy", "resources", "limits", "memory")),
    ("MemorySwapMax", ("memswap_limit",)),
    ("TasksMax", ("pids_limit",)), ("TasksMax", ("deploy", "resources", "limits", "pids")),
)


def compose_service(container: Container, engine: View | None) -> ComposeService | None:
    """Return the service as its compose files define it; None if they were not read."""
    if engine is None or not container.service:
        return None
    outer = interpolation_env(container, engine)
    files = compose_files_of(container, engine, outer)
    if not files:
        return None
    listed = [posixpath.normpath(posixpath.join(f.folder, p)) for f in files for p in _env_files(f, outer)]
    env: dict[str, Word] = {}
    for path in listed:
        env.update(read_env_file(path, engine.data(path) or b""))
    for file in files:
        env.update(_environment(file, outer))
    command, style, said = _command(files, outer)
    follow = CommandTrace(_MountedFiles(container, engine), container.working_dir or "/")
    expands = _starts_shell(command, follow.contents)
    command, _, inner, said = trace_command(command, {k: v for k, v in env.items() if expands}, said, follow)
    beside = [one for one in background_commands(follow, said) if runtime_of(one.argv)]
    main = next((one for one in beside if is_app_server(one.argv, runtime_of(one.argv), "", "")), None)
    if main is not None and len(beside) > 1:  # all of them run, so the last one is not the application
        command, said = list(main.command), main.evidence
    places = {path: place for path in follow.source_files if (place := path_on_engine(container, path)) is not None}
    command = _words_on_engine(command, places)
    said = _on_engine(said, places)
    unset = tuple(unset_variables_in(files, outer))
    slots = tuple(_env_slots(files, tuple(listed), container, engine, [one.name for one in unset]))
    settings = tuple(_last_setting_of_each_key([s for file in files for s in _settings(file)]))
    last = files[-1]
    return ComposeService(
        tuple(command), env, inner or style, slots, tuple(dict.fromkeys(listed)), said, tuple(_limits(files)),
        settings, setting_slot(last.service, last.path, last.data),
        tuple(compose_networks(files, compose_roots_of(container, engine, outer), container.project or "", outer)),
        unset, tuple(places.values()), tuple(
            binding for one in beside if len(beside) > 1
            for binding in bindings_of(
                _words_on_engine(one.command, places), one.env, _on_engine(one.evidence, places))),
        tuple(dict.fromkeys(path for one in beside for path in log_file_paths(one, None))),
    )


def _words_on_engine(words: Iterable[Word], places: Mapping[str, str]) -> list[Word]:
    """Return the words, with the paths of their files on the engine's machine."""
    return [Word(tuple(replace(piece, file=places.get(piece.file or "", piece.file)) for piece in word.pieces))
            for word in words]


def _on_engine(said: Evidence, places: Mapping[str, str]) -> Evidence:
    """Return the evidence with the path on the engine's machine."""
    path, colon, line = said.where.rpartition(":")
    return replace(said, where=f"{places[path]}{colon}{line}") if path in places else said


class _MountedFiles(Mapping[str, bytes]):
    """Container path -> bytes of the files that a container has from the engine's machine, as far as they were read."""

    def __init__(self, container: Container, engine: View) -> None:
        self._container, self._read = container, engine.contents()

    def __getitem__(self, path: str) -> bytes:
        place = path_on_engine(self._container, path)
        if place is None:
            raise KeyError(path)        # it is in the image: the machine's file of that name is another one
        return self._read[place]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read)

    def __len__(self) -> int:
        return len(self._read)


def _settings(file: ComposeFile) -> Iterator[ComposeSetting]:
    """Yield the file's settings, without their position if an edit there would change other services."""
    for settings in (settings_in, ports_in, volumes_in, extra_hosts_in):
        for setting in settings(file.service, file.path, file.data):
            yield replace(setting, start=None, end=None) if file.shared else setting


def _last_setting_of_each_key(found: list[ComposeSetting]) -> Iterator[ComposeSetting]:
    """Yield the last setting of each key. Of `extra_hosts` all count: one of several cannot be edited out."""
    times = Counter(setting.key for setting in found if setting.key.startswith("extra_hosts."))
    for setting in {setting.key: setting for setting in found}.values():
        yield replace(setting, start=None, end=None) if times[setting.key] > 1 else setting


def _limits(files: list[ComposeFile]) -> Iterator[UnitSetting]:
    """Yield the limits of the service with their positions, each from the last file that sets it."""
    for key, path in _LIMIT_KEYS:
        for file in reversed(files):
            node: Node | None = file.service
            for name in path:
                node = node.get(name) if isinstance(node, Map) else None
            if isinstance(node, Scalar):
                place = file.word(node).to_argument()
                said = Evidence("file", f"{file.path}:{place.line}", f"{path[-1]}: {node.text}")
                yield UnitSetting(key, node.text, said, argument=place)
                break


def _starts_shell(words: list[Word], contents: Mapping[str, bytes]) -> bool:
    """Return whether a shell runs the command, or its script: only a shell expands the container's variables."""
    program = words[0].text if words else ""
    return posixpath.basename(program) in ("sh", "bash", "ash", "dash") or is_shell_script(contents.get(program, b""))


def _env_files(file: ComposeFile, outer: Env) -> Iterator[str]:
    node = file.service.get("env_file")
    for item in node.items if isinstance(node, Seq) else [node]:
        path = item.get("path") if isinstance(item, Map) else item
        if isinstance(path, Scalar):
            yield expand_word(file.word(path), outer).text


def _environment(file: ComposeFile, outer: Env) -> dict[str, Word]:
    """Return the variables of `environment:`, a mapping or a list; a name without a value comes from outside."""
    node = file.service.get("environment")
    found: dict[str, Word] = {}
    if isinstance(node, Map):
        for key, value in node.entries:
            if isinstance(value, Scalar):
                found[key.text] = expand_word(file.word(value), outer)
            elif value is None:
                found[key.text] = outer.get(key.text, literal_word(""))
    elif isinstance(node, Seq):
        for item in node.items:
            word = file.word(item) if isinstance(item, Scalar) else None
            pair = split_assignment(word) if word is not None else None
            if pair is not None:
                found[pair[0]] = expand_word(pair[1], outer)
            elif word is not None:
                found[word.text] = outer.get(word.text, literal_word(""))
    return found


def _command(files: list[ComposeFile], outer: Env) -> tuple[list[Word], CommandStyle, Evidence]:
    """Return entrypoint and command, each from the last file that sets it."""
    words: list[Word] = []
    style: CommandStyle = ""
    said = Evidence("file", files[-1].path, "no command in the compose file")
    for key in ("entrypoint", "command"):
        for file in reversed(files):
            node = file.service.get(key)
            found = list(_words(node, file, outer))
            if node is not None and found:
                words += found
                style = "yaml-string" if isinstance(node, Scalar) else _list_style(node)
                shown = " ".join(w.to_argument().text for w in found)
                said = Evidence("file", f"{file.path}:{file.line(node.start)}", f"{key}: {shown}")
                break
    return words, style, said


def _list_style(node: Node) -> CommandStyle:
    return "yaml-flow" if isinstance(node, Seq) and node.flow else "yaml-block"


def _words(node: Node | None, file: ComposeFile, outer: Env) -> Iterator[Word]:
    if isinstance(node, Scalar):
        start = node.start if node.exact and file.owns(node) else None
        for word in shell_words(node.text, file.path, file.line(node.start), start):
            # compose expands variables before it splits words, inside single quotes too
            yield expand_word(Word(tuple(replace(p, expand=True) for p in word.pieces)), outer)
    elif isinstance(node, Seq):
        for item in node.items:
            if isinstance(item, Scalar):
                yield expand_word(file.word(item), outer)


def _env_slots(files: list[ComposeFile], listed: tuple[str, ...], container: Container, engine: View,
           unset: list[str]) -> Iterator[EnvSlot]:
    """Yield where variables can be set: `.env` for interpolated ones, env_file, then `environment:` or a new key."""
    names = tuple(dict.fromkeys((*(name for file in files for name in _names_from_interpolation(file)), *unset)))
    for path in environment_paths(container) if names else ():
        data = engine.data(path)
        if data is not None:
            yield replace(env_file_slot(ENGINE, path, data), style="dotenv", only_for=names)
    for path in dict.fromkeys(listed):
        data = engine.data(path)
        if data is not None:
            yield replace(env_file_slot(ENGINE, path, data), style="dotenv")
    for file in reversed(files):
        node = file.service.get("environment")
        if isinstance(node, Map | Seq) and file.owns(node):
            yield _inline_slot(file, node) if node.flow else _appended_slot(file, node)
            return
    last = files[-1]
    if not last.service.flow and last.service.get("environment") is None:
        pad = " " * last.service.indent
        text = f"\n{pad}environment:\n{pad}  {{name}}: {{value}}"
        yield EnvSlot(ENGINE, last.path, _line_end(last.data, last.service.end), text, "yaml-map")


def _appended_slot(file: ComposeFile, node: Map | Seq) -> EnvSlot:
    pad = " " * node.indent
    at = _line_end(file.data, node.end)
    if isinstance(node, Map):
        return EnvSlot(ENGINE, file.path, at, f"\n{pad}{{name}}: {{value}}", "yaml-map")
    return EnvSlot(ENGINE, file.path, at, f"\n{pad}- {{name}}={{value}}", "yaml-list")


def _inline_slot(file: ComposeFile, node: Map | Seq) -> EnvSlot:
    """Return the position before the closing bracket of `{A: 1}` or `[A=1]`; such a list may end with a comma."""
    inner = file.data[node.start + 1 : node.end - 1].rstrip()
    item = "{name}: {value}" if isinstance(node, Map) else '"{name}={value}"'
    text = f"{item}, " if not inner or inner.endswith(b",") else f", {item}"
    return EnvSlot(ENGINE, file.path, node.end - 1, text, "yaml-map" if isinstance(node, Map) else "yaml-list")


def _line_end(data: bytes, at: int) -> int:
    end = data.find(b"\n", at)
    return len(data) if end < 0 else end


def _names_from_interpolation(file: ComposeFile) -> Iterator[str]:
    """Yield names whose value the compose file takes from a variable of the same name."""
    node = file.service.get("environment")
    pairs: Mapping[str, str | None] = {}
    if isinstance(node, Map):
        pairs = {key.text: value.text if isinstance(value, Scalar) else None for key, value in node.entries}
    elif isinstance(node, Seq):
        texts = [item.text.partition("=") for item in node.items if isinstance(item, Scalar)]
        pairs = {name: value if found else None for name, found, value in texts}
    for name, value in pairs.items():
        if value is None or value.startswith((f"${{{name}}}", f"${{{name}:", f"${{{name}-", f"${{{name}?", f"${name}")):
            yield name
