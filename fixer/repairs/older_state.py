"""Restoring an older state: the choice of a backup copy or release, their order, and what no display shows."""

from __future__ import annotations

import posixpath
from collections.abc import Callable

from fixer.analysis.case import Case
from fixer.analysis.exits.code_error import CodeFault
from fixer.analysis.exits.failed_run import FailedRun
from fixer.formats.folders import is_below, is_within
from fixer.formats.start_files import release_path, start_arguments
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Need, Repair
from fixer.model.plan import Step, WriteFile
from fixer.model.query import FileStat
from fixer.model.snapshot import FileContent

with lazy_imports():  # not needed in most looks
    from fixer.analysis.exits.source_files import is_without_fault

_RUN = regex(r"[0-9]+|[^0-9]+")

BACKUP_ID = "restore-backup"
BACKUP_KEY = "restore-from"


def newest_first_key(copy: FileContent) -> tuple[float, str]:
    """Return a sort key: the newest first."""
    return -copy.stat.mtime, copy.path


def masked_lines(data: bytes, redact: Callable[[bytes], bytes]) -> tuple[bytes, ...]:
    """Return the lines that are partly masked when such a file is shown: hide them completely wherever they appear."""
    lines, masked = data.split(b"\n"), redact(data).split(b"\n")
    if len(lines) != len(masked):
        return (data,)
    return tuple(dict.fromkeys(line.strip() for line, shown in zip(lines, masked, strict=True) if line != shown))


# Older releases of the application on the disk, and the link that says which one runs.
RELEASE_KEY = "release"
RELEASE_ID = "previous-release"
MAX_RELEASES = 5                # older releases that are named
_DATE_DIGITS = 8               # digits: 20260928
_NUMBER = regex(r"[0-9]+")
_HASH = regex(r"(?=[0-9a-f]*[a-f])[0-9a-f]{7,40}")


@dataclass(frozen=True, slots=True)
class _DatedRelease:
    """A release by its folder's name, with the time when the file in question was written; 0.0 if it is missing."""

    name: str
    at: float


@dataclass(frozen=True, slots=True)
class Releases:
    """The link that says which release runs, the release that it leads to, and older ones without the fault."""

    link: str
    stat: FileStat
    current: str
    older: tuple[str, ...]


def releases_of(case: Case, crash: FailedRun, fault: CodeFault, file: FileContent) -> Releases | None:
    """Return the newest first; None if no link leads to the file, or no older release is without the fault."""
    node = next((n for n in case.snapshot.nodes if n.name == crash.service.node), None)
    for link, stat in node.files if node is not None and crash.service.container is None else ():
        place = release_path(link, stat, file.real_path)
        if place is None or not _is_started_from_link(crash, link):
            continue
        now, inner = place
        folder = posixpath.dirname(now)
        found = [
            (name, other) for other in case.snapshot.files
            if other.node == file.node and is_below(other.path, folder) and other.path.endswith("/" + inner)
            for name in [other.path[len(folder) + 1:-len(inner) - 1]]
            if "/" not in name and other.real_path == f"{folder}/{name}/{inner}"
        ]
        sound = [_DatedRelease(name, other.stat.mtime) for name, other in found
                 if other.data != file.data and is_without_fault(other, fault)]
        older = _older_releases(sound, _DatedRelease(posixpath.basename(now), file.stat.mtime))
        if older:
            return Releases(link, stat, now, tuple(f"{folder}/{name}" for name in older[:MAX_RELEASES]))
    return None


def releases_with_file(case: Case, crash: FailedRun, path: str) -> Releases | None:
    """Return the same for a file that the release should hold and lacks, and that others hold."""
    node = next((n for n in case.snapshot.nodes if n.name == crash.service.node), None)
    files = dict(node.files) if node is not None and crash.service.container is None else {}
    for link, stat in files.items():
        place = release_path(link, stat, path)
        if node is None or place is None or not _is_started_from_link(crash, link):
            continue
        now, inner = place
        folder, name = posixpath.split(now)
        found = [_DatedRelease(other[len(folder) + 1:-len(inner) - 1], seen.mtime) for other, seen in files.items()
                 if is_below(other, folder) and other.endswith("/" + inner) and other not in node.missing_paths]
        older = _older_releases([aged for aged in found if "/" not in aged.name], _DatedRelease(name, 0.0))
        if older:
            return Releases(link, stat, now, tuple(f"{folder}/{name}" for name in older[:MAX_RELEASES]))
    return None


def _is_started_from_link(crash: FailedRun, link: str) -> bool:
    """Return whether the service is configured to start in the link's folder, or to run a file in it."""
    words = start_arguments(crash.service)
    return any(is_within(word, link) for word in words)


def _older_releases(found: list[_DatedRelease], now: _DatedRelease) -> list[str]:
    """Return the newest first. If names do not show the order (hashes, another numbering), the files' ages do."""
    older = [aged for aged in found if _is_older(aged, now)]
    by_name = all(_has_same_numbering(aged.name, now.name) for aged in older)
    return [a.name for a in sorted(older, key=lambda a: (0.0 if by_name else a.at, _natural_key(a.name)), reverse=True)]


def _is_older(aged: _DatedRelease, now: _DatedRelease) -> bool:
    """Return whether it is older, by its number or date. Names without any (blue, green) are equal, and the operator
    chooses. A release without the file has no age: then any other may be intended."""
    if aged.name == now.name:
        return False
    if not any(c.isdigit() for c in now.name):
        return not any(c.isdigit() for c in aged.name)
    if not any(c.isdigit() for c in aged.name):
        return False
    if _has_same_numbering(aged.name, now.name):
        return _natural_key(aged.name) < _natural_key(now.name)
    return not now.at or aged.at <= now.at


def _has_same_numbering(name: str, other: str) -> bool:
    """Return whether both count in the same way: no hashes, and no date with a mere number."""
    if any(_HASH.fullmatch(one) for one in (name, other)):
        return False
    first, second = (len(match[0]) if (match := _NUMBER.search(one)) else 0 for one in (name, other))
    return max(first, second) < _DATE_DIGITS or first == second


def _natural_key(name: str) -> tuple[tuple[int, str], ...]:
    """Return a sort key in which numbers count as numbers."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in _RUN.findall(name))


def release_repair(
    found: Releases, crash: FailedRun, chosen: str | None, again: tuple[Step, ...], lacks: str = "",
) -> Repair:
    """Return a repair that points the link at the release that the operator names, then starts the service again."""
    service, link = crash.service, found.link
    older = ", ".join(found.older)
    fault = f"which lacks {lacks}" if lacks else "whose program exits at once"
    why = f"{link} points to {found.current}, {fault}; older releases on the disk: {older}"
    need = Need(RELEASE_KEY, "choice", why, found.older)
    target = found.stat.link_target or found.current
    steps: tuple[Step, ...] = ()
    if chosen in found.older and again:
        new = _new_link_target(target, found.current, str(chosen))
        steps = (
            WriteFile(service.node, link, None, None, f"remove the link to {target}", link_target=target),
            WriteFile(service.node, link, None, b"", f"link to {new}", link_target=new), *again,
        )
    summary = f"point {link} at an older release, then start {service.name}"
    return Repair(RELEASE_ID, "disruptive", summary, steps, (need,))


def _new_link_target(target: str, now: str, chosen: str) -> str:
    """Return the new target in the form of the old link, relative or absolute."""
    plain = target.rstrip("/")
    if not plain.startswith("/") and posixpath.basename(plain) == posixpath.basename(now):
        return posixpath.join(posixpath.dirname(plain), posixpath.basename(chosen))
    return chosen
