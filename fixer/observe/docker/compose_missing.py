"""Variables that a compose file puts into a service's command or environment and that nothing beside it sets: Compose
warns, and goes on with nothing in their place."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.formats.shell_words import Env
from fixer.formats.yaml_spans import Map, Node, Scalar, Seq
from fixer.lazy.regex import regex
from fixer.model.snapshot import EnvAssignment
from fixer.observe.docker.compose_files import ComposeFile

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
