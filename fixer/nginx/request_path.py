"""nginx's location search, replayed: the location of a request, and a request path for each location."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.nginx.address import text_of

with lazy_imports():  # not needed in most looks
    from fixer.nginx.regex_sample import Sample, literal_start, sample_of

_SAFE = regex(rb"[^A-Za-z0-9/._~!$&'()*+,;=:@-]")

# A double slash, a dot segment, a control byte: nginx would change or refuse such a path.
_UNCLEAN = regex(rb"//|/\.{1,2}(?:/|\Z)|[\x00-\x1f]")

# Limit of comparisons for all paths, so that thousands of regexes cost no time.
_MOST_COMPARISONS = 200_000


class Location:
    """One location: its pattern and its inner locations. `answers` is True if it has a `return` that is no error."""

    __slots__ = (
        "answers", "exact", "kind", "parent", "pattern", "prefixes", "regexes", "sample", "start", "text",
    )

    def __init__(self, kind: str, pattern: bytes, parent: Location | None) -> None:
        self.kind = kind
        self.pattern = pattern
        self.parent = parent
        self.text = text_of(pattern)
        self.exact: dict[bytes, Location] = {}
        self.prefixes: dict[bytes, Location] = {}
        self.regexes: list[Location] = []
        self.sample: Sample | None = None
        self.start = literal_start(pattern) if kind == "~" else b""
        self.answers = False


class Locations:
    """All locations of one server."""

    def __init__(self) -> None:
        self.root = Location("", b"", None)
        self.fallbacks: dict[bytes, Location] = {}  # named location -> the one whose missing files lead to it
        self.shadowed: set[bytes] = set()  # those of them after a file that may answer all requests
        self._comparisons = 0

    def add(self, parent: Location, args: list[bytes]) -> tuple[Location, bool]:
        """Add a location inside another; return (location, whether nginx refuses it as a duplicate)."""
        kind, pattern = _split(args)
        place = Location(kind, pattern, parent)
        if kind in ("~", "~*"):
            place.sample = sample_of(pattern, ignore_case=kind == "~*")
            parent.regexes.append(place)
            return place, False
        if kind == "@":
            return place, False  # nginx accepts two of one name and uses the first
        table = parent.exact if kind == "=" else parent.prefixes
        if pattern in table:
            return place, True
        table[pattern] = place
        return place, False

    def path_to(self, place: Location, *, without_file: bool = False) -> str | None:
        """Return a request path that only this location serves, None if none was found; one that names no file for a
        named location, and if asked (`without_file`)."""
        source = self.fallbacks.get(place.pattern) if place.kind == "@" else place
        if source is None or source.answers:
            return None
        for candidate in _candidates(source) if source is place and not without_file else _no_files(source):
            if self._lands(candidate, source):
                return text_of(_SAFE.sub(lambda match: b"%%%02X" % match[0][0], candidate))
        return None

    def _lands(self, path: bytes, place: Location) -> bool:
        try:
            return self._find(self.root, path) is place
        except _UnknownMatchError:
            return False

    def find(self, path: bytes) -> Location | None:
        """Return the location that nginx picks for a decoded path; None if unknown."""
        try:
            found = self._find(self.root, path)
        except _UnknownMatchError:
            return None
        return None if found is self.root else found

    def _find(self, within: Location, path: bytes) -> Location:
        exact = within.exact.get(path)
        if exact is not None:
            return exact
        best = _longest(within.prefixes, path)
        landed = within
        if best is not None:
            landed = self._find(best, path)
            if landed.kind == "=" or self._by_regex(landed, best):
                return landed
            if best.kind == "^~":
                return landed
        for nested in within.regexes:
            if self._matches(nested, path):
                return self._find(nested, path)
        return landed

    def _by_regex(self, landed: Location, top: Location) -> bool:
        """Return whether a regex inside `top` chose the location: then outer regexes are not tested."""
        place: Location | None = landed
        while place is not None and place is not top:
            if place.kind in ("~", "~*"):
                return True
            place = place.parent
        return False

    def _matches(self, place: Location, path: bytes) -> bool:
        self._comparisons += 1
        if place.kind == "~" and not path.startswith(place.start):
            return False
        if place.sample is None or self._comparisons > _MOST_COMPARISONS:
            raise _UnknownMatchError
        matched = place.sample.matches(path)
        if matched is None:
            raise _UnknownMatchError
        return matched


class _UnknownMatchError(Exception):
    """A regex that cannot be evaluated comes first."""


def _split(args: list[bytes]) -> tuple[str, bytes]:
    """Return modifier and pattern; nginx accepts them joined too (`location =/x`)."""
    if len(args) == 2 and args[0] in (b"=", b"~", b"~*", b"^~"):
        return args[0].decode(), args[1]
    text = args[0] if args else b""
    for modifier in (b"^~", b"~*", b"~", b"=", b"@"):
        if text.startswith(modifier):
            return modifier.decode(), text if modifier == b"@" else text[len(modifier) :]
    return "", text


def _longest(prefixes: dict[bytes, Location], path: bytes) -> Location | None:
    if prefixes:
        for length in range(len(path), 0, -1):
            found = prefixes.get(path[:length])
            if found is not None:
                return found
    return None


def _candidates(place: Location) -> tuple[bytes, ...]:
    pattern = place.pattern
    if place.kind == "@":
        return ()
    if place.kind in ("~", "~*"):
        return _regex_candidates(place)
    if not _is_path(pattern):
        return ()
    if place.kind == "=":
        return (pattern,)
    return (pattern, pattern.rstrip(b"/") + b"/", pattern.rstrip(b"/") + b"/-", pattern + b"-")


def _no_files(place: Location) -> tuple[bytes, ...]:
    """Return paths of that location that probably name neither a file nor a folder."""
    if place.kind in ("", "^~") and _is_path(place.pattern or b"/"):
        return (place.pattern.rstrip(b"/") + b"/-", place.pattern + b"-")
    return _regex_candidates(place) if place.kind in ("~", "~*") else ()


def _regex_candidates(place: Location) -> tuple[bytes, ...]:
    if place.sample is None:
        return ()
    text, parent = place.sample.text, place.parent
    start = parent.pattern.rstrip(b"/") if parent is not None and parent.kind in ("", "^~") else b""
    made = (text, b"/" + text, b"/index" + text, start + b"/" + text.lstrip(b"/"), start + b"/index" + text)
    return tuple(path for path in made if _is_path(path))


def _is_path(path: bytes) -> bool:
    """Return whether nginx keeps the path as it is."""
    return path.startswith(b"/") and _UNCLEAN.search(path) is None


def returned_status(args: Sequence[bytes]) -> int:
    """Return the status of a `return` with these arguments: 302 if it names only an address."""
    said = args[0] if args else b""
    return int(said) if said.isdigit() and len(said) < 4 else 302


def gives_error(args: Sequence[bytes]) -> bool:
    """Return whether a `return` with these arguments answers with an error of a server."""
    return returned_status(args) >= 500
