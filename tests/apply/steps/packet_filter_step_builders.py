"""What the tests of fixer/apply/steps/packet_filter_step.py and others are built of."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.model.plan import ChangeRule

RULES = ("-p tcp -m tcp --dport 22 -j ACCEPT", "-p tcp -m tcp --dport 8000 -m comment --comment \"a b\" -j DROP",
         "-p icmp -j ACCEPT")
NFT = ("tcp dport 22 accept", 'tcp dport 8000 counter drop comment "a b"', "icmp type echo-request accept")


def step(action: str, rule: str, index: int, before: Sequence[str] = RULES, **more: str) -> ChangeRule:
    made = {"tool": "iptables", "family": "ip", "table": "filter", "chain": "INPUT", **more}
    return ChangeRule("local", action=action, rule=rule, index=index, before=tuple(before), **made)  # type: ignore[arg-type]
