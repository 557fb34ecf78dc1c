"""A file that names are looked up by and that the program's account may not read: root knows the name, it does not."""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.evidence import find_node
from fixer.analysis.exits.failed_run import FailedRun
from fixer.analysis.exits.path_access import PASS, READ, Account, account_of_service, has_permission
from fixer.formats.name_files import NAME_FILES
from fixer.formats.start_files import path_and_parents
from fixer.lazy.dataclass import dataclass
from fixer.model.facts import Evidence
from fixer.model.query import FileStat
from fixer.model.snapshot import Container, Snapshot


@dataclass(frozen=True, slots=True)
class ClosedNameFile:
    """The file as the program names it, the closed part of its path, where that is on its machine, and who may not."""

    file: str
    part: str
    stat: FileStat
    account: str
    place: str

    @property
    def evidence(self) -> Evidence:
        """The mode and the owner of the closed part."""
        stat = self.stat
        return Evidence("file", self.place, f"{stat.kind}, mode {stat.mode & 0o7777:04o}, owner {stat.uid}:{stat.gid}")


def closed_name_file(case: Case, crash: FailedRun) -> ClosedNameFile | None:
    """Return the first such file, resolv.conf before hosts. Of nsswitch.conf glibc has a default of its own."""
    service, box = crash.service, crash.service.container
    if box is not None:
        return _closed_in_container(case.snapshot, box)
    account, node = account_of_service(case.snapshot, service), find_node(case.snapshot, service.node)
    if account is None or account.uid == 0 or node is None:
        return None
    stats = dict(node.files)
    for file in NAME_FILES:
        if (stat := stats.get(file)) is None:
            continue
        real = stat.real_path or file
        for part in dict.fromkeys((*path_and_parents(file), *path_and_parents(real))):
            found = stats.get(part)
            if found is not None and not has_permission(found.end, account, READ if part in (file, real) else PASS):
                return ClosedNameFile(file, part, found.end, account.name, part)
    return None


def _closed_in_container(snapshot: Snapshot, box: Container) -> ClosedNameFile | None:
    """Return the same of the files that Docker mounts. Only the image knows the number of a named account: then a file
    counts that root alone may read."""
    user, _, group = box.user.partition(":")
    if user in ("", "0", "root") or box.is_machine:
        return None
    stats = dict(snapshot.engine_files)
    for file, place in box.name_files:
        stat = stats.get(place)
        gids = frozenset((int(group),)) if group.isdigit() else frozenset[int]()
        account = Account(user, int(user) if user.isdigit() else -1, -1, gids, group)
        known = stat is not None and (user.isdigit() or (stat.end.uid == 0 and stat.end.gid == 0))
        if stat is not None and known and not has_permission(stat.end, account, READ):
            return ClosedNameFile(file, file, stat.end, user, place)
    return None
