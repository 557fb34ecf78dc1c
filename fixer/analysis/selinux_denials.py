"""SELinux denials of nginx's connections, as audit recorded them."""

from __future__ import annotations

import posixpath

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.evidence import find_node
from fixer.formats.start_files import path_and_parents
from fixer.model.facts import Evidence, Unknown
from fixer.model.kernel import SelinuxDenial

HTTPD_DOMAINS = ("httpd_t", "nginx_t")
_SOCKET_PERMISSIONS = frozenset({"write", "connectto"})
_RECENT_DENIAL = 600.0     # seconds that `ausearch -ts recent` covers


def recent_denials(case: Case, trouble: FailingAddress) -> tuple[SelinuxDenial, ...]:
    """Return the recent audit records of a web server's domain that was denied a connection to that port or socket."""
    node, endpoint = find_node(case.snapshot, trouble.nginx.node), trouble.endpoint
    if node is None or isinstance(node.policy, Unknown) or not node.policy.value.enforcing:
        return ()

    def is_of_it(denial: SelinuxDenial) -> bool:
        words = denial.permission.split()
        if endpoint.unix is None:
            return "name_connect" in words and denial.port == endpoint.port
        same = posixpath.basename(denial.name) == posixpath.basename(endpoint.unix)
        return (same and not _SOCKET_PERMISSIONS.isdisjoint(words)) or bool(denied_folder(denial, endpoint.unix))

    return tuple(d for d in node.policy.value.denials
                 if d.at >= node.now - _RECENT_DENIAL and selinux_type_of(d.source) in HTTPD_DOMAINS and is_of_it(d))


def denied_folder(denial: SelinuxDenial, path: str) -> str:
    """Return the folder on the way to that path which the record says could not be passed; empty if it is another
    record. Audit names only the last part of it."""
    if "search" not in denial.permission.split() or not denial.name:
        return ""
    folders = path_and_parents(posixpath.dirname(path))
    return next((folder for folder in folders if posixpath.basename(folder) == posixpath.basename(denial.name)), "")


def selinux_type_of(context: str) -> str:
    """Return the type of user:role:type:level."""
    return (*context.split(":"), "", "", "")[2]


def audit_evidence(denial: SelinuxDenial) -> Evidence:
    """Return audit's own line as evidence."""
    return Evidence("kernel", "audit (ausearch)", denial.text)
