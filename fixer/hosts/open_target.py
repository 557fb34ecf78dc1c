"""Targets by name: parse the TARGET argument, and open it with the module of its kind."""

from __future__ import annotations

from collections.abc import Callable

from fixer.errors import NoSuchTarget, UsageError
from fixer.hosts.machine.prefetch import Prefetched
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.capture import Capture
from fixer.model.host import Target
from fixer.model.target import TargetRef

with lazy_imports():
    from fixer.hosts.bundle import BundleTarget  # only the kind in use
    from fixer.hosts.compose import open_compose  # only the kind in use
    from fixer.hosts.docker import open_docker, open_docker_early  # only the kind in use
    from fixer.hosts.local import LocalTarget  # only the kind in use
    from fixer.hosts.propose_target import target_hint  # asks Docker and ssh what exists: for a wrong target only
    from fixer.hosts.ssh import SshTarget  # only the kind in use


def open_target(ref: TargetRef, *, load_bundle: Callable[[bytes], Capture] | None = None) -> Target:
    """Open the target; raise NoSuchTarget or Unreachable if that fails. Opening changes nothing.
    `load_bundle` parses a bundle's bytes into a capture (observe.bundle.load): that format belongs to the observers."""
    early = _opening.pop(ref, None)
    if early is not None and (opened := early.result()) is not None:
        return opened
    match ref.kind:
        case "local":
            return LocalTarget(ref)
        case "docker":
            return open_docker(ref)
        case "compose":
            return open_compose(ref)
        case "bundle":
            return _open_bundle(ref, load_bundle)
        case "ssh":
            return SshTarget(ref)


_opening: dict[TargetRef, Prefetched[Target]] = {}


def start_opening(word: str) -> None:
    """Start to open a target of the engine, which is asked in other processes. `open_target` returns it, or raises what
    went wrong. Raise UsageError if the word is invalid."""
    ref = parse_target(word)
    if ref.kind == "docker":
        _opening[ref] = Prefetched(lambda: open_docker_early(ref))
    elif ref.kind == "compose":
        _opening[ref] = Prefetched(lambda: open_compose(ref))


def _open_bundle(ref: TargetRef, load: Callable[[bytes], Capture] | None) -> Target:
    if load is None:
        raise UsageError("this command cannot read bundles", "use fixer diagnose bundle:FILE")
    try:
        with open(ref.address, "rb") as file:  # importing pathlib is slow
            data = file.read()
    except FileNotFoundError:
        raise NoSuchTarget(f"there is no file {ref.address}", "fixer collect -o FILE writes a bundle") from None
    except OSError as error:
        raise NoSuchTarget(f"{ref.address} cannot be read: {error.strerror}") from None
    return BundleTarget(ref, load(data))


TARGET_HINT = "TARGET is local, docker://CONTAINER, compose://PROJECT, ssh://[user@]host[:port] or bundle:FILE"

# Names that Docker and compose allow; an id is such a name too.
_NAME = regex(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")
_SSH = regex(
    r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?(?:[A-Za-z0-9][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?\Z"
)


def parse_target(word: str) -> TargetRef:
    """Parse the TARGET argument; raise UsageError if it is invalid."""
    if word == "local":
        return TargetRef("local", "")
    if word.startswith("bundle:"):
        return TargetRef("bundle", _bundle_path(word))
    scheme, found, rest = word.partition("://")
    if not found:
        raise UsageError(f"unknown target {word!r}", _target_hint(word))
    if scheme == "docker":
        return TargetRef("docker", _require_name(word, rest, "container"))
    if scheme == "compose":
        return TargetRef("compose", _require_name(word, rest, "project"))
    if scheme == "ssh":
        return TargetRef("ssh", _require_ssh_address(word, rest))
    if scheme.lower() in ("http", "https"):  # without the address: it may hold a password
        raise UsageError(f"an {scheme.lower()}:// address is no target", _target_hint(word))
    raise UsageError(f"unknown kind of target {scheme!r} in {word!r}", _target_hint(word))


def _bundle_path(word: str) -> str:
    path = word.removeprefix("bundle:").removeprefix("//")
    if not path or "\0" in path:
        raise UsageError(f"no file is named in {word!r}", "use bundle:FILE, with a file of `fixer collect -o FILE`")
    return path


def _require_name(word: str, name: str, what: str) -> str:
    if not name:
        raise UsageError(f"no {what} is named in {word!r}", TARGET_HINT)
    if not _NAME.match(name):
        raise UsageError(f"{name!r} cannot be the name of a {what}", f"{what} names are letters, digits and _ . -")
    return name


def _require_ssh_address(word: str, address: str) -> str:
    match = _SSH.match(address)
    if not match or (match[1] and not 0 < int(match[1]) < 65536):
        raise UsageError(f"{word!r} is not an ssh target", "use ssh://[user@]host[:port]")
    return address


def _target_hint(word: str) -> str:
    return target_hint(word, _is_target) or TARGET_HINT


def _is_target(word: str) -> bool:
    scheme, _, rest = word.partition("://")
    return bool(_SSH.match(rest) if scheme == "ssh" else _NAME.match(rest) or word.startswith("bundle:"))
