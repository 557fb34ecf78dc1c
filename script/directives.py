#!/usr/bin/env python3
"""The directives of nginx and its forks, read from the command tables of their sources.

    script/directives.py TREE            prints the table of one source tree
    script/directives.py --write TREE…   adds them to tests/nginx/directive_tables.tsv, behind what is there, and makes
                                         fixer/nginx/directives.py of it

A tree is an unpacked source, such as nginx-1.30.4; its modules may lie in any folder of it. A row is the directive's
name, the kind of its module, its contexts, its numbers of arguments (`{}`: a block), the module's file, and in the
written file the versions that have it like this. What stands under `#if` counts as there."""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMENT = re.compile(r'/\*.*?\*/|//[^\n]*|("(?:[^"\\\n]|\\.)*")', re.DOTALL)
TABLE = re.compile(r"\bngx_command_t\s+\w+\s*\[\s*\]\s*=\s*\{")
COMMAND = re.compile(r'\{\s*ngx_string\(\s*"([^"]+)"\s*\)\s*,((?:[^{},]*\bNGX_[A-Z0-9_]*CONF\b[^{},]*,)+)')
CONDITION = re.compile(r"^[ \t]*#[ \t]*(?:if|ifdef|ifndef|else|elif|endif)\b[^\n]*", re.MULTILINE)
DEFINE = re.compile(r"^[ \t]*#[ \t]*define[ \t]+([A-Z][A-Z0-9_]+)[ \t]+((?:\\\n|[^\n])+)", re.MULTILINE)
DATA = ROOT / "tests" / "nginx" / "directive_tables.tsv"
MODULE = ROOT / "fixer" / "nginx" / "directives.py"
CONTEXTS = 0xFF000000
SHAPE = 0x0000FFFF      # the number of arguments, and whether it has a block
BLOCK = 0x100
MAYBE_BLOCK = 0x2000    # not nginx's: some versions have a block there, others none
KINDS = {"NGX_HTTP_": "http", "NGX_STREAM_": "stream", "NGX_MAIL_": "mail", "NGX_EVENT_CONF": "events",
         "NGX_MAIN_CONF": "core", "NGX_ANY_CONF": "core", "NGX_PROC_": "proc"}
BASE = {  # src/core/ngx_conf_file.h and the headers of the modules, for a tree that holds modules only
    "NGX_CONF_NOARGS": 1, "NGX_CONF_TAKE1": 2, "NGX_CONF_TAKE2": 4, "NGX_CONF_TAKE3": 8, "NGX_CONF_TAKE4": 16,
    "NGX_CONF_TAKE5": 32, "NGX_CONF_TAKE6": 64, "NGX_CONF_TAKE7": 128, "NGX_CONF_TAKE12": 6, "NGX_CONF_TAKE13": 10,
    "NGX_CONF_TAKE23": 12, "NGX_CONF_TAKE123": 14, "NGX_CONF_TAKE1234": 30, "NGX_CONF_BLOCK": 0x100,
    "NGX_CONF_FLAG": 0x200, "NGX_CONF_ANY": 0x400, "NGX_CONF_1MORE": 0x800, "NGX_CONF_2MORE": 0x1000,
    "NGX_HTTP_MAIN_CONF": 0x02000000, "NGX_HTTP_SRV_CONF": 0x04000000, "NGX_HTTP_LOC_CONF": 0x08000000,
    "NGX_HTTP_UPS_CONF": 0x10000000, "NGX_HTTP_SIF_CONF": 0x20000000, "NGX_HTTP_LIF_CONF": 0x40000000,
    "NGX_HTTP_LMT_CONF": 0x80000000, "NGX_STREAM_MAIN_CONF": 0x02000000, "NGX_STREAM_SRV_CONF": 0x04000000,
    "NGX_STREAM_UPS_CONF": 0x08000000, "NGX_MAIN_CONF": 0x01000000, "NGX_DIRECT_CONF": 0x00010000,
}


HEAD = '''"""Directives of nginx and its forks: allowed contexts and numbers of arguments in any version. Data.

script/directives.py makes this file of tests/nginx/directive_tables.tsv, where the modules and versions stand. A number
holds argument bits in the low 16 bits and contexts above, as in ngx_conf_file.h; 0x2000: a block or none. Read from:
{read}."""

from __future__ import annotations

from collections.abc import Mapping


def _table(names: Mapping[tuple[int, ...], str]) -> dict[bytes, tuple[int, ...]]:
    return {name: masks for masks, text in names.items() for name in text.encode().split()}


'''
PLACES: dict[str, dict[int, str]] = {
    "core": {0x01000000: "main"},
    "events": {0x02000000: "events"},
    "http": {0x02000000: "http", 0x04000000: "server", 0x08000000: "location", 0x10000000: "upstream",
             0x20000000: "server-if", 0x40000000: "location-if", 0x80000000: "limit_except"},
    "stream": {0x02000000: "stream", 0x04000000: "server", 0x08000000: "upstream"},
    "mail": {0x02000000: "mail", 0x04000000: "server"},
}
COUNTS = {**{1 << count: str(count) for count in range(8)}, 0x200: "flag", 0x400: "any", 0x800: "1+", 0x1000: "2+",
          0x100: "{}"}


@dataclass(frozen=True, order=True)
class Row:
    """One directive of one source tree: `mask` holds its contexts and numbers of arguments."""

    name: str
    kind: str
    mask: int
    module: str

    def __str__(self) -> str:
        places = "any" if self.mask & CONTEXTS == CONTEXTS else ",".join(
            PLACES.get(self.kind, {}).get(1 << bit, hex(1 << bit)) for bit in range(24, 32) if self.mask >> bit & 1)
        counts = ",".join(COUNTS[1 << bit] for bit in range(16) if self.mask >> bit & 1)
        return f"{self.name}\t{self.kind}\t{places}\t{counts}\t{self.module}"


def read_row(line: str) -> Row:
    """Return the row that such a line holds."""
    name, kind, places, counts, module = line.split("\t")
    bits = {word: bit for bit, word in PLACES.get(kind, {}).items()}
    shapes = {word: bit for bit, word in COUNTS.items()}
    words = filter(None, places.split(","))
    mask = CONTEXTS if places == "any" else sum(bits.get(word) or int(word, 0) for word in words)
    return Row(name, kind, mask | sum(shapes[word] for word in counts.split(",")), module)


def version_of(tree: Path) -> str:
    """Return the name and version of a source tree, by its folder: `nginx-1.30.4` is `nginx 1.30.4`."""
    name, _, version = tree.name.partition("-")
    return f"{name} {version}"


def rows_of(tree: Path) -> tuple[Row, ...]:
    """Return the table of a source tree, in order."""
    values = dict(BASE)
    for header in sorted(tree.rglob("*.h")):
        text = header.read_text(encoding="latin-1")
        for name, definition in DEFINE.findall(_without_comments(text)) if "_CONF" in text else ():
            value = _evaluate(definition, values)
            if value is not None:
                values.setdefault(name, value)
    found = (row for source in sorted(tree.rglob("*.c")) for row in _rows_in(source, values))
    return tuple(sorted(set(found)))


def _rows_in(source: Path, values: Mapping[str, int]) -> Iterator[Row]:
    text = source.read_text(encoding="latin-1")
    if "ngx_command_t" not in text:
        return
    text = CONDITION.sub("", _without_comments(text))
    for table in TABLE.finditer(text):
        for name, types in COMMAND.findall(text, table.end(), _end_of(text, table.end())):
            for alternative in filter(None, map(str.strip, types.split(","))):      # both sides of an `#if`
                kind = next((kind for word, kind in KINDS.items() if word in alternative), "")
                mask = _evaluate(alternative, values)
                if mask is None or not kind:
                    print(f"{source}: {name}: {' '.join(alternative.split())} is not understood", file=sys.stderr)
                else:
                    yield Row(name, kind, mask & (CONTEXTS | SHAPE), source.stem)


def _end_of(text: str, start: int) -> int:
    """Return the offset of the brace that ends a table."""
    depth = 1
    for match in re.compile(r'"(?:[^"\\\n]|\\.)*"|[{}]').finditer(text, start):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0:
            return match.start()
    return len(text)


def _without_comments(text: str) -> str:
    return COMMENT.sub(lambda match: match[1] or " ", text)


def _evaluate(text: str, values: Mapping[str, int]) -> int | None:
    """Return the number of `A|B|(C|0x4)`; None for anything else."""
    total = 0
    for word in re.sub(r"[()\\\s]|\((?:u?int\w*|ngx_uint_t)\)", "", text).split("|"):
        number = values.get(word)
        if number is None:
            if not re.fullmatch(r"0x[0-9a-fA-F]+|0|[1-9]\d*", word):
                return None
            number = int(word, 0)
        total |= number
    return total


def digest_of(rows: Iterable[Row]) -> str:
    """Return a digest of a table, the same wherever its sources lie."""
    return hashlib.sha256("".join(f"{row}\n" for row in rows).encode()).hexdigest()[:16]


def presence_text(present: Iterable[str], versions: Iterable[str]) -> str:
    """Return the versions of one product that have a row as ranges of its versions, the newest one left out:
    `1.29.7..` is from there on, `1.10.0..1.25.0` until then."""
    ranges: list[list[str]] = []
    known, holding, last = list(versions), set(present), ""
    for version in known:
        if version in holding and last in holding and ranges:
            ranges[-1][1] = version
        elif version in holding:
            ranges.append([version, version])
        last = version
    return ",".join(f"{first}..{'' if end == known[-1] else end}" for first, end in ranges)


def has_version(text: str, version: str, versions: list[str]) -> bool:
    """Return whether such ranges hold a version."""
    at = versions.index(version)
    for one in filter(None, text.split(",")):
        first, _, end = one.partition("..")
        if versions.index(first) <= at <= (versions.index(end) if end else len(versions)):
            return True
    return False


def data_text(tables: Mapping[str, tuple[Row, ...]]) -> str:
    """Return the file of all tables: a line with its digest for each version, then a row with its versions."""
    versions: dict[str, list[str]] = defaultdict(list)
    holders: dict[Row, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for tree, rows in tables.items():
        product, _, version = tree.partition(" ")
        versions[product].append(version)
        for row in rows:
            holders[row][product].append(version)
    lines = [f"# {tree}\t{len(rows)}\t{digest_of(rows)}" for tree, rows in tables.items()]
    for row in sorted(holders):
        held = [f"{product} {presence_text(holders[row][product], versions[product])}"
                for product in versions if holders[row][product]]
        lines.append(f"{row}\t{'; '.join(held)}")
    return "\n".join(lines) + "\n"


def read_data(text: str) -> tuple[dict[str, str], dict[Row, dict[str, str]]]:
    """Return the digest of each version, and of each row the versions that have it, by product."""
    digests: dict[str, str] = {}
    rows: dict[Row, dict[str, str]] = {}
    for line in text.splitlines():
        if line.startswith("# "):
            tree, _, digest = line[2:].split("\t")
            digests[tree] = digest
            continue
        row, _, held = line.rpartition("\t")
        rows[read_row(row)] = dict(part.split(" ", 1) for part in held.split("; "))
    return digests, rows


def tables_in(text: str) -> dict[str, tuple[Row, ...]]:
    """Return the table of each version that the file of all tables holds."""
    digests, rows = read_data(text)
    versions: dict[str, list[str]] = defaultdict(list)
    for tree in digests:
        product, _, version = tree.partition(" ")
        versions[product].append(version)
    found: dict[str, list[Row]] = {tree: [] for tree in digests}
    for row, held in rows.items():
        for product, text_of_product in held.items():
            for version in versions[product]:
                if has_version(text_of_product, version, versions[product]):
                    found[f"{product} {version}"].append(row)
    return {tree: tuple(sorted(some)) for tree, some in found.items()}


def merged(rows: Iterable[Row], kind: str) -> dict[str, tuple[int, ...]]:
    """Return what any version accepts of each directive of a kind: masks of contexts with the same shape."""
    shapes: dict[str, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    for row in rows:
        for bit in range(24, 32) if row.kind == kind else ():
            if row.mask >> bit & 1:
                shapes[row.name][1 << bit].add(row.mask & SHAPE)
    found = {}
    for name, places in shapes.items():
        by_shape: dict[int, int] = defaultdict(int)
        for place, some in places.items():
            shape = 0
            for one in some:
                shape |= one
            if 0 < sum(bool(one & BLOCK) for one in some) < len(some):
                shape |= MAYBE_BLOCK
            by_shape[shape] |= place
        found[name] = tuple(sorted(place | shape for shape, place in by_shape.items()))
    return found


def module_text(digests: Mapping[str, str], rows: Iterable[Row]) -> str:
    """Return fixer/nginx/directives.py."""
    rows = tuple(rows)
    products: dict[str, list[str]] = defaultdict(list)
    for tree in digests:
        products[tree.split(" ")[0]].append(tree.split(" ")[1])
    read = ", ".join(f"{name} {found[0]} to {found[-1]}" if len(found) > 1 else f"{name} {found[0]}"
                     for name, found in products.items())
    parts = [HEAD.replace("{read}", textwrap.fill(read, 116))]
    for kind, title in (("core", "CORE"), ("events", "EVENTS"), ("http", "HTTP")):
        by_masks: dict[tuple[int, ...], list[str]] = defaultdict(list)
        for name, masks in sorted(merged(rows, kind).items()):
            by_masks[masks].append(name)
        parts.append(f"{title} = _table({{")
        for masks, names in sorted(by_masks.items()):
            parts.append(f"    ({', '.join(f'{mask:#x}' for mask in masks)},): (")
            parts += [f"        {text!r}".replace("'", '"') for text in _wrapped(names)]
            parts.append("    ),")
        parts.append("})\n")
    known = {row.name for row in rows if row.kind in ("core", "events", "http")}
    parts.append("# known in other blocks only (stream, mail, those of forks): never unknown to nginx")
    parts.append("ELSEWHERE: frozenset[bytes] = frozenset((")
    parts += [f"    b{text!r}".replace("'", '"') for text in _wrapped(sorted({row.name for row in rows} - known))]
    parts.append(").split())\n")
    return "\n".join(parts)


def _wrapped(names: Iterable[str]) -> list[str]:
    return [f"{line} " for line in textwrap.wrap(" ".join(names), 106, break_long_words=False, break_on_hyphens=False)]


def main() -> int:
    """Print one table, or write all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="add them to tests/nginx/directive_tables.tsv, "
                        "and make fixer/nginx/directives.py of it")
    parser.add_argument("trees", type=Path, nargs="*", metavar="TREE", help="source trees, the oldest version first")
    wish = parser.parse_args()
    tables = {version_of(tree): rows_of(tree) for tree in wish.trees}
    if wish.write:
        known = tables_in(DATA.read_text(encoding="utf-8")) if DATA.is_file() else {}
        DATA.write_text(data_text({**known, **tables}), encoding="utf-8")
        digests, rows = read_data(DATA.read_text(encoding="utf-8"))
        MODULE.write_text(module_text(digests, rows), encoding="utf-8")
        return 0
    for tree, found in tables.items():
        print(f"# {tree}\t{len(found)}\t{digest_of(found)}", *found, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
