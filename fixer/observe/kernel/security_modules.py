"""SELinux on a node: its mode and booleans, the label of nginx's workers, and recent denials. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fixer.formats.kernel_messages import read_denial
from fixer.model.facts import Fact, Known, Unknown
from fixer.model.kernel import SecurityPolicy, SelinuxDenial
from fixer.model.query import Command, Query, ReadFile
from fixer.observe.view.node_view import View

ENFORCE = "/sys/fs/selinux/enforce"
BOOLEANS = ("httpd_can_network_connect", "httpd_can_network_relay", "httpd_can_connect_http")
DENIALS = Command("audit-denials")
MOST_DENIALS = 100
_SMALL_FILE_LIMIT = 256
MODE = ReadFile(ENFORCE, _SMALL_FILE_LIMIT)      # enough to know whether SELinux may deny what file modes allow


def policy_queries(workers: Iterable[int]) -> tuple[Query, ...]:
    """Return the queries for small kernel files: if they are absent, the module is not loaded."""
    labels = [f"/proc/{pid}/attr/current" for pid in list(workers)[:1]]
    return (*(ReadFile(path, _SMALL_FILE_LIMIT) for path in (ENFORCE, *map(_boolean_path, BOOLEANS), *labels)), DENIALS)


def _boolean_path(name: str) -> str:
    return f"/sys/fs/selinux/booleans/{name}"


def policy_of(view: View) -> Fact[SecurityPolicy]:
    """Return the node's SELinux policy; Unknown if not asked."""
    if not view.was_asked(ENFORCE):
        return Unknown("not asked")
    mode = view.data(ENFORCE)
    known = [(name, view.data(_boolean_path(name))) for name in BOOLEANS]
    # current and pending value; the current one is in force
    booleans = tuple((name, data.split()[0] == b"1") for name, data in known if data and data.split())
    labels = [view.data(path) for path in view.files if path.startswith("/proc/") and path.endswith("/attr/current")]
    label = next((data for data in labels if data), b"").rstrip(b"\0\n ").decode("utf-8", "replace")
    answer = view.node.answers.get(DENIALS)
    denials = tuple(_parse_denials(answer.data))[-MOST_DENIALS:] if answer is not None else ()
    return Known(SecurityPolicy(None if mode is None else mode.strip() == b"1", booleans, label, denials))


def _parse_denials(data: bytes) -> Iterator[SelinuxDenial]:
    """Yield denials, without those that a permissive domain allowed (kernels before 3.18 do not log which)."""
    for line in data.decode("utf-8", "replace").splitlines():
        said = read_denial(line)
        if said is None or said.fields.get("permissive") == "1":
            continue
        fields = said.fields
        port = fields.get("dest", "")
        yield SelinuxDenial(said.at, said.permission, int(port) if port.isdecimal() and len(port) < 6 else 0,
                     fields.get("path") or fields.get("name", ""), fields.get("scontext", ""),
                     fields.get("tcontext", ""), f"avc: denied {{ {said.permission} }} for {said.text}")
