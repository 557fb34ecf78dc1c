"""Variables that a compose file puts into a service's command or environment and that nothing beside it sets: Compose
warns, and goes on with nothing in their place."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator

from fixer.formats.backup_names import is_called_like, is_copy_name, patterns_beside
from fixer.formats.docker_conventions import LABEL
from fixer.formats.shell_words import Env, expand
from fixer.formats.yaml_spans import Map, Node, Scalar, Seq
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence
from fixer.model.query import Command, Query, ReadFile, ReadGlob
from fixer.model.snapshot import Container, EnvAssignment, LackedFile
from fixer.observe.docker.compose_files import ComposeFile, defined_services, files_of, outer_env, profiles_off
from fixer.observe.view.node_view import View

_KEYS = ("command", "entrypoint", "environment")
WITHOUT_DEFAULT = regex(r"\$(?:(\$)|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})")     # $$ is a dollar of the shell


def unset_in(files: list[ComposeFile], outer: Env) -> Iterator[EnvAssignment]:
    """Each such name once, with the place that takes it."""
    seen: set[str] = set()
    for file in reversed(files):
        for key in _KEYS:
            for scalar in _scalars(file.service.get(key)):
                for match in WITHOUT_DEFAULT.finditer(scalar.text):
                    name = match[2] or match[3] or ""
                    if name and name not in seen and (name not in outer or not outer[name].text):
                        seen.add(name)
                        yield EnvAssignment(name, f"{file.path}:{file.line(scalar.start)}", True)


def _scalars(node: Node | None) -> Iterator[Scalar]:
    if isinstance(node, Scalar):
        yield node
    elif isinstance(node, Seq):
        for item in node.items:
            yield from _scalars(item)
    elif isinstance(node, Map):
        for _, value in node.entries:
            yield from _scalars(value)


# Files that a compose project names as `env_file:` and that are not there: Compose refuses every `up` then, also that
# of another service. What lies beside them may be an older state, or an example to start from.
LIMIT = 64 << 10
MOST = 40             # names beside one file
MOST_BESIDE = 4       # that are read
_EXAMPLES = ("example", "sample", "template", "tmpl", "dist", "defaults")


def lacked_queries(project: str, containers: tuple[Container, ...], engine: View) -> Iterator[Query]:
    """Which of the files are there, what lies beside those that are not, and what that holds; nothing where every
    service has a container, or where not all of them are known."""
    members = [c for c in containers if c.project == project]
    first = next((c for c in members if c.label(LABEL + "project.config_files")), None)
    if not project or first is None or Command("docker-project", (project,)) not in engine.node.answers:
        return
    outer, made = outer_env(first, engine), {member.service for member in members}
    defined = defined_services(first, engine, outer)
    if made.issuperset(defined):
        return
    for asked, path, _ in _named(first, engine, outer, defined):
        yield ReadFile(path, LIMIT)
        if asked and engine.files[path].status == "absent":
            yield ReadGlob((*patterns_beside(path), *_hidden(path)), 0, MOST)
            yield from (ReadFile(other, LIMIT) for other in _beside(path, engine))


def lacked_files(first: Container, engine: View) -> Iterator[LackedFile]:
    """Each with the place that names it."""
    outer = outer_env(first, engine)
    for asked, path, lacked in _named(first, engine, outer, defined_services(first, engine, outer)):
        if asked and engine.files[path].status == "absent":
            yield LackedFile(*lacked, path, _beside(path, engine))


def _named(first: Container, engine: View, outer: Env, defined: Iterable[str]) -> Iterator[
        tuple[bool, str, tuple[str, Evidence]]]:
    """(whether it was looked for, path, (service, place)) of the files that must be there."""
    seen: set[tuple[str, str]] = set()
    for name in defined:
        files = files_of(first, engine, outer, name)
        if profiles_off(files, outer):
            continue
        for file in files:
            for scalar in _required(file):
                names = [match[2] or match[3] for match in WITHOUT_DEFAULT.finditer(scalar.text)]
                if any(one and one not in outer for one in names):
                    continue        # a variable of somebody's shell says where it is
                path = posixpath.normpath(posixpath.join(file.folder, expand(file.word(scalar), outer).text))
                if path.startswith("/") and (name, path) not in seen:
                    seen.add((name, path))
                    said = Evidence("file", f"{file.path}:{file.line(scalar.start)}", f"env_file: {scalar.text}")
                    yield path in engine.files, path, (name, said)


def _required(file: ComposeFile) -> Iterator[Scalar]:
    node = file.service.get("env_file")
    for item in node.items if isinstance(node, Seq) else [node]:
        path, required = (item.get("path"), item.get("required")) if isinstance(item, Map) else (item, None)
        if isinstance(path, Scalar) and not (isinstance(required, Scalar) and required.text.lower() == "false"):
            yield path


def _hidden(path: str) -> tuple[str, ...]:
    """`.env.example` is what an example is called mostly, whatever the file itself is."""
    folder = posixpath.dirname(path)
    return tuple(f"{folder}/.env.{word}" for word in _EXAMPLES[:4]) if "\\" not in folder else ()


def _beside(path: str, engine: View) -> tuple[str, ...]:
    """Regular files that are called like a copy of it, the newest first, then examples."""
    folder, name = posixpath.split(path)
    found: list[tuple[bool, float, str]] = []
    for other, file in engine.files.items():
        last = posixpath.basename(other)
        if posixpath.dirname(other) != folder or file.stat is None or file.stat.kind != "file":
            continue
        if (file.stat.real_path or other) != other:
            continue
        if is_copy_name(last, name) or is_example(other, path):
            found.append((not is_copy_name(last, name), -file.stat.mtime, other))
    return tuple(other for _, _, other in sorted(found))[:MOST_BESIDE]


def is_example(other: str, path: str) -> bool:
    """Called as what a person is to fill in."""
    last, name = posixpath.basename(other), posixpath.basename(path)
    ending = last.lower().rpartition(".")[2]
    return ending in _EXAMPLES and (is_called_like(last, name) or last.startswith(".env."))
