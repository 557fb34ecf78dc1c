"""Which draws a class may have: closed machines of people who do not trust each other. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lab.errors import UsageError
from lab.scenario.catalog import Choice, Wish, choose
from lab.scenario.deployment_fields import Deployment
from lab.scenario.draw import draw
from lab.scenario.scenario_file import Stack, Variant

STACK: Stack = "host"  # on the other one a repair needs the engine, and whoever has the engine has its host
_TRIES = 300  # draws in a row that do not fit
# SYS_ADMIN can mount, BPF and SYSLOG show what the host's kernel does for everybody
_BARRED_RIGHTS = ("SYS_ADMIN", "BPF", "SYSLOG")
_HOST_STEPS = ("engine_rule", "docker", "compose")  # steps that act on the engine, beside the machine


def why_barred(drawn: Deployment, variant: Variant) -> str:
    """Return why a class cannot have this draw; empty if it can."""
    rights = [right for right in drawn.capabilities.split(", ") if right in _BARRED_RIGHTS]
    if rights:
        return f"its machine needs {rights[0]}"
    if drawn.own_mounts:
        return "its machine mounts"
    if "host" in (drawn.web_network, drawn.backend_network):
        return "a part of it is in the Docker host's network"
    steps = (*variant.steps_on(STACK), *variant.by_hand_on(STACK), *variant.again_on(STACK))
    if kinds := [kind for kind in _HOST_STEPS if any(kind in step for step in steps)]:
        return "it has a rule in the Docker host's packet filter" if kinds[0] == "engine_rule" else (
            "a step of it is a command of the Docker host")
    return ""


def fitting_draws(word: str, wish: Wish, seeds: Iterator[int], noise: int = 0) -> Iterator[tuple[int, Choice]]:
    """Yield seeds and what they choose, without those that a class may not have.
    Raise UsageError with the reason if none of many fits."""
    refused = 0
    for seed in seeds:
        choice = choose(word, STACK, seed, wish)
        reason = why_barred(draw(choice.scenario, choice.variant, STACK, seed, noise), choice.variant)
        if not reason:
            refused = 0
            yield seed, choice
            continue
        refused += 1
        if refused == _TRIES:
            raise UsageError(f"a class cannot have {word}: {reason}", "choose another scenario: lab list")
