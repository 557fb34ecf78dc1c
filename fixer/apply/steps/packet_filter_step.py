"""Steps on packet filter rules: remove or insert at an index, and restore the chain."""

from __future__ import annotations

import shlex

from fixer.apply.steps.node_access import Runner, error_text, run_or_fail
from fixer.errors import Conflict, StepFailed
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.model.plan import ChangeRule

_COUNTS = regex(r"\bcounter packets \d+ bytes \d+")
_HANDLE = regex(r"^(.*?)(?<!\s)\s+# handle (\d+)$")


@dataclass(frozen=True, slots=True)
class _PresentRule:
    """A rule as the chain holds it now; `handle` is 0 with iptables."""

    text: str
    handle: int


def change_rule(step: ChangeRule, runner: Runner) -> None:
    """Change the chain, and check it. Raise Conflict if it differs from the plan."""
    if _rule_texts(_read_rules(step, runner)) != list(step.before):
        raise Conflict(f"{_chain_text(step)} has changed since the plan", "diagnose again")
    if step.action == "remove":
        _delete_rule(step, runner, step.index)
    else:
        _insert_rule(step, runner, step.index)
    if _rule_texts(_read_rules(step, runner)) != _rules_after(step):
        raise StepFailed(f"{_chain_text(step)} does not contain the planned rules after the change")


def undo_rule(step: ChangeRule, runner: Runner) -> str:
    """Restore the chain; if it has changed since (a reboot, other people), put the rule next to its old neighbour."""
    try:
        now = _rule_texts(_read_rules(step, runner))
    except StepFailed as error:
        if step.action == "add":
            return ""  # the chain is missing, and our rule with it
        if "No such file or directory" in error.message or "No chain" in error.message:
            raise Conflict(f"{_chain_text(step)} is missing, as after a restart or a flush; the present filter was "
                           f"left unchanged, and this rule was not restored: {step.rule}") from error
        raise
    if now == list(step.before):
        return ""
    if step.action == "add":
        if step.rule not in now:
            return ""
        _delete_rule(step, runner, now.index(step.rule))
        return f"removed the rule from {_chain_text(step)} again"
    if now.count(step.rule) >= list(step.before).count(step.rule):
        return ""  # it is restored already
    _insert_rule(step, runner, _old_index(step, now))
    return f"restored the rule in {_chain_text(step)}"


def _rules_after(step: ChangeRule) -> list[str]:
    rules = list(step.before)
    if step.action == "remove":
        del rules[step.index]
    else:
        rules.insert(step.index, step.rule)
    return rules


def _old_index(step: ChangeRule, now: list[str]) -> int:
    """Return the rule's old index: after the nearest earlier rule that still exists, else before the next one."""
    before, behind = step.before[:step.index], step.before[step.index + 1:]
    for rule in reversed(before):
        if rule in now:
            return now.index(rule) + 1
    for rule in behind:
        if rule in now:
            return now.index(rule)
    if now and (before or behind):
        raise Conflict(f"{_chain_text(step)} contains other rules now; this one was not restored: {step.rule}")
    return 0


def _chain_text(step: ChangeRule) -> str:
    return f"{step.tool} {step.table} {step.chain}"


def _read_rules(step: ChangeRule, runner: Runner) -> list[_PresentRule]:
    if step.tool == "nft":
        words = ["nft", "-a", "list", "chain", step.family, step.table, step.chain]
        return _parse_nft_rules(run_or_fail(runner, words, f"list {_chain_text(step)}").stdout.decode("utf-8",
                                                                                                      "replace"))
    words = [step.tool, "-w", "5", "-t", step.table, "-S", step.chain]
    text = run_or_fail(runner, words, f"list {_chain_text(step)}").stdout.decode("utf-8", "replace")
    start = f"-A {step.chain} "
    return [_PresentRule(line[len(start):], 0) for line in text.splitlines() if line.startswith(start)]


def _parse_nft_rules(text: str) -> list[_PresentRule]:
    found = [_HANDLE.match(line.strip()) for line in text.splitlines()]
    return [_PresentRule(_COUNTS.sub("counter", m[1]), int(m[2])) for m in found
            if m is not None and not m[1].startswith(("table ", "chain "))]


def _rule_texts(rules: list[_PresentRule]) -> list[str]:
    return [rule.text for rule in rules]


def _delete_rule(step: ChangeRule, runner: Runner, index: int) -> None:
    if step.tool == "nft":
        handle = _read_rules(step, runner)[index].handle
        words = ["nft", "delete", "rule", step.family, step.table, step.chain, "handle", str(handle)]
    else:
        words = [step.tool, "-w", "5", "-t", step.table, "-D", step.chain, str(index + 1)]
    run_or_fail(runner, words, f"delete the rule from {_chain_text(step)}")


def _insert_rule(step: ChangeRule, runner: Runner, index: int) -> None:
    what = f"insert the rule into {_chain_text(step)}"
    if step.tool != "nft":
        words = [step.tool, "-w", "5", "-t", step.table, "-I", step.chain, str(index + 1), *shlex.split(step.rule)]
        run_or_fail(runner, words, what)
        return
    place = f"{step.family} {step.table} {step.chain}"
    rules = _read_rules(step, runner)
    behind = f"add rule {place} handle {rules[index - 1].handle}" if index else f"insert rule {place}"
    command = f"{behind} {step.rule}"
    result = runner.run(["nft", "-f", "-"], stdin=command.encode() + b"\n")
    if result.returncode != 0:
        raise StepFailed(f"could not {what}: {error_text(result)}")
