"""Older states of a configuration file that lie beside it: by what they are called, and by what they hold. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from fixer.model.regex import regex
from fixer.nginx.lexer import tokenize
from fixer.nginx.tree import Directive, parse

_WORD = (r"(?:bak|bck|bkp|backup|old|orig|original|save|saved|prev|previous|"
         r"dpkg-(?:old|dist|bak)|ucf-(?:old|dist)|rpmsave|rpmorig)")
_DATE = r"(?:(?:19|20)\d\d[-_.]?[01]\d[-_.]?[0-3]\d(?:[-_.T@]?[0-2]\d[-_.:]?[0-5]\d(?:[-_.:]?[0-5]\d)?)?|1\d{9})"
_BEHIND = regex(
    rf"(?:~|\.~\d+~|[._-]{_WORD}(?:[._-]?(?:{_DATE}|\d{{1,3}}))?|[._-]{_DATE}(?:[._-]{_WORD}|~)?|\.\d)\Z", re.I)


def is_older_name(name: str, of: str) -> bool:
    """Whether a file that is called so is what people, editors and packages call an older state of the other."""
    return name.startswith(of) and _BEHIND.match(name, len(of)) is not None


def name_behind(name: str) -> str:
    """What a file that is called like an older state is one of; empty where it is not called so."""
    starts = (at for at in range(1, len(name)) if name[at] in "~._-")
    return next((name[:at] for at in starts if _BEHIND.match(name, at)), "")


def is_same_file(broken: bytes, older: bytes) -> bool:
    """Whether the older bytes can be read to their end, and plainly are a state of the same file.

    What names a file are the names and addresses of its servers and its outermost blocks. A mistake may have hidden one
    of them as such, but not as a word: so each word that names the one must stand in the other.
    """
    good = parse(older)
    if good.problem is not None or good.left < 0:
        return False
    naming, torn = frozenset(_naming(good.directives)), frozenset(_naming(parse(broken).directives))
    return bool(naming) and naming <= _words(broken) and torn <= _words(older)


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
