"""An older release of the application that still lies on the disk, and the link that says which one runs."""

from __future__ import annotations

import posixpath
import re

from fixer.causes.case import Case
from fixer.causes.endings.codefaults import CodeFault
from fixer.causes.endings.crashing import Crash
from fixer.causes.endings.sources import is_without
from fixer.model.diagnosis import Need, Repair
from fixer.model.facts import Evidence
from fixer.model.plan import Step, WriteFile
from fixer.model.query import FileStat
from fixer.model.record import dataclass
from fixer.model.snapshot import FileContent
from fixer.model.startfiles import start_words, within_release

KEY = "release"
ID = "previous-release"
MOST = 5                # of the older ones, to be named


@dataclass(frozen=True, slots=True)
class Releases:
    """The link that says which release runs, the release that it leads to, and older ones without the fault."""

    link: str
    stat: FileStat
    now: str
    older: tuple[str, ...]


def releases_of(case: Case, crash: Crash, fault: CodeFault, file: FileContent) -> Releases | None:
    """The newest first; None where the file lies behind no link, or no older release is without the fault."""
    node = next((n for n in case.snapshot.nodes if n.name == crash.service.node), None)
    for link, stat in node.files if node is not None and crash.service.container is None else ():
        place = within_release(link, stat, file.real_path)
        if place is None or not _starts_behind(crash, link):
            continue
        now, inner = place
        folder = posixpath.dirname(now)
        found = [
            (name, other) for other in case.snapshot.files
            if other.node == file.node and other.path.startswith(folder + "/") and other.path.endswith("/" + inner)
            for name in [other.path[len(folder) + 1:-len(inner) - 1]]
            if "/" not in name and other.real_path == f"{folder}/{name}/{inner}"
        ]
        older = sorted((name for name, other in found if _is_older(name, posixpath.basename(now))
                        and other.data != file.data and is_without(other, fault)), key=_order, reverse=True)
        if older:
            return Releases(link, stat, now, tuple(f"{folder}/{name}" for name in older[:MOST]))
    return None


def _starts_behind(crash: Crash, link: str) -> bool:
    """The service is told to start in it, or to run what lies in it."""
    words = start_words(crash.service)
    return any(word == link or word.startswith(link + "/") for word in words)


def _is_older(name: str, now: str) -> bool:
    """By its number or its date, which says so; names without any (blue, green) are equals, and a person chooses."""
    if name == now:
        return False
    if not any(c.isdigit() for c in now):
        return not any(c.isdigit() for c in name)
    return any(c.isdigit() for c in name) and _order(name) < _order(now)


def _order(name: str) -> tuple[tuple[int, str], ...]:
    """Numbers in it count as numbers."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.findall(r"[0-9]+|[^0-9]+", name))


def release_repair(found: Releases, crash: Crash, chosen: str | None, again: tuple[Step, ...]) -> Repair:
    """Let the link lead to the release that a person names, then start it again."""
    service, link = crash.service, found.link
    older = ", ".join(found.older)
    why = f"{link} leads to {found.now}, whose program ends at once; older releases on the disk: {older}"
    need = Need(KEY, "choice", why, found.older)
    target = found.stat.link_target or found.now
    steps: tuple[Step, ...] = ()
    if chosen in found.older and again:
        new = _written(target, found.now, str(chosen))
        steps = (
            WriteFile(service.node, link, None, None, f"remove the link to {target}", link_target=target),
            WriteFile(service.node, link, None, b"", f"link to {new}", link_target=new), *again,
        )
    summary = f"let {link} lead to an older release again, then start {service.name}"
    return Repair(ID, "disruptive", summary, steps, (need,))


def _written(target: str, now: str, chosen: str) -> str:
    """As the old link was written, relative or whole."""
    plain = target.rstrip("/")
    if not plain.startswith("/") and posixpath.basename(plain) == posixpath.basename(now):
        return posixpath.join(posixpath.dirname(plain), posixpath.basename(chosen))
    return chosen


def release_evidence(found: Releases) -> Evidence:
    """What the link says now."""
    return Evidence("file", found.link, f"link to {found.stat.link_target or found.now}")
