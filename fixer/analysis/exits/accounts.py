"""What an account of a machine may do with a file, by the machine's own lists of accounts and the file's mode."""

from __future__ import annotations

from fixer.lazy.dataclass import dataclass
from fixer.model.query import FileStat
from fixer.model.snapshot import Snapshot

READ, WRITE, PASS = 4, 2, 1


@dataclass(frozen=True, slots=True)
class Account:
    """Its name, its user id, and all of its groups; `group` is the name of its own."""

    name: str
    uid: int
    gid: int
    gids: frozenset[int]
    group: str


def account_of(snapshot: Snapshot, node: str, who: str | int) -> Account | None:
    """The account of a name or number; None where the machine's files, as far as they were read, do not have it."""
    passwd, groups = (rows(snapshot, node, path) for path in ("/etc/passwd", "/etc/group"))
    column = 2 if isinstance(who, int) or who.isdigit() else 0     # a name of digits alone is no name
    row = next((r for r in passwd if len(r) > 3 and r[column] == str(who)), None)
    if row is None or not groups or not row[2].isdigit() or not row[3].isdigit():
        return None
    name, gid = row[0], int(row[3])
    mine = {int(g[2]) for g in groups if len(g) > 3 and g[2].isdigit() and name in g[3].split(",")}
    return Account(name, int(row[2]), gid, frozenset({gid, *mine}), group_name(groups, gid))


def may(stat: FileStat, account: Account, bit: int) -> bool:
    """Whether the mode lets it do that."""
    if account.uid == 0:
        return True
    shift = 6 if stat.uid == account.uid else 3 if stat.gid in account.gids else 0
    return bool(stat.mode >> shift & bit)


def rows(snapshot: Snapshot, node: str, path: str) -> list[list[str]]:
    """The fields of such a list."""
    file = snapshot.file(node, path)
    return [] if file is None else [line.split(":") for line in file.data.decode("utf-8", "replace").splitlines()]


def group_name(groups: list[list[str]], gid: int) -> str:
    """What the group of that number is called."""
    return next((g[0] for g in groups if len(g) > 2 and g[2] == str(gid)), "")
