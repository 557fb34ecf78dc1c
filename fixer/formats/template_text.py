"""A file that a start script made from a template and variables: which of its bytes come from where. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex

# What envsubst, sed and the usual scripts replace: ${NAME}, $NAME, {{NAME}}, @NAME@, __NAME__ and %NAME%.
_REFERENCE = regex(
    rb"\$\{([A-Za-z_]\w{0,79})\}|\$([A-Za-z_]\w{0,79})|\{\{ ?([A-Za-z]\w{0,79}) ?\}\}"
    rb"|@([A-Za-z]\w{0,79})@|__([A-Za-z][A-Za-z0-9]{0,39}(?:_[A-Za-z0-9]{1,39}){0,9})__|%([A-Za-z]\w{0,79})%")
# Bytes that could make a reference of a text.
_SPECIAL = regex(rb"[$@%]|\{\{|__")


@dataclass(frozen=True, slots=True)
class TemplateRun:
    """A run of a generated file: `start`/`end` is its byte span, `at` the offset in the template of the text that it
    is copied from, or of the reference to `variable` whose value it is (empty for a copy)."""

    start: int
    end: int
    at: int
    variable: str = ""


def align_template(template: bytes, made: bytes, values: Mapping[str, bytes]) -> tuple[TemplateRun, ...] | None:
    """Return the runs of a file that was made from a template by replacing variables, in order and without a gap.

    None unless every byte is explained. A reference is either replaced everywhere or nowhere: envsubst may be limited
    to some names, and nginx has variables of its own. The start script may also replace variables of its own, whose
    values nobody knows: only if the text fits in no other way.
    """
    known = tuple(found for found in _references(template) if found[2] in values)
    return _align(template, made, values, known) or _align(template, made, values, tuple(
        found for found in _references(template) if found[2] in values or found[1].startswith(b"${")))


def _align(template: bytes, made: bytes, values: Mapping[str, bytes],
           references: Sequence[tuple[int, bytes, str]]) -> tuple[TemplateRun, ...] | None:
    runs: list[TemplateRun] = []
    replaced: dict[bytes, bool] = {}
    at = cursor = 0
    ends = [start for start, _, _ in references[1:]] + [len(template)]
    for (start, reference, name), following in zip(references, ends, strict=False):
        copied = template[at:start]
        if not made.startswith(copied, cursor):
            return None
        _add_copy(runs, cursor, cursor + len(copied), at)
        cursor, at = cursor + len(copied), start + len(reference)
        is_copied = made.startswith(reference, cursor)
        value = reference if is_copied else values.get(name)
        if value is None:
            value = _text_before(template[at:following], made[cursor:], is_last=following == len(template))
        if value is None or not made.startswith(value, cursor) or (
                replaced.setdefault(reference, not is_copied) is is_copied):
            return None
        if is_copied:
            _add_copy(runs, cursor, cursor + len(value), start)
        else:
            runs.append(TemplateRun(cursor, cursor + len(value), start, name))
        cursor += len(value)
    if made[cursor:] != template[at:]:
        return None
    _add_copy(runs, cursor, len(made), at)
    return tuple(runs)


def _text_before(copied: bytes, rest: bytes, *, is_last: bool) -> bytes | None:
    """Return what stands before the copied text that follows a reference; None if it is not there exactly once."""
    if is_last:
        return rest[:len(rest) - len(copied)] if rest.endswith(copied) else None
    return rest[:rest.index(copied)] if copied and rest.count(copied) == 1 else None


def _references(template: bytes) -> Iterator[tuple[int, bytes, str]]:
    """Yield (offset, text, name) of every reference to a variable."""
    for match in _REFERENCE.finditer(template):
        name = next(group for group in match.groups() if group is not None).decode("ascii", "replace")
        yield match.start(), match[0], name


def _add_copy(runs: list[TemplateRun], start: int, end: int, at: int) -> None:
    """Add a copied run, or lengthen the last one if both are adjacent."""
    last = runs[-1] if runs else None
    if last is not None and not last.variable and last.end == start and last.at + last.end - last.start == at:
        runs[-1] = TemplateRun(last.start, end, last.at)
    elif start < end:
        runs.append(TemplateRun(start, end, at))


def can_be_literal(text: bytes) -> bool:
    """Return whether no start script could take a part of the text for a reference to a variable."""
    return _SPECIAL.search(text) is None
