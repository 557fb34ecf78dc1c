"""The server that a container's start script ends in, read from the script and the server's file inside the image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fixer.formats.dependency_systems import BY_IMAGE
from fixer.formats.server_bindings import bindings_of
from fixer.formats.server_names import DAEMONS, SERVERS, runtime_of, script_of, server_at
from fixer.formats.shell_words import Piece, Word, literal_word
from fixer.lazy.dataclass import replace
from fixer.model.facts import Evidence, Fact, Known, Unknown
from fixer.model.query import Query, ReadFile
from fixer.model.snapshot import Binding, Container, Process, Service
from fixer.observe.commands.python_programs import is_no_web_program
from fixer.observe.commands.resolved_command import CommandTrace, ServiceCommand, trace_command
from fixer.observe.commands.server_settings import bindings_in_settings, settings_path
from fixer.observe.view.node_view import View

SCRIPT_LIMIT = 64 << 10


def command_queries(service: Service, view: View) -> Iterator[Query]:
    """Yield queries for the start script in a container's image, then for its server's own file."""
    box = service.container
    if box is None or box.is_machine:
        return
    if runtime_of(box.argv) not in SERVERS:
        scripts = [word for word in box.argv if word == script_of(box.argv) or word.endswith(".sh")]      # `exec "$@"`
        yield from (ReadFile(path, SCRIPT_LIMIT) for path in dict.fromkeys(scripts) if path.startswith("/"))
    for pid in service.pids:
        process = view.by_pid.get(pid)
        if process is not None and runtime_of(process.argv) == "uwsgi":
            path = settings_path(_command_of(process))
            yield from (ReadFile(path, SCRIPT_LIMIT),) if path else ()
            return


def command_in_image(container: Container, command: Sequence[Word], env: Mapping[str, Word], main: Process | None,
                     view: View | None) -> ServiceCommand | None:
    """Return the server that the script of a container starts, or the one that it runs. None if its command is a server
    itself, or nothing in the image was read. What stands in the image has no place: nothing there can be edited."""
    if view is None or container.is_machine or runtime_of([word.text for word in command]) in SERVERS:
        return None
    script, said = script_of(container.argv) or "", Evidence("container", container.name, " ".join(container.argv))
    traced = None
    if view.data(script) is not None:
        follow = CommandTrace(view.contents(), "/")
        words, known, style, told = trace_command(list(command), dict(env), said, follow)
        if runtime_of([word.text for word in words]) in SERVERS:
            inside = {script, follow.script, *(word.text for word in command), *follow.source_files}
            shown = Evidence("container", container.name, f"{told.where} {told.text}")
            traced = ServiceCommand(_without_places(words, inside), {
                name: Word(_pieces(word, inside)) for name, word in known.items()}, shown, style, follow.directory,
                script=follow.script)
    if traced is None and main is not None and runtime_of(main.argv) == "uwsgi":
        return replace(_command_of(main), env=dict(env))
    return traced


def bindings_in_image(told: ServiceCommand, view: View) -> tuple[Binding, ...]:
    """Return where a server of an image is configured to listen: by its command, and by uWSGI's file."""
    found = bindings_in_settings(told, view) if runtime_of(told.argv) == "uwsgi" else None
    path = settings_path(told)
    given = found if found else bindings_of(told.command, told.env, told.evidence)
    return tuple(replace(one, file=None, start=None, end=None, host_place=None) if one.file == path else one
                 for one in given)


def with_running_bindings(configured: Sequence[Binding], command: Sequence[Word], env: Mapping[str, Word],
                          said: Evidence, runs: Process | tuple[Binding, ...]) -> Fact[tuple[Binding, ...]]:
    """Return the bindings of its files, then of its process or next start: the files may have changed since."""
    found = list(configured)
    if isinstance(runs, Process):
        running = Evidence("process", f"pid {runs.pid}", " ".join(runs.argv))
        told = bindings_of([literal_word(a) for a in runs.argv], env, running)
    else:
        told = runs
    places = {(b.port, b.unix) for b in found}
    found += [b for b in told if (b.port, b.unix) not in places]
    if not found and not runtime_of([w.text for w in command]):
        return Unknown("its command is inside the image")
    return Known(tuple(found), (said,))


def bindings_of_start(container: Container, env: Mapping[str, Word]) -> tuple[Binding, ...]:
    """Return where a start would listen, by the command and variables it was created with."""
    said = Evidence("container", container.name, " ".join(container.argv))
    return bindings_of([literal_word(a) for a in container.argv], env, said)


def argv_inside_shell(argv: tuple[str, ...], env: Mapping[str, Word]) -> tuple[str, ...]:
    """Return the command that `sh -c '… exec uvicorn …'` ends in: a stopped container has no process to read."""
    if server_at(argv)[0] != "shell":
        return argv
    nothing_read = CommandTrace({}, "/")       # the container's own files are in its image and were not read
    words = trace_command([literal_word(a) for a in argv], dict(env), Evidence("container", "", ""), nothing_read)[0]
    return tuple(word.to_argument().text for word in words) or argv


def is_application(container: Container, runtime: str, processes: Sequence[Process], view: View | None) -> bool:
    """Return whether it is an application: no known daemon, and no program whose source serves no HTTP."""
    words = {word.rsplit("/", 1)[-1] for word in container.argv}
    running = {p.comm for p in processes}
    image = container.image.rsplit("/", 1)[-1].split(":", 1)[0]
    if (words | running | {image}) & DAEMONS or image in BY_IMAGE:
        return False
    programs = [p for p in processes if runtime_of(p.argv) == "python"]
    strange = runtime == "python" and programs and all(
        is_no_web_program(p.argv, p.cwd.or_else("/"), view) for p in programs
    )
    return runtime != "http.server" and not strange


def _command_of(process: Process) -> ServiceCommand:
    said = Evidence("process", f"pid {process.pid}", " ".join(process.argv))
    return ServiceCommand(tuple(literal_word(word) for word in process.argv), {}, said, "", process.cwd.or_else("/"))


def _without_places(words: Sequence[Word], inside: set[str]) -> tuple[Word, ...]:
    return tuple(Word(_pieces(word, inside)) for word in words)


def _pieces(word: Word, inside: set[str]) -> tuple[Piece, ...]:
    return tuple(replace(piece, file=None, line=0, start=None) if piece.file in inside else piece
                 for piece in word.pieces)
