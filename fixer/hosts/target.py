"""From the word on the command line to a TargetRef, or one clear line why not."""

from __future__ import annotations

from fixer.errors import UsageError
from fixer.lazy.regex import regex
from fixer.model.target import TargetRef

HINT = "TARGET is local, docker://CONTAINER, compose://PROJECT, ssh://[user@]host[:port] or bundle:FILE"

# What Docker and compose allow as names; an id is such a name too.
_NAME = regex(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")
_SSH = regex(
    r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?(?:[A-Za-z0-9][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?\Z"
)


def parse_target(word: str) -> TargetRef:
    """The target that the word names; UsageError for anything else."""
    if word == "local":
        return TargetRef("local", "")
    if word.startswith("bundle:"):
        return TargetRef("bundle", _bundle_path(word))
    scheme, found, rest = word.partition("://")
    if not found:
        raise UsageError(f"unknown target {word!r}", _guess(word))
    if scheme == "docker":
        return TargetRef("docker", _name(word, rest, "container"))
    if scheme == "compose":
        return TargetRef("compose", _name(word, rest, "project"))
    if scheme == "ssh":
        return TargetRef("ssh", _ssh_word(word, rest))
    raise UsageError(f"unknown kind of target {scheme!r} in {word!r}", HINT)


def _bundle_path(word: str) -> str:
    path = word.removeprefix("bundle:").removeprefix("//")
    if not path or "\0" in path:
        raise UsageError(f"no file is named in {word!r}", "bundle:FILE, as `fixer collect -o FILE` wrote it")
    return path


def _name(word: str, name: str, what: str) -> str:
    if not name:
        raise UsageError(f"no {what} is named in {word!r}", HINT)
    if not _NAME.match(name):
        raise UsageError(f"{name!r} cannot be the name of a {what}", f"{what} names are letters, digits and _ . -")
    return name


def _ssh_word(word: str, address: str) -> str:
    match = _SSH.match(address)
    if not match or (match[1] and not 0 < int(match[1]) < 65536):
        raise UsageError(f"{word!r} is not an ssh target", "ssh://[user@]host[:port], as ssh would take it")
    return address


def _guess(word: str) -> str:
    if word.endswith((".tgz", ".tar.gz", ".tar")):
        return f"a saved bundle is named bundle:{word}"
    if _NAME.match(word):
        return f"did you mean docker://{word} or compose://{word}? {HINT}"
    return HINT
