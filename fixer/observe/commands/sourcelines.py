"""Evidence that quotes the very line it points at, its secrets masked."""

from __future__ import annotations

from fixer.formats.numbers import is_number
from fixer.lazy.dataclass import replace
from fixer.model.facts import Evidence, Fact, Known
from fixer.model.snapshot import Binding
from fixer.observe.view.node_view import View
from fixer.redaction.secrets import redact_text

MOST = 200


def quoted(said: Evidence, view: View | None) -> Evidence:
    """The evidence with the text of its line, where that file was read."""
    path, _, number = said.where.rpartition(":")
    data = view.data(path) if view is not None and is_number(number) else None
    lines = data.split(b"\n") if data is not None else []
    if not is_number(number) or not 0 < int(number) <= len(lines):
        return said
    line = lines[int(number) - 1].decode("utf-8", "replace").strip()
    return replace(said, text=redact_text(line)[:MOST]) if line else said


def quoted_bindings(bindings: Fact[tuple[Binding, ...]], view: View | None) -> Fact[tuple[Binding, ...]]:
    """Bindings whose sources quote their lines."""
    if not isinstance(bindings, Known):
        return bindings
    return Known(tuple(replace(b, source=quoted(b.source, view)) for b in bindings.value), bindings.evidence)


def quoted_count(count: Fact[int], view: View | None) -> Fact[int]:
    """A number whose evidence quotes its line."""
    return Known(count.value, tuple(quoted(e, view) for e in count.evidence)) if isinstance(count, Known) else count
