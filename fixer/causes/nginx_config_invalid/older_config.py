"""Copies that lie beside a configuration file: which plainly are states of the same file, by what they hold. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fixer.nginx.lexer import tokenize
from fixer.nginx.tree import Directive, parse

_FEWEST = 2


def is_same_file(broken: bytes, older: bytes) -> bool:
    """Whether the older bytes can be read to their end, and plainly are a state of the same file.

    What names a file are the names and addresses of its servers and its outermost blocks. A mistake may have hidden one
    of them as such, but not as a word: so each word that names the one must stand in the other. Files without any (the
    parameters that are handed to a backend) are one where most of what they say is the same.
    """
    good = parse(older)
    if good.problem is not None or good.left < 0:
        return False
    bad = parse(broken)
    naming, torn = frozenset(_naming(good.directives)), frozenset(_naming(bad.directives))
    if not naming and not torn:
        return _is_same_list(good.directives, bad.directives)
    return bool(naming) and naming <= _words(broken) and torn <= _words(older)


def _is_same_list(good: Iterable[Directive], bad: Iterable[Directive]) -> bool:
    """Two lists of plain directives, one of which may have a mistake in it: at least two in common, and most of all."""
    ours, theirs = ({(d.name, *d.args) for d in directives} for directives in (good, bad))
    return len(ours & theirs) >= max(_FEWEST, len(ours) / 2, len(theirs) / 2)


def _words(data: bytes) -> frozenset[bytes]:
    return frozenset(token.value for token in tokenize(data)[0] if token.kind == "word")


def _naming(directives: Iterable[Directive], *, inside: bool = False) -> Iterator[bytes]:
    for directive in directives:
        if directive.block is not None:
            if not inside or directive.name == b"upstream":
                yield from (directive.name, *directive.args)
            yield from _naming(directive.block, inside=True)
        elif directive.name == b"server_name":
            yield from directive.args
        elif directive.name == b"listen":
            yield from directive.args[:1]
