"""Missing compose inputs: interpolated variables that are unset, and `env_file:` files that do not exist.
Compose replaces an unset variable with an empty string and only warns."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator

from fixer.formats.backup_names import backup_patterns, has_similar_name, is_backup_name
from fixer.formats.docker_conventions import LABEL_PREFIX
from fixer.formats.shell_words import Env, expand_word
from fixer.formats.yaml_spans import Map, Node, Scalar, Seq
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence
from fixer.model.query import Command, Query, ReadFile, ReadGlob
from fixer.model.snapshot import Container, EnvAssignment, MissingEnvFile
from fixer.observe.docker.compose_files import (
    ComposeFile,
    compose_files_of,
    defined_services,
    inactive_profiles,
    interpolation_env,
)
from fixer.observe.view.node_view import View

_INTERPOLATED_KEYS = ("command", "entrypoint", "environment")
VARIABLE_WITHOUT_DEFAULT = regex(r"\$(?:(\$)|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})")     # $$ is a literal dollar


def unset_variables_in(files: list[ComposeFile], outer: Env) -> Iterator[EnvAssignment]:
    """Yield each unset variable once, with the line that uses it."""
    seen: set[str] = set()
    for file in reversed(files):
        for key in _INTERPOLATED_KEYS:
            for scalar in _scalars(file.service.get(key)):
                for match in VARIABLE_WITHOUT_DEFAULT.finditer(scalar.text):
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


# Compose refuses every `up` if an `env_file:` is missing, also the `up` of another service.
ENV_FILE_LIMIT = 64 << 10
MOST_NAMES = 40             # names in the folder of one file
MOST_COPIES = 4       # copies that are read
_EXAMPLE_ENDS = ("example", "sample", "template", "tmpl", "dist", "defaults")


def missing_file_queries(project: str, containers: tuple[Container, ...], engine: View) -> Iterator[Query]:
    """Yield queries for env files, then for the copies and examples of missing ones.
    Yield nothing if every service has a container, or if not all containers are known."""
    members = [c for c in containers if c.project == project]
    first = next((c for c in members if c.label(LABEL_PREFIX + "project.config_files")), None)
    if not project or first is None or Command("docker-project", (project,)) not in engine.node.answers:
        return
    outer, made = interpolation_env(first, engine), {member.service for member in members}
    defined = defined_services(first, engine, outer)
    if made.issuperset(defined):
        return
    for asked, path, _ in _required_env_files(first, engine, outer, defined):
        yield ReadFile(path, ENV_FILE_LIMIT)
        if asked and engine.files[path].status == "absent":
            yield ReadGlob((*backup_patterns(path), *_hidden_example_patterns(path)), 0, MOST_NAMES)
            yield from (ReadFile(other, ENV_FILE_LIMIT) for other in _copies_and_examples(path, engine))


def missing_env_files(first: Container, engine: View) -> Iterator[MissingEnvFile]:
    """Yield each missing env file with the line that names it."""
    outer = interpolation_env(first, engine)
    for asked, path, lacked in _required_env_files(first, engine, outer, defined_services(first, engine, outer)):
        if asked and engine.files[path].status == "absent":
            yield MissingEnvFile(*lacked, path, _copies_and_examples(path, engine))


def _required_env_files(first: Container, engine: View, outer: Env, defined: Iterable[str]) -> Iterator[
        tuple[bool, str, tuple[str, Evidence]]]:
    """Yield (was asked, path, (service, evidence)) of the env files that must exist."""
    seen: set[tuple[str, str]] = set()
    for name in defined:
        files = compose_files_of(first, engine, outer, name)
        if inactive_profiles(files, outer):
            continue
        for file in files:
            for scalar in _required_scalars(file):
                names = [match[2] or match[3] for match in VARIABLE_WITHOUT_DEFAULT.finditer(scalar.text)]
                if any(one and one not in outer for one in names):
                    continue        # the path depends on a variable of the user's shell
                path = posixpath.normpath(posixpath.join(file.folder, expand_word(file.word(scalar), outer).text))
                if path.startswith("/") and (name, path) not in seen:
                    seen.add((name, path))
                    said = Evidence("file", f"{file.path}:{file.line(scalar.start)}", f"env_file: {scalar.text}")
                    yield path in engine.files, path, (name, said)


def _required_scalars(file: ComposeFile) -> Iterator[Scalar]:
    node = file.service.get("env_file")
    for item in node.items if isinstance(node, Seq) else [node]:
        path, required = (item.get("path"), item.get("required")) if isinstance(item, Map) else (item, None)
        if isinstance(path, Scalar) and not (isinstance(required, Scalar) and required.text.lower() == "false"):
            yield path


def _hidden_example_patterns(path: str) -> tuple[str, ...]:
    """Return patterns for `.env.example`, the usual name of an example, whatever the file is called."""
    folder = posixpath.dirname(path)
    return tuple(f"{folder}/.env.{word}" for word in _EXAMPLE_ENDS[:4]) if "\\" not in folder else ()


def _copies_and_examples(path: str, engine: View) -> tuple[str, ...]:
    """Return regular files named like a copy of it, the newest first, then examples."""
    folder, name = posixpath.split(path)
    found: list[tuple[bool, float, str]] = []
    for other, file in engine.files.items():
        last = posixpath.basename(other)
        if posixpath.dirname(other) != folder or file.stat is None or file.stat.kind != "file":
            continue
        if (file.stat.real_path or other) != other:
            continue
        if is_backup_name(last, name) or is_example_of(other, path):
            found.append((not is_backup_name(last, name), -file.stat.mtime, other))
    return tuple(other for _, _, other in sorted(found))[:MOST_COPIES]


def is_example_of(other: str, path: str) -> bool:
    """Return whether `other` is named like an example of `path` that a person fills in."""
    last, name = posixpath.basename(other), posixpath.basename(path)
    ending = last.lower().rpartition(".")[2]
    return ending in _EXAMPLE_ENDS and (has_similar_name(last, name) or last.startswith(".env."))
