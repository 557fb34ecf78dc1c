"""Whether the account of nginx's workers may use a unix socket, by the modes and owners on its path."""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.evidence import endpoint_text, find_node, processes_of
from fixer.analysis.exits.path_access import PASS, WRITE, Account, find_account, has_permission
from fixer.formats.server_names import is_nginx
from fixer.formats.start_files import path_and_parents
from fixer.lazy.dataclass import dataclass
from fixer.model.facts import Known
from fixer.model.query import FileStat

_ENFORCED = " (enforce)"


@dataclass(frozen=True, slots=True)
class ClosedPath:
    """A folder or socket that an account may not use, and the missing permission bit."""

    path: str
    stat: FileStat
    bit: int

    @property
    def is_open_to_group(self) -> bool:
        """Return whether its group has the permission."""
        return bool(self.stat.mode >> 3 & self.bit)


def socket_access(case: Case, trouble: FailingAddress) -> tuple[Account, tuple[ClosedPath, ...], tuple[str, ...]] | str:
    """Return the workers' account, what is closed to it on the way to the socket, and that way; or the missing fact."""
    nginx, node = trouble.nginx, find_node(case.snapshot, trouble.nginx.node)
    workers = processes_of(case.snapshot, nginx.node, nginx.worker_pids)
    account = find_account(case.snapshot, nginx.node, workers[0].uid) if workers else None
    if account is None:
        return f"which groups the account of nginx's workers on {nginx.node} has"
    stats = dict(node.files) if node is not None else {}
    way = path_and_parents(trouble.endpoint.unix or "/")
    if any(path not in stats for path in way):
        return f"modes and owners of the folders on the path to {endpoint_text(trouble.endpoint)}"
    needed = ((path, WRITE if path == way[-1] else PASS) for path in way)
    shut = tuple(ClosedPath(path, stats[path], bit) for path, bit in needed
                 if stats[path].kind != "link" and not has_permission(stats[path], account, bit))
    return account, shut, way


def confining_profile(case: Case, trouble: FailingAddress) -> str:
    """Return the AppArmor profile in force for nginx's workers; empty if there is none."""
    node = find_node(case.snapshot, trouble.nginx.node)
    policy = node.policy.value if node is not None and isinstance(node.policy, Known) else None
    confined = policy is not None and policy.enforcing is None and policy.label.endswith(_ENFORCED)
    return policy.label.removesuffix(_ENFORCED) if policy is not None and confined else ""


def nginx_profile(case: Case, trouble: FailingAddress) -> str:
    """Return that profile if it is one for nginx: those of container engines let every file be used."""
    profile = confining_profile(case, trouble)
    return profile if is_nginx(profile) else ""
