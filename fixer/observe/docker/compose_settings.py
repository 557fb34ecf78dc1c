"""Networks and editable settings of a service in its compose files: limits, ports, mounts, extra hosts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fixer.formats.shell_words import Env, Word, expand_word, literal_word
from fixer.formats.yaml_spans import Map, Node, Scalar, Seq, line_of
from fixer.lazy.dataclass import replace
from fixer.model.facts import Evidence
from fixer.model.snapshot import ComposeNetwork, ComposeSetting, EnvSlot
from fixer.observe.docker.compose_files import ComposeFile
from fixer.observe.view.node_view import ENGINE

_ADDRESS_KEYS = ("ipv4_address", "ipv6_address")


def compose_networks(
    files: Sequence[ComposeFile], roots: Sequence[Map], project: str, outer: Env,
) -> Iterator[ComposeNetwork]:
    """Yield each network of the service in `files` once, by its engine name, with its aliases and fixed addresses.
    Yield nothing if `network_mode` is set. `roots` are all files of its project."""
    if not files or any(file.service.get("network_mode") is not None for file in files):
        return
    found: dict[str, tuple[tuple[str, ...], Evidence]] = {}
    fixed: dict[str, dict[str, str]] = {}
    for file in files:
        for key, value, at in _network_entries(file.service.get("networks")):
            listed = value.get("aliases") if isinstance(value, Map) else None
            names = tuple(_interpolate(item, outer) for item in listed.items if isinstance(item, Scalar)) if isinstance(
                listed, Seq) else ()
            before = found.get(key, ((), Evidence("file", f"{file.path}:{file.line(at)}", f"networks: {key}")))
            found[key] = (tuple(dict.fromkeys((*before[0], *names))), before[1])
            for word in _ADDRESS_KEYS:      # a later file wins
                if isinstance(value, Map) and isinstance(chosen := value.get(word), Scalar):
                    fixed.setdefault(key, {})[word] = _interpolate(chosen, outer)
    if not found:
        found["default"] = ((), Evidence("file", files[-1].path, "no networks: the project's default one"))
    for key, (names, said) in found.items():
        shown = f"{said.text}, also called {', '.join(names)}" if names else said.text
        yield ComposeNetwork(_network_name(roots, key, project, outer), names, replace(said, text=shown),
                          tuple(filter(None, fixed.get(key, {}).values())))


def _network_entries(node: Node | None) -> Iterator[tuple[str, Node | None, int]]:
    """Yield (key, mapping or None, offset) of a list or a mapping."""
    if isinstance(node, Seq):
        yield from ((item.text, None, item.start) for item in node.items if isinstance(item, Scalar))
    elif isinstance(node, Map):
        yield from ((key.text, value, key.start) for key, value in node.entries if key.text != "<<")


def _network_name(roots: Sequence[Map], key: str, project: str, outer: Env) -> str:
    for root in reversed(roots):
        top = root.get("networks")
        own = top.get(key) if isinstance(top, Map) else None
        name = own.get("name") if isinstance(own, Map) else None
        if isinstance(name, Scalar):
            return _interpolate(name, outer)
        outside = own.get("external") if isinstance(own, Map) else None
        if isinstance(outside, Scalar) and outside.text == "true":
            return key
    return f"{project}_{key}"


def _interpolate(scalar: Scalar, outer: Env) -> str:
    return expand_word(Word(tuple(replace(piece, expand=True) for piece in literal_word(scalar.text).pieces)),
                       outer).text


# Keys that repairs read, set or name; a dot leads into a mapping.
SETTING_KEYS = (
    "read_only", "tmpfs", "cpus", "cpu_quota", "cpu_period", "mem_limit", "memswap_limit", "ulimits.nofile",
    "ulimits.nofile.soft", "ulimits.nofile.hard", "deploy.resources.limits.cpus", "deploy.resources.limits.memory",
    "working_dir", "user",
)


def settings_in(service: Map, path: str, data: bytes) -> Iterator[ComposeSetting]:
    """Yield those keys of one service's mapping; a value without a position (an alias, a list) cannot be edited.
    `KEY.last` is the last entry of a list; another one can be written after it."""
    for key in SETTING_KEYS:
        node: Node | None = service
        for part in key.split("."):
            node = node.get(part) if isinstance(node, Map) else None
        if isinstance(node, Scalar):
            own = node.exact and service.start <= node.start and node.end <= service.end
            place = (node.start, node.end) if own else (None, None)
            yield ComposeSetting(key, node.text, path, line_of(data, node.start), *place)
        elif isinstance(node, Seq):
            words = " ".join(item.text for item in node.items if isinstance(item, Scalar))
            yield ComposeSetting(key, words, path, line_of(data, node.start))
            last = node.items[-1] if node.items else None
            if isinstance(last, Scalar) and last.exact and service.start <= last.start and last.end <= service.end:
                yield ComposeSetting(f"{key}.last", last.text, path, line_of(data, last.start), last.start, last.end)


def ports_in(service: Map, path: str, data: bytes) -> Iterator[ComposeSetting]:
    """Yield `ports` (its length, not editable), and each entry: `ports.0`, or `ports.0.target` of a mapping."""
    listed = service.get("ports")
    if not isinstance(listed, Seq):
        return
    yield ComposeSetting("ports", str(len(listed.items)), path, line_of(data, listed.start))
    for index, item in enumerate(listed.items):
        parts = {f"ports.{index}": item}
        if isinstance(item, Map):
            parts = {f"ports.{index}.{key}": item.get(key) for key in ("target", "published")}
        for key, node in parts.items():
            if isinstance(node, Scalar):
                own = node.exact and service.start <= node.start and node.end <= service.end and "$" not in node.text
                place = (node.start, node.end) if own else (None, None)
                yield ComposeSetting(key, node.text, path, line_of(data, node.start), *place)


def extra_hosts_in(service: Map, path: str, data: bytes) -> Iterator[ComposeSetting]:
    """Yield each `extra_hosts:` entry as `extra_hosts.NAME`. Its bytes are its lines: deleting them removes the entry.
    For a single entry they include the key."""
    key, listed = next(((k, v) for k, v in service.entries if k.text == "extra_hosts"), (None, None))
    if key is None or not isinstance(listed, Map | Seq):
        return
    items = list(_host_entries(listed))
    for name, address, value in items:
        first, last = (key.start, listed.end) if len(items) == 1 else (value.start, value.outer_end)
        own = value.exact and "$" not in value.text and not service.flow and key.start < listed.start
        whole = own and (len(items) == 1 or not listed.flow)
        end = data.find(b"\n", last)
        place = (data.rfind(b"\n", 0, first) + 1, len(data) if end < 0 else end + 1) if whole else (None, None)
        yield ComposeSetting(f"extra_hosts.{name}", address, path, line_of(data, value.start), *place)


def volumes_in(service: Map, path: str, data: bytes) -> Iterator[ComposeSetting]:
    """Yield the place inside of each mount as `volumes.PLACE`, with the position of just that."""
    listed = service.get("volumes")
    for item in listed.items if isinstance(listed, Seq) else ():
        node = item.get("target") if isinstance(item, Map) else item
        if not isinstance(node, Scalar):
            continue
        source, _, rest = node.text.partition(":") if isinstance(item, Scalar) else ("", "", node.text)
        place = rest.partition(":")[0] if isinstance(item, Scalar) else rest
        if not place.startswith("/"):      # an anonymous volume, or a variable's value holds the colon
            continue
        at = node.start + (len(source) + 1 if isinstance(item, Scalar) else 0)      # its characters are bytes
        own = node.exact and service.start <= node.start and node.end <= service.end and "$" not in node.text
        span = (at, at + len(place)) if own else (None, None)
        yield ComposeSetting(f"volumes.{place}", place, path, line_of(data, node.start), *span)


def _host_entries(listed: Map | Seq) -> Iterator[tuple[str, str, Scalar]]:
    """Yield (name, address, scalar) of `NAME:ADDRESS` or `NAME=ADDRESS` in a list, or of a mapping."""
    for item in listed.items if isinstance(listed, Seq) else ():
        if isinstance(item, Scalar):
            name, _, address = item.text.replace("=", ":", 1).partition(":")
            yield name.strip(), address.strip(), item
    for key, value in listed.entries if isinstance(listed, Map) else ():
        if isinstance(value, Scalar):
            yield key.text, value.text, value


def setting_slot(service: Map, path: str, data: bytes) -> EnvSlot | None:
    """Return the position for a new key of a service, after its last one; None for a flow mapping."""
    if service.flow:
        return None
    end = data.find(b"\n", service.end)
    at = len(data) if end < 0 else end
    return EnvSlot(ENGINE, path, at, f"\n{' ' * service.indent}{{name}}: {{value}}", "yaml-map")
