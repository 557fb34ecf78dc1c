"""Unit files and drop-ins, parsed line by line, and their backup copies. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from fixer.formats.backup_names import is_backup_name
from fixer.formats.folders import is_within
from fixer.formats.systemctl_show import unescape_instance
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex

# Packages' unit folders, in order of precedence.
RC_LOCAL_UNIT = "rc-local.service"      # systemd makes it from an executable rc.local, as it boots
PACKAGE_FOLDERS = ("/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
ADMIN_FOLDER = "/etc/systemd/system"
SANDBOX_SETTINGS = frozenset({"ReadWritePaths", "ReadOnlyPaths", "ExecPaths", "NoExecPaths", "BindPaths",
                              "BindReadOnlyPaths"})
_SECTION = regex(r"\[[^\]\s]+\]\s*")
_NAMING_ARGUMENT = regex(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*(?:\(\))?|\S*[/.]\S*|\S*\d{2,}\S*")
_COMMENT = regex(r"[ \t]*[#;]")
_QUOTES = str.maketrans("", "", "\"'\\")


@dataclass(frozen=True, slots=True)
class UnitLine:
    """One assignment of a unit file: continued lines joined, `start` the offset of the value's first byte.
    `value` is the raw text to the end, with its backslash-newlines, so offsets in it are file offsets."""

    file: str
    line: int
    section: str
    key: str
    value: str
    start: int


def unit_lines(file: str, data: bytes) -> list[UnitLine]:
    """Return the assignments of one unit file in order; latin-1 makes character offsets byte offsets."""
    text = data.decode("latin-1")
    lines: list[UnitLine] = []
    section, offset, number = "", 0, 1
    while offset < len(text):
        end = _logical_end(text, offset)
        raw = text[offset:end]
        stripped = raw.strip()
        if stripped.startswith("[") and stripped.endswith("]"):
            section = stripped[1:-1]
        elif stripped and stripped[0] not in "#;":
            key, found, value = raw.partition("=")
            if found:
                skip = len(value) - len(value.lstrip(" \t"))
                at = offset + len(key) + 1 + skip
                lines.append(UnitLine(file, number, section, key.strip(), value[skip:].rstrip(), at))
        number += raw.count("\n") + 1
        offset = end + 1
    return lines


def _logical_end(text: str, offset: int) -> int:
    """Return the end of the line, including lines continued by a backslash. Comments are never continued."""
    comment = _COMMENT.match(text, offset) is not None
    while True:
        end = text.find("\n", offset)
        if end < 0:
            return len(text)
        if comment or end == 0 or text[end - 1] != "\\":
            return end
        offset = end + 1


def effective_lines(lines: Iterable[UnitLine], key: str) -> list[UnitLine]:
    """Return the effective assignments of a key: an empty one resets those before it."""
    kept: list[UnitLine] = []
    for line in lines:
        if line.section == "Service" and line.key == key:
            kept = [] if not line.value.strip() else [*kept, line]
    return kept


def is_unit_backup(path: str, of: str) -> bool:
    """Return whether `path` is a copy of the unit file (or drop-in) `of` by its name,
    or the packaged unit file that an administrator's file overrides."""
    folder, name = posixpath.split(path)
    there, base = posixpath.split(of)
    return is_backup_name(name,
        base) if folder == there else name == base and there == ADMIN_FOLDER and folder in PACKAGE_FOLDERS


def is_complete_unit(data: bytes) -> bool:
    """Return whether systemd would accept every line, as far as its grammar goes."""
    text = data.decode("latin-1")
    section, found, offset = "", False, 0
    while offset < len(text):
        end = _logical_end(text, offset)
        line = text[offset:end].strip()
        if _SECTION.fullmatch(line):
            section = line
        elif line and line[0] not in "#;":
            if not section or "=" not in line.partition("\n")[0] or "\0" in line:
                return False
            found = True
        offset = end + 1
    return found


def last_value(lines: Iterable[UnitLine], key: str) -> str:
    """Return the effective value of a non-list setting in `[Service]`; for ExecStart= the last command."""
    found = effective_lines(lines, key)
    return " ".join(found[-1].value.replace("\\\n", " ").split()) if found else ""


def program_of(lines: Iterable[UnitLine]) -> str:
    """Return the program of ExecStart=, without systemd's prefixes."""
    return last_value(lines, "ExecStart").partition(" ")[0].lstrip("@-:+!|").strip("\"'")


def working_directory_of(lines: Iterable[UnitLine]) -> str:
    """Return WorkingDirectory=, without the prefix that makes it optional."""
    return last_value(lines, "WorkingDirectory").lstrip("-!").strip("\"'")


def path_on_machine(lines: Iterable[UnitLine], path: str) -> str:
    """Return the machine's path for a path that the unit's program uses: below RootDirectory=, or bind-mounted.
    Empty if it cannot be resolved (an image, a specifier)."""
    known = list(lines)
    root = last_value(known, "RootDirectory").strip("\"'").rstrip("/")
    if last_value(known, "RootImage"):
        return ""
    if not root:
        return path
    shown = [word.lstrip("-+").split(":") for key in ("BindPaths", "BindReadOnlyPaths")
             for line in effective_lines(known, key) for word in line.value.split()]
    covers = [(parts[1] if len(parts) > 1 else parts[0], parts[0]) for parts in shown]
    best = max((pair for pair in covers if is_within(path, pair[0])), key=lambda pair: len(pair[0]), default=None)
    outside = f"{root}{path}" if best is None else f"{best[1].rstrip('/')}{path[len(best[0].rstrip('/')):]}"
    return "" if "%" in outside else outside


_SPECIFIER = regex(r"%([%iInpNh])")


def expand_specifiers(text: str, name: str) -> str:
    """Return the text with systemd's common specifiers expanded, for the unit of that name (`%i` of an instance)."""
    stem = name.rsplit(".", 1)[0]
    prefix, _, instance = stem.partition("@")
    values = {"%": "%", "i": instance, "I": unescape_instance(instance), "n": name, "N": stem, "p": prefix,
              "h": "/root"}
    return _SPECIFIER.sub(lambda m: values.get(m[1], m[0]), text)


def sandbox_path(word: str, name: str) -> str:
    """Return the path of one word of such a setting, for the unit of that name."""
    return expand_specifiers(word.lstrip("+").split(":", 1)[0], name)


def sandbox_paths(lines: Iterable[UnitLine], name: str) -> tuple[str, ...]:
    """Return the paths that the sandbox of the unit of that name needs; those with a `-` prefix are optional."""
    words = [w for line in lines if line.section == "Service" and line.key in SANDBOX_SETTINGS
             for w in line.value.split()]
    return tuple(dict.fromkeys(sandbox_path(w, name) for w in words if w.lstrip("+").startswith("/")))


def naming_arguments(lines: Iterable[UnitLine]) -> frozenset[str]:
    """Return the arguments of ExecStart= that identify what is served: application, paths, addresses, ports."""
    words = last_value(lines, "ExecStart").split()[1:]
    return frozenset(w for word in words for w in (word.partition("=")[2] or word,) if _NAMING_ARGUMENT.fullmatch(w))


def bare_command(text: str) -> str:
    """Return a command without prefixes, quotes and blanks, to compare a unit file with systemd's output."""
    return "".join(text.lstrip("-@:+!").translate(_QUOTES).split())
