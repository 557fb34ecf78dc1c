"""Packet filter rules, parsed from `nft -j list ruleset`, `nft -a list ruleset` and `iptables-save`. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fixer.formats.numbers import is_number
from fixer.formats.start_files import ACCOUNT_FILES
from fixer.lazy.dataclass import replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.facts import Fact, Known, Unknown
from fixer.model.firewall import Chain, Firewall, Match, MatchKey, Rule, RuleVerdict, Tool
from fixer.model.query import Answer, Command, Query, ReadFile
from fixer.observe.view.node_view import View

with lazy_imports():
    import shlex  # only iptables-save needs it

NFT_JSON, NFT_TEXT = Command("nft-rules"), Command("nft-text")
SAVE_COMMANDS: Mapping[Tool, Command] = {"iptables": Command("iptables-rules"), "ip6tables": Command("ip6tables-rules")}
RULE_FILES = (
    "/etc/nftables.conf", "/etc/sysconfig/nftables.conf", "/etc/iptables/rules.v4", "/etc/iptables/rules.v6",
    "/etc/sysconfig/iptables", "/etc/sysconfig/ip6tables",
)
BRIDGE_FILTERING = ReadFile("/proc/sys/net/bridge/bridge-nf-call-iptables", 64)
_LEGACY = b"-legacy tables present"      # warning of the iptables tools that write to nft
_FAMILIES = frozenset({"inet", "ip", "ip6"})
_RULE_COUNTER = regex(r"\bcounter packets (\d+) bytes \d+")
_RULE_HANDLE = regex(r"^(.*?)(?<!\s)\s+# handle (\d{1,18})$")
_PRIORITIES = {"raw": -300, "mangle": -150, "filter": 0, "security": 50}
_PORT_REJECTS = frozenset({"", "port-unreachable", "icmp-port-unreachable", "icmp6-port-unreachable"})


def firewall_queries() -> tuple[Query, ...]:
    """Return the queries for a suspected packet filter; a node without the tools answers at once."""
    return (NFT_JSON, NFT_TEXT, *SAVE_COMMANDS.values(),
            *(ReadFile(path, 1 << 18) for path in (*RULE_FILES, ACCOUNT_FILES[0])))


def firewall_of(view: View) -> Fact[Firewall]:
    """Return the node's packet filters; Unknown if not asked or no tool could read them."""
    answers = view.node.answers
    if NFT_JSON not in answers:
        return Unknown("not asked")
    chains: list[Chain] = []
    failed: list[str] = []
    tools, unread = 0, ""
    for tool, query in SAVE_COMMANDS.items():
        answer = answers.get(query)
        if answer is not None and _LEGACY in answer.stderr:
            unread = f"only {tool}-legacy-save shows some rules"
        if answer is not None and answer.status == "ok":
            tools += 1
            chains += parse_saved(answer.data.decode("utf-8", "replace"), tool)
        elif answer is not None and answer.status != "no-tool":
            failed.append(_failure_reason(answer))
    nft = answers[NFT_JSON]
    if nft.status == "ok":
        tools += 1
        text = answers.get(NFT_TEXT)
        texts = parse_rule_texts(text.data.decode("utf-8", "replace") if text is not None else "")
        read = parse_nft(nft.data, texts)
        if read is None:
            failed.append("the output of nft cannot be parsed")
        own = _tables_filled_by_nft(read or (), chains)
        chains = [c for c in chains if (c.family, c.table) not in own]
        theirs = {(c.family, c.table, c.name) for c in chains}
        chains += [c for c in read or () if (c.family, c.table, c.name) not in theirs]
    elif nft.status != "no-tool":
        failed.append(_failure_reason(nft))
    if failed:
        return Unknown(failed[0])
    return Known(Firewall(tuple(chains), unread)) if tools else Unknown("neither nft nor iptables is installed there")


def _tables_filled_by_nft(read: Iterable[Chain], saved: Iterable[Chain]) -> set[tuple[str, str]]:
    """Return tables with a name of iptables that nft filled itself: a rule has no counter or is shown in part.
    iptables-save knows no sets: the rule that it prints then matches far more."""
    shown = {(c.family, c.table, c.name): c for c in saved}
    found: set[tuple[str, str]] = set()
    for chain in read:
        like = shown.get((chain.family, chain.table, chain.name))
        if like is None or any(m.key == "other" for rule in chain.rules for m in rule.matches):
            continue
        parts = {rule.index: {m.key for m in rule.matches} for rule in like.rules}
        if any(rule.packets is None or not {m.key for m in rule.matches} - {"family"} <= parts.get(rule.index, set())
               for rule in chain.rules):
            found.add((chain.family, chain.table))
    return found


def _failure_reason(answer: Answer) -> str:
    said = answer.stderr.decode("utf-8", "replace").strip().splitlines()
    return said[0][:120] if said else answer.message or answer.status


def parse_rule_texts(text: str) -> dict[tuple[str, str, str, int], str]:
    """Return (family, table, chain, handle) -> rule text, from `nft -a list ruleset`."""
    found: dict[tuple[str, str, str, int], str] = {}
    family = table = chain = ""
    for raw in text.splitlines():
        match = _RULE_HANDLE.match(raw.strip())
        words = raw.split()
        if words[:1] == ["table"] and len(words) >= 3:
            family, table, chain = words[1], words[2], ""
        elif words[:1] == ["chain"] and len(words) >= 2:
            chain = words[1]
        elif words[:1] in (["set"], ["map"], ["flowtable"]):
            chain = ""
        elif match is not None and chain:
            found[family, table, chain, int(match[2])] = _RULE_COUNTER.sub("counter", match[1])
    return found


def parse_nft(data: bytes, texts: Mapping[tuple[str, str, str, int], str]) -> tuple[Chain, ...] | None:
    """Return the chains of `nft -j list ruleset`; None if it is not a ruleset. An empty ruleset is not None."""
    try:
        return tuple(_nft_chains(json.loads(data)["nftables"], texts))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, StopIteration, RuntimeError, OverflowError):
        return None


def _nft_chains(listed: Any, texts: Mapping[tuple[str, str, str, int], str]) -> Iterator[Chain]:
    items = [item for item in listed if isinstance(item, dict)]
    named = [made for item in items for kind in ("set", "map") if (made := item.get(kind))]
    sets = {(made["family"], made["table"], made["name"]): made.get("elem", ()) for made in named}
    rules: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for item in items:
        if rule := item.get("rule"):
            rules.setdefault((rule["family"], rule["table"], rule["chain"]), []).append(rule)
    for item in items:
        chain = item.get("chain")
        if not chain or chain["family"] not in _FAMILIES or chain.get("type") == "nat":
            continue
        family, table, name = chain["family"], chain["table"], chain["name"]
        made = [
            rule for index, one in enumerate(rules.get((family, table, name), ()))
            for rule in _nft_rules(one, index, texts.get((family, table, name, one["handle"]), ""), sets)
        ]
        yield Chain("nft", family, table, name, chain.get("hook", ""), int(chain.get("prio", 0)),
                    chain.get("policy", "accept"), tuple(made))


def _nft_rules(rule: dict[str, Any], index: int, text: str, sets: Mapping[tuple[str, str, str], Any]) -> Iterator[Rule]:
    matches: list[Match] = []
    packets: int | None = None
    where = rule["family"], rule["table"]
    made = Rule(rule["handle"], index, text or json.dumps(rule.get("expr")), (), "none")
    for expression in rule.get("expr", ()):
        name, body = next(iter(expression.items()))
        match name:
            case "match":
                matches += _nft_match(body, where, sets)
            case "counter":
                packets = body.get("packets") if isinstance(body, dict) else None
            case "accept" | "drop" | "return":
                yield replace(made, matches=tuple(matches), packets=packets, verdict=name)
                return
            case "jump" | "goto":
                yield replace(made, matches=tuple(matches), packets=packets, verdict=name, target=body["target"])
                return
            case "reject":
                yield replace(made, matches=tuple(matches), packets=packets, verdict="reject", reject=_nft_reject(body))
                return
            case "vmap":
                yield from _verdict_map(replace(made, packets=packets, is_complete=False), matches, body, where, sets)
            case "log" | "mangle" | "continue" | "notrack" | "flow" | "masquerade" | "snat" | "dnat" | "redirect":
                pass
            case _:
                matches.append(Match("other"))
    yield replace(made, matches=tuple(matches), packets=packets)


def _nft_reject(body: Any) -> str:
    if not isinstance(body, dict):
        return "port"
    word = str(body.get("expr", ""))
    return "reset" if body.get("type") == "tcp reset" else "port" if word in _PORT_REJECTS else word


def _verdict_map(made: Rule, matches: list[Match], body: Any, where: tuple[str, str],
                 sets: Mapping[tuple[str, str, str], Any]) -> Iterator[Rule]:
    data = body.get("data")
    if isinstance(data, str):
        data = {"set": sets.get((*where, data.lstrip("@")), ())}
    for pair in data.get("set", ()) if isinstance(data, dict) else ():
        if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[1], dict):
            continue
        name, target = next(iter(pair[1].items()))
        verdict: RuleVerdict = name if name in ("accept", "drop", "return", "jump", "goto") else "none"
        more = _nft_match({"op": "==", "left": body.get("key"), "right": pair[0]}, where, sets)
        yield replace(made, matches=(*matches, *more), verdict=verdict,
                      target=target["target"] if isinstance(target, dict) else "")


_META: Mapping[str, MatchKey] = {
    "iif": "iif", "iifname": "iif", "oif": "oif", "oifname": "oif", "skuid": "skuid", "length": "length",
    "l4proto": "proto", "nfproto": "family",
}


def _nft_match(body: dict[str, Any], where: tuple[str, str], sets: Mapping[tuple[str, str, str], Any]) -> list[Match]:
    left, right, op = body.get("left"), body.get("right"), body.get("op")
    negated = op == "!="
    if not isinstance(left, dict):
        return [Match("other")]
    if isinstance(right, str) and right.startswith("@"):
        right = {"set": sets.get((*where, right[1:]), [])}
    if "&" in left and isinstance(left["&"], list) and _payload_field(left["&"][0]) == ("tcp", "flags"):
        flags = ",".join(_expression_values(left["&"][1])), ",".join(_expression_values(right))
        return [Match("proto", ("tcp",)), Match("flags", flags, negated)]
    field = _payload_field(left)
    values = tuple(_expression_values(right))
    if op in ("<", ">", "<=", ">=") and len(values) == 1 and is_number(values[0]):
        values = (_range_text(op, int(values[0])),)
    elif op not in ("==", "!=", "in"):
        return [Match("other")]
    return _matches_of_field(field, values, left, negated=negated)


def _matches_of_field(field: tuple[str, str], values: tuple[str, ...], left: dict[str, Any], *,
                      negated: bool) -> list[Match]:
    protocol, name = field
    if protocol in ("tcp", "udp", "th", "sctp", "udplite", "dccp") and name in ("dport", "sport"):
        own = [] if protocol == "th" else [Match("proto", (protocol,))]
        return [*own, Match("dport" if name == "dport" else "sport", values, negated)]
    if field == ("tcp", "flags"):
        return [Match("proto", ("tcp",)), Match("any-flag", values, negated)]
    if protocol in ("ip", "ip6") and name in ("saddr", "daddr"):
        return [Match("family", ("ipv6" if protocol == "ip6" else "ipv4",)),
                Match("saddr" if name == "saddr" else "daddr", values, negated)]
    if field in (("ip", "protocol"), ("ip6", "nexthdr")):
        return [Match("proto", values, negated)]
    if protocol in ("icmp", "icmpv6", "arp"):
        return [Match("proto", (protocol,))]
    meta, state = left.get("meta"), left.get("ct")
    if isinstance(meta, dict) and meta.get("key") in _META:
        return [Match(_META[meta["key"]], values, negated)]
    if isinstance(state, dict) and state.get("key") == "state":
        return [Match("state", values, negated)]
    return [Match("other")]


def _payload_field(left: Any) -> tuple[str, str]:
    payload = left.get("payload") if isinstance(left, dict) else None
    return (str(payload.get("protocol")), str(payload.get("field"))) if isinstance(payload, dict) else ("", "")


def _expression_values(value: Any) -> Iterator[str]:
    """Yield the values of a right-hand side: scalars, lists, sets, networks, ranges."""
    if isinstance(value, dict):
        if "set" in value:
            yield from _expression_values(list(value["set"]))
        elif "prefix" in value:
            yield f"{value['prefix']['addr']}/{value['prefix']['len']}"
        elif "range" in value:
            yield "-".join(str(end) for end in value["range"])
        elif "elem" in value:
            yield from _expression_values(value["elem"].get("val"))
        else:
            yield "?"
    elif isinstance(value, list):
        for one in value:
            yield from _expression_values(one)
    else:
        yield str(value)


def _range_text(op: str, number: int) -> str:
    match op:
        case "<":
            return f"0-{number - 1}"
        case "<=":
            return f"0-{number}"
        case ">":
            return f"{number + 1}-4294967295"
        case _:
            return f"{number}-4294967295"


def parse_saved(text: str, tool: Tool) -> Iterator[Chain]:
    """Yield the chains of `iptables-save -c`."""
    table = ""
    chains: dict[str, str] = {}
    rules: dict[str, list[Rule]] = {}
    for line in text.splitlines():
        if line.startswith("*"):
            table, chains, rules = line[1:].strip(), {}, {}
        elif line.startswith(":"):
            words = line[1:].split() or [""]
            chains[words[0]] = words[1] if len(words) > 1 else "-"
        elif line.startswith(("-A ", "[")):
            count, _, rest = line.partition("] ") if line.startswith("[") else ("", "", line)
            words = rest.split(None, 2)
            if len(words) >= 2 and words[0] == "-A":
                own = rules.setdefault(words[1], [])
                packets = count[1:].partition(":")[0]
                own.append(_saved_rule("".join(words[2:]), len(own), int(packets) if is_number(packets) else None))
        elif line.startswith("COMMIT") and table in _PRIORITIES:
            family = "ip" if tool == "iptables" else "ip6"
            for name, policy in chains.items():
                hook = name.lower() if policy != "-" else ""
                yield Chain(tool, family, table, name, hook, _PRIORITIES[table], policy.lower().replace("-", ""),
                            tuple(rules.get(name, ())))


_OPTIONS: Mapping[str, MatchKey] = {
    "-s": "saddr", "-d": "daddr", "-i": "iif", "-o": "oif", "-p": "proto", "--dport": "dport", "--sport": "sport",
    "--dports": "dport", "--sports": "sport", "--ctstate": "state", "--state": "state", "--length": "length",
    "--uid-owner": "skuid",
}
_IGNORED_OPTIONS = frozenset({"-m", "--comment"})


def _saved_rule(text: str, index: int, packets: int | None) -> Rule:
    try:
        words = shlex.split(text)
    except ValueError:
        return Rule(0, index, text, (Match("other"),), "unknown")
    matches: list[Match] = []
    verdict: RuleVerdict = "none"
    target = reject = ""
    negated, at = False, 0
    while at < len(words):
        word, at = words[at], at + 1
        if word == "!":
            negated = True
            continue
        arguments = list(_option_arguments(words, at))
        first = arguments[0] if arguments else ""
        at += len(arguments)
        if word in ("-j", "-g"):
            verdict, target, reject = _parse_target(word, first, words)
            at = len(words)
        elif word == "--tcp-flags" and len(arguments) == 2:
            wanted = "" if arguments[1] == "NONE" else arguments[1].lower()
            matches.append(Match("flags", (arguments[0].lower(), wanted), negated))
        elif word in _OPTIONS:
            matches.append(Match(_OPTIONS[word], tuple(_option_values(word, first)), negated))
        elif word not in _IGNORED_OPTIONS:
            matches.append(Match("other"))
        negated = False
    return Rule(0, index, text, tuple(matches), verdict, target, reject, packets)


def _option_values(word: str, text: str) -> Iterator[str]:
    for value in text.split(","):
        if word in ("-i", "-o"):
            yield value
        else:
            yield value.lower().replace(":", "-") if _OPTIONS[word] in ("dport", "sport", "length") else value.lower()


def _option_arguments(words: list[str], at: int) -> Iterable[str]:
    while at < len(words) and words[at] != "!" and not (words[at].startswith("-") and len(words[at]) > 1):
        yield words[at]
        at += 1


def _parse_target(word: str, name: str, words: list[str]) -> tuple[RuleVerdict, str, str]:
    simple: Mapping[str, RuleVerdict] = {"ACCEPT": "accept", "DROP": "drop", "RETURN": "return"}
    if name in simple:
        return simple[name], "", ""
    if name == "REJECT":
        how = words[words.index("--reject-with") + 1] if "--reject-with" in words[:-1] else ""
        return "reject", "", "reset" if how == "tcp-reset" else "port" if how in _PORT_REJECTS else how
    if name in ("LOG", "NFLOG", "MARK", "CONNMARK", "TCPMSS", "TRACE", "CT", "DSCP", "CHECKSUM", "CLASSIFY", "NOTRACK"):
        return "none", "", ""
    if name.isupper() and name.startswith(("NFQUEUE", "TPROXY", "SYNPROXY", "QUEUE", "HMARK", "TARPIT")):
        return "unknown", "", ""
    return ("goto" if word == "-g" else "jump"), name, ""


def engine_firewall(view: View | None) -> Fact[Firewall]:
    """Return the Docker host's packet filters; an empty firewall if bridge traffic is not filtered."""
    if view is None:
        return Unknown("there is no Docker host to observe")
    bridged = view.data(BRIDGE_FILTERING.path)
    return Known(Firewall()) if bridged is not None and bridged.strip() == b"0" else firewall_of(view)
