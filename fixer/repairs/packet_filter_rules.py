"""Repairs of packet filters: remove a rule, or insert one before it that lets nginx's own connection pass."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from fixer.analysis.case import Case
from fixer.analysis.evidence import ENGINE, container_of, find_node, listener_at
from fixer.analysis.packet_filter.matching_rules import FilterMatch
from fixer.formats.addresses import is_loopback
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Repair
from fixer.model.facts import Known
from fixer.model.firewall import Chain, MatchKey, Rule
from fixer.model.plan import ChangeRule, Step, WriteFile
from fixer.model.snapshot import Container, Snapshot
from fixer.repairs.file_edits import NotEditable, locate_editable_file

with lazy_imports():  # not needed in most looks
    from fixer.analysis.exits.path_access import read_account_file

_TOOLS = (
    ("ufw", "ufw", "ufw status numbered; ufw delete NUMBER"),
    ("f2b-", "fail2ban", "fail2ban-client status; fail2ban-client unban ADDRESS"),
    ("firewalld", "firewalld", "firewall-cmd --list-all; firewall-cmd --permanent --add-rich-rule=…"),
)
# The one rule of such a tool that lets packets of one bridge and its subnet in at one port, before all other rules.
_TOOL_RULES = {
    "ufw": "ufw prepend allow in on {bridge} to any port {port} proto tcp",
    "firewalld": "firewall-cmd --permanent --add-rich-rule='rule priority=-1 family={family} source address={subnet} "
                 "port port={port} protocol=tcp accept' && firewall-cmd --reload",
}


def filter_repairs(case: Case, block: FilterMatch) -> tuple[Repair, ...]:
    """Return the removal of the rule if it concerns only nginx, else a rule before it for nginx's own connection."""
    rule = block.hit.rule
    filling = _rule_writing_container(case, block)
    if filling is not None:
        text = (f"{filling.name} may change the packet filter of this network, and its start command would add the "
                f"rule again: change that command so that it allows nginx's connections to port "
                f"{block.failing_address.endpoint.port}")
        return (Repair("change-firewall", "manual", f"allow the connection in {filling.name}", (), manual=text),)
    owner = _owning_tool(case, block)
    if owner is not None:
        text = _own_tool_rule(case, block, owner[0]) or (
            f"{owner[0]} created this rule and would add it again: {owner[1]}")
        return (Repair("change-firewall", "manual", f"allow the connection in {owner[0]}", (), manual=text),)
    accept = _allow_connection_repair(case, block)
    if rule is not None and rule.is_complete and _is_only_about_nginx(block, rule):
        return (_remove_rule_repair(case, block, rule), accept)
    return (accept,)


def _owning_tool(case: Case, block: FilterMatch) -> tuple[str, str] | None:
    """Return the tool that wrote the chain; a policy belongs to the tool whose chains are in the same filter."""
    chain = block.hit.chain
    names = [chain.table, chain.name]
    node = find_node(case.snapshot, block.node)
    filters = case.snapshot.engine_firewall if node is None else node.firewall
    if block.hit.rule is None and isinstance(filters, Known):
        names += [other.name for other in filters.value.chains if other.tool == chain.tool]
    return next(((tool, how) for mark, tool, how in _TOOLS if any(name.startswith(mark) for name in names)), None)


def _own_tool_rule(case: Case, block: FilterMatch, tool: str) -> str:
    """Return the command that lets nginx's container in at that port of the Docker host, and nobody else; or empty."""
    box, fields = container_of(case.snapshot, block.failing_address.nginx.node), block.hit.packet.fields
    bridge, port = fields.get("iif", ""), block.failing_address.endpoint.port
    subnets = dict(box.subnets) if box is not None else {}
    names = [name for name, device in (box.bridges if box is not None else ()) if device == bridge]
    subnet = next((subnets[name] for name in names if name in subnets), "")
    command = _TOOL_RULES.get(tool, "") if block.is_to_docker_host and bridge else ""
    if not command or ("{subnet}" in command and not subnet):
        return ""
    family = "ipv6" if ":" in subnet else "ipv4"
    return (f"{tool} created this rule and would add it again. On the Docker host, add one rule for this network and "
            f"port: {command.format(bridge=bridge, port=port, subnet=subnet, family=family)}")


def _filter_container(snapshot: Snapshot, block: FilterMatch) -> Container | None:
    """Return the container whose network the filter belongs to; None for a machine's."""
    box = container_of(snapshot, block.node)
    return box if box is not None and not box.is_machine else None


def _rule_writing_container(case: Case, block: FilterMatch) -> Container | None:
    """Return who may have written the rule from inside: that container, or one in its network."""
    box = _filter_container(case.snapshot, block)
    every = () if box is None else (s.container for s in case.snapshot.services if s.container is not None)
    mine = [other for other in every if box is not None and box.id in (other.id, other.lender)]
    return next((other for other in (box, *mine) if other is not None and other.net_admin), None)


def _is_only_about_nginx(block: FilterMatch, rule: Rule) -> bool:
    """Return whether no other client gets in without the rule: the port is exact, and only this machine can come."""
    endpoint, fields = block.failing_address.endpoint, block.hit.packet.fields
    ports = [m.values for m in rule.matches if m.key in ("dport", "sport") and not m.negated]
    special = any(m.key in ("flags", "length", "any-flag", "skuid") for m in rule.matches)
    if rule.verdict not in ("drop", "reject") or not (ports or special):
        return False
    if any(values != (str(endpoint.port),) for values in ports) or _has_account_exceptions(block, rule):
        return False
    hook, held = block.hit.packet.hook, listener_at(endpoint)
    if block.node != block.failing_address.nginx.node and block.node == endpoint.node:
        return False            # the backend's own side: without the rule all others on its networks come in too
    inward = any(m.key == "iif" and m.values == ("lo",) and not m.negated for m in rule.matches)
    own = {fields.get("saddr", ""), fields.get("daddr", "")}
    narrow = any(m.key in ("saddr", "daddr") and not m.negated and len(m.values) == 1
                 and m.values[0].removesuffix("/32") in own for m in rule.matches)
    if hook == "forward":           # without it, every other client of the container gets in too
        return any(m.key == "saddr" and m.values[0].removesuffix("/32") in own and not m.negated
                   for m in rule.matches) or _is_on_bridge_only(rule, fields)
    only_here = bool(ports) and held is not None and is_loopback(held.address)
    return hook in ("output", "postrouting") or inward or only_here or (
        narrow and is_loopback(fields.get("daddr", "").partition("/")[0]))


def _has_account_exceptions(block: FilterMatch, rule: Rule) -> bool:
    """Return whether earlier rules name the accounts that may pass: without this rule, all accounts might."""
    return any(before.index < rule.index and before.verdict in ("accept", "return") and m.key == "skuid"
               for before in block.hit.chain.rules for m in before.matches)


def _is_on_bridge_only(rule: Rule, fields: Mapping[MatchKey, str]) -> bool:
    """Return whether the rule concerns nginx's own network only: an accept before it would admit the same packets."""
    ways = [m for m in rule.matches if m.key in ("iif", "oif")]
    return len(ways) == 2 and all(not m.negated and m.values == (fields.get(m.key),) for m in ways)


def _remove_rule_repair(case: Case, block: FilterMatch, rule: Rule) -> Repair:
    chain = block.hit.chain
    steps: list[Step] = []
    edit = _boot_file_edit(case.snapshot, block, rule)
    if isinstance(edit, str):
        return Repair("remove-rule", "manual", f"delete the rule {rule.text}", (), manual=edit)
    if edit is not None:
        steps.append(edit)
    steps.append(ChangeRule(block.node, chain.tool, chain.family, chain.table, chain.name, "remove", rule.text,
                            rule.index, chain.texts, *_container_name_and_id(case, block)))
    lasting = f", and from {edit.display_path or edit.path}" if edit is not None else ""
    summary = f"delete the rule from {chain.title}{lasting}: {rule.text}"
    return Repair("remove-rule", "disruptive", summary, tuple(steps))


def _allow_connection_repair(case: Case, block: FilterMatch) -> Repair:
    """Return a repair with a rule before it that accepts exactly this connection and opens nothing to others."""
    chain, rule = block.hit.chain, block.hit.rule
    text = _accept_rule_text(case, block)
    index = len(chain.texts) if rule is None else rule.index
    steps: list[Step] = []
    if rule is not None:
        edit = _boot_file_edit(case.snapshot, block, rule, before=text)
        if isinstance(edit, str):
            manual = f"insert before that rule: {text}; {edit}"
            return Repair("allow-connection", "manual", f"add the rule {text}", (), manual=manual)
        if edit is not None:
            steps.append(edit)
    elif _boot_files(case.snapshot, block):
        where = ", ".join(path for path, _ in _boot_files(case.snapshot, block))
        manual = f"add this rule to {chain.title}, and to {where}, which loads it at boot: {text}"
        return Repair("allow-connection", "manual", f"add the rule {text}", (), manual=manual)
    steps.append(ChangeRule(block.node, chain.tool, chain.family, chain.table, chain.name, "add", text, index,
                            chain.texts, *_container_name_and_id(case, block)))
    summary = f"accept nginx's own connection in {chain.title}: {text}"
    return Repair("allow-connection", "disruptive", summary, tuple(steps))


def _container_name_and_id(case: Case, block: FilterMatch) -> tuple[str, str]:
    box = _filter_container(case.snapshot, block)
    return (box.name, box.id) if box is not None else ("", "")


def _shared_subnet(case: Case, block: FilterMatch) -> str:
    """Return the subnet that both containers share: either, if recreated, may get another address of it."""
    mine = container_of(case.snapshot, block.failing_address.nginx.node)
    theirs = container_of(case.snapshot, block.failing_address.endpoint.node or "")
    if mine is None or theirs is None or _filter_container(case.snapshot, block) is None:
        return ""
    shared = {name for name, _, _ in theirs.networks}
    return next((subnet for name, subnet in mine.subnets if name in shared), "")


def _accept_rule_text(case: Case, block: FilterMatch) -> str:
    chain, fields = block.hit.chain, block.hit.packet.fields
    sport = "sport" in fields
    port, address = fields["sport" if sport else "dport"], fields["saddr" if sport else "daddr"]
    other = fields.get("daddr" if sport else "saddr", "")
    if block.node == ENGINE and ("iif" in fields or "oif" in fields):
        # a recreated container may get another address: name only one that the rule itself uses
        named = {m.key for m in block.hit.rule.matches} if block.hit.rule is not None else set()
        address = address if ("saddr" if sport else "daddr") in named else ""
        other = other if ("daddr" if sport else "saddr") in named else ""
    network = _shared_subnet(case, block)
    if network:
        address, other = (network, "") if block.node == block.failing_address.nginx.node else ("", network)
    owner = fields.get("skuid", "") if _has_account_rule(block) else ""       # only nginx's account may pass
    keys: tuple[MatchKey, ...] = ("iif", "oif")
    device = [(key, fields[key]) for key in keys if key in fields and not network]
    if chain.tool == "nft":
        ip = "ip6" if ":" in address else "ip"
        parts = [f'{key}name "{name}"' for key, name in device]
        if address:
            parts.append(f"{ip} {'saddr' if sport else 'daddr'} {address}")
        if other and not device:
            parts.append(f"{ip} {'daddr' if sport else 'saddr'} {other}")
        parts.append(f"tcp {'sport' if sport else 'dport'} {port}")
        return " ".join([*parts, *([f"meta skuid {owner}"] if owner else []), "accept"])
    source, target = (_with_prefix_length(word) for word in ((address, other) if sport else (other, address)))
    parts = [f"-s {source}"] if source else []
    parts += [f"-d {target}"] if target else []
    parts += [f"-{key[0]} {name}" for key, name in device]
    parts.append(f"-p tcp -m tcp --{'sport' if sport else 'dport'} {port}")
    return " ".join([*parts, *([f"-m owner --uid-owner {owner}"] if owner else []), "-j ACCEPT"])


def _with_prefix_length(address: str) -> str:
    return address if not address or "/" in address else f"{address}/{128 if ':' in address else 32}"


def _has_account_rule(block: FilterMatch) -> bool:
    """Return whether the rule, or an earlier one of the same chain, lets only some accounts pass."""
    end = block.hit.rule.index if block.hit.rule is not None else math.inf
    return any(m.key == "skuid" for rule in block.hit.chain.rules if rule.index <= end for m in rule.matches)


_BOOT_FILES = {
    "nft": ("/etc/nftables.conf", "/etc/sysconfig/nftables.conf"),
    "iptables": ("/etc/iptables/rules.v4", "/etc/sysconfig/iptables"),
    "ip6tables": ("/etc/iptables/rules.v6", "/etc/sysconfig/ip6tables"),
}


def _boot_files(snapshot: Snapshot, block: FilterMatch) -> list[tuple[str, bytes]]:
    """Return the files that fill this chain at boot."""
    chain = block.hit.chain
    mark = chain.name.encode() if chain.tool != "nft" else chain.table.encode()
    found = [(path, snapshot.file(block.node, path)) for path in _BOOT_FILES[chain.tool]]
    word = re.compile(rb"\b" + re.escape(mark))
    return [(path, file.data) for path, file in found if file is not None and word.search(file.data)]


def _boot_file_edit(snapshot: Snapshot, block: FilterMatch, rule: Rule, before: str = "") -> WriteFile | str | None:
    """Return the edit of the file that loads the rule at boot: remove its line, or insert another before it.

    None if no such file names the rule; a text if it is unclear which line it is, or whether it is this rule.
    """
    chain = block.hit.chain
    for path, data in _boot_files(snapshot, block):
        lines = data.split(b"\n")
        texts = [_replace_account_names(snapshot, block, line.decode("utf-8", "replace")) for line in lines]
        hits = [n for n, text in enumerate(texts) if _is_same_rule(text, rule.text, chain)]
        if not hits:
            like = next((n for n, text in enumerate(texts) if _can_be_same_rule(text, rule, block)), None)
            if like is not None:
                found = " ".join(lines[like].decode("utf-8", "replace").split())
                return f"{path}:{like + 1} may load the rule at boot: change it there too ({found})"
            continue
        if len(hits) > 1:
            numbers = ", ".join(str(n + 1) for n in hits)
            return f"{path} contains the rule on lines {numbers}: an operator must choose the right one"
        place = locate_editable_file(snapshot, block.node, path)
        if isinstance(place, NotEditable):
            return f"{path} loads the rule at boot and cannot be edited here"
        at = hits[0]
        indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
        own = before if chain.tool == "nft" else f"-A {chain.name} {before}"
        changed = [*lines[:at], *([indent + own.encode(), lines[at]] if before else []), *lines[at + 1:]]
        return WriteFile(place.node, place.path, place.data, b"\n".join(changed), f"the rule in {path}",
                         in_place=place.in_place, display_path=place.path)
    return None


def _is_same_rule(line: str, text: str, chain: Chain) -> bool:
    """Return whether a line of a file is this rule as its tool prints it, apart from spacing, quotes and counters."""
    if chain.tool != "nft":
        return _normalize_rule(line) == _normalize_rule(f"-A {chain.name} {text}")
    return bool(line.strip()) and _normalize_rule(line) == _normalize_rule(text)


_SKUID = regex(r"(\bskuid\s+(?:!=\s*)?)(\"?[A-Za-z_][\w.-]*\"?|\{[^{}]*\})")
_ACCOUNT_NAME = regex(r"\"?\b([A-Za-z_][\w.-]*)\b\"?")


def _replace_account_names(snapshot: Snapshot, block: FilterMatch, line: str) -> str:
    """Return the line of a file as the kernel lists it: accounts by their numbers."""
    if block.hit.chain.tool != "nft" or "skuid" not in line:
        return line

    ids = {row[0]: row[2] for row in read_account_file(snapshot, block.node, "/etc/passwd") if len(row) > 2}
    return _SKUID.sub(lambda m: m[1] + _ACCOUNT_NAME.sub(lambda name: ids.get(name[1], name[0]), m[2]), line)


def _can_be_same_rule(line: str, rule: Rule, block: FilterMatch) -> bool:
    """Return whether a rule of a file does the same to the same port or account, written in another way than nft's."""
    text = line.strip()
    if block.hit.chain.tool != "nft" or text.startswith("#") or not re.search(rf"\b{rule.verdict}\b", text):
        return False
    keys = {m.key for m in rule.matches}
    if keys & {"dport", "sport"}:
        port = block.failing_address.endpoint.port
        named = [(int(m[1]), int(m[2] or m[1])) for m in _PORT_RANGE.finditer(text)]
        return bool(_PORT_WORD.search(text)) and (
            any(low <= port <= high for low, high in named) or "$" in text or "@" in text)
    return "skuid" in keys and "skuid" in text


_PORT_WORD = regex(r"\b[ds]port\b")
_LINK_NAME = regex(r"(?:iif|oif)name\b")
_META = regex(r"\bmeta (?=skuid\b)")
_SET = regex(r"(?<=\{)[^{}]+(?=\})")
_SET_SIGN = regex(r" ?([{},]) ?")
_PORT_RANGE = regex(r"(?<![\w.:/])(\d{1,5})(?:-(\d{1,5}))?(?![\w.:/])")
_NOISE = regex(r"\bpackets \d+ bytes \d+|^\s*\[\d+:\d+\]|[\"']|;\s*$|"
                    r"(?<=[{}, ])\s+|(?<!\s)\s+(?=[{},])|(?<!\S)#(?s:.*)")


def _normalize_rule(text: str) -> str:
    """Return the text with single spaces, and none around braces and commas."""
    text = _NOISE.sub("", text.strip())
    text = _LINK_NAME.sub(lambda m: m[0][:3], text)
    text = _META.sub("", text)
    text = _SET.sub(lambda m: ",".join(sorted(w.strip() for w in m[0].split(","))), text)
    return _SET_SIGN.sub(r"\1", " ".join(text.split())).strip()
