"""The networks on which compose files put a service, by the names that the engine knows, with its aliases there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fixer.formats.shell_words import Env, Word, expand, literal
from fixer.formats.yaml_spans import Map, Node, Scalar, Seq
from fixer.lazy.dataclass import replace
from fixer.model.facts import Evidence
from fixer.model.snapshot import ToldNetwork
from fixer.observe.docker.compose_files import ComposeFile

_ADDRESSES = ("ipv4_address", "ipv6_address")


def told_networks(
    files: Sequence[ComposeFile], roots: Sequence[Map], project: str, outer: Env,
) -> Iterator[ToldNetwork]:
    """Each network of the service that `files` define, once, with the names that any of them give there; none where it
    borrows another one. `roots` are all files of its project."""
    if not files or any(file.service.get("network_mode") is not None for file in files):
        return
    found: dict[str, tuple[tuple[str, ...], Evidence]] = {}
    fixed: dict[str, dict[str, str]] = {}
    for file in files:
        for key, value, at in _named(file.service.get("networks")):
            listed = value.get("aliases") if isinstance(value, Map) else None
            names = tuple(_text(item, outer) for item in listed.items if isinstance(item, Scalar)) if isinstance(
                listed, Seq) else ()
            before = found.get(key, ((), Evidence("file", f"{file.path}:{file.line(at)}", f"networks: {key}")))
            found[key] = (tuple(dict.fromkeys((*before[0], *names))), before[1])
            for word in _ADDRESSES:      # a later file's word is the one that counts
                if isinstance(value, Map) and isinstance(chosen := value.get(word), Scalar):
                    fixed.setdefault(key, {})[word] = _text(chosen, outer)
    if not found:
        last = files[-1]
        where = f"{last.path}:{last.line(last.service.start)}"
        found["default"] = ((), Evidence("file", where, "no networks: the project's default one"))
    for key, (names, said) in found.items():
        shown = f"{said.text}, also called {', '.join(names)}" if names else said.text
        yield ToldNetwork(_engine_name(roots, key, project, outer), names, replace(said, text=shown),
                          tuple(filter(None, fixed.get(key, {}).values())))


def _named(node: Node | None) -> Iterator[tuple[str, Node | None, int]]:
    """(key, its mapping if there is one, where it stands) of a list or a mapping."""
    if isinstance(node, Seq):
        yield from ((item.text, None, item.start) for item in node.items if isinstance(item, Scalar))
    elif isinstance(node, Map):
        yield from ((key.text, value, key.start) for key, value in node.entries if key.text != "<<")


def _engine_name(roots: Sequence[Map], key: str, project: str, outer: Env) -> str:
    for root in reversed(roots):
        top = root.get("networks")
        own = top.get(key) if isinstance(top, Map) else None
        name = own.get("name") if isinstance(own, Map) else None
        if isinstance(name, Scalar):
            return _text(name, outer)
        outside = own.get("external") if isinstance(own, Map) else None
        if isinstance(outside, Scalar) and outside.text == "true":
            return key
    return f"{project}_{key}"


def _text(scalar: Scalar, outer: Env) -> str:
    return expand(Word(tuple(replace(piece, expand=True) for piece in literal(scalar.text).pieces)), outer).text
