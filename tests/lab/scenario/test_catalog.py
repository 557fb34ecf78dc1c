"""Every scenario file is right, and a mistake in one is answered with its file and key."""

from __future__ import annotations

import itertools

import pytest

from lab.errors import LabError, UsageError
from lab.scenario import catalog
from lab.scenario.draw import is_plain
from lab.scenario.scenario_file import STACKS, Stack


def test_a_variant_takes_what_it_does_not_say_from_its_scenario() -> None:
    found = catalog.scenario_named("backend-down")
    stopped = found.variant("container-stopped")
    assert stopped.story == found.story
    assert stopped.stacks == ("containers",)
    assert found.variant("backend-not-running").title != found.title


def test_every_variant_of_one_stack_says_why_it_is_not_on_the_other() -> None:
    unsaid = {f"{found.name}/{one.name}" for name in catalog.scenario_folders() if (found := catalog.scenario_named(name))
              for one in found.variants if {*one.stacks, *one.why_not} != {*STACKS}}
    assert unsaid == set()


def test_where_another_variant_is_named_instead_it_is_there() -> None:
    named = {(found.name, word) for name in catalog.scenario_folders() if (found := catalog.scenario_named(name)) for one in found.variants
             for reason in one.why_not.values() if reason.startswith("its name there is ") for word in [reason.split()[-1]]}
    assert named and all(word in {one.name for one in catalog.scenario_named(name).variants} for name, word in named)


def test_where_a_person_must_act_the_scenario_says_how() -> None:
    """A repair that only a person can make is tried to its end: what fixer named is mended so, and fixer asked again."""
    waiting = {(found.name, one.name) for name in catalog.scenario_folders() if (found := catalog.scenario_named(name)) for one in found.variants
               if one.expect.repair.exit == 4 and not one.by_hand}
    assert waiting == set()
    found = catalog.scenario_named("crash-code-error").variant("start-import-error")
    assert [len(found.by_hand_on(stack)) for stack in ("host", "containers")] == [1, 1]


def test_healthy_expects_no_cause() -> None:
    assert catalog.scenario_named("healthy").variants[0].expect.cause is None


@pytest.mark.parametrize("word", ["wrong-prt", "wrongport", "wrong_port"])
def test_an_unknown_word_is_answered_with_the_nearest(word: str) -> None:
    with pytest.raises(UsageError) as caught:
        catalog.choose(word, None, 1)
    assert caught.value.exit_code == 2
    assert "wrong-port" in caught.value.hint


def test_words_are_scenarios_variants_and_aliases() -> None:
    assert catalog.choose("down", "host", 1).scenario.name == "backend-down"
    assert catalog.choose("backend-down/unit-disabled-after-reboot", None, 1).stack == "host"
    assert {catalog.choose("crash", "host", seed).scenario.name for seed in range(20)} == set(catalog.aliases()["crash"])
    with pytest.raises(UsageError, match="no variant"):
        catalog.choose("wrong-port/none", None, 1)
    with pytest.raises(UsageError, match="does not run on the containers stack"):
        catalog.choose("backend-down/unit-disabled-after-reboot", "containers", 1)


def test_an_alias_only_draws_what_the_stack_can_hold() -> None:
    for seed in range(20):
        assert "containers" in catalog.choose("crash", "containers", seed).scenario.stacks


def test_a_scenario_that_a_stack_cannot_hold_says_why() -> None:
    only_host = [found for found in catalog.all_scenarios().values() if found.stacks == ("host",)]
    for found in only_host:
        with pytest.raises(LabError, match=r"does not run on the containers stack: .") as caught:
            catalog.choose(found.name, "containers", 1)
        assert caught.value.hint == "it runs on host"


def test_a_variants_own_name_is_enough() -> None:
    assert catalog.choose("docker-port-not-published", None, 1) == catalog.choose("wrong-port/docker-port-not-published", None, 1)
    assert catalog.find_scenario("container-wrong-port").name == "wrong-port"
    with pytest.raises(UsageError, match="several scenarios have a variant") as caught:
        catalog.choose("docker-user-chain-block", None, 1)
    assert caught.value.hint == "name one: firewall-drop/docker-user-chain-block, firewall-reject/docker-user-chain-block"
    with pytest.raises(UsageError) as caught:
        catalog.choose("oom-kiled-docker", None, 1)
    assert caught.value.hint == "did you mean crash-oom/oom-killed-docker?"


@pytest.mark.parametrize(("word", "stack"), [("wrong-port", None), ("wrong-port", "host"), ("backend-down", "host"), ("nginx-down", None)])
def test_without_a_seed_the_first_lab_is_easy(word: str, stack: Stack | None) -> None:
    """Its variant is one of the easiest, its deployment a usual one; a seed that is given draws what it always drew."""
    for first in range(0, 40000, 1000):
        seed = catalog.seed_for(word, stack, catalog.Wish(), itertools.count(first).__next__)
        choice = catalog.choose(word, stack, seed)
        assert choice.variant.difficulty == 1, choice.variant.name
        assert not choice.variant.ways or is_plain(choice.scenario, choice.variant, choice.stack, seed)
    names = {catalog.choose(word, stack, seed).variant.name for seed in range(200)}
    assert names == {variant.name for variant in choice.scenario.variants_on(choice.stack)}


def test_a_named_variant_is_what_comes_up_however_hard() -> None:
    seed = catalog.seed_for("wrong-port/docker-proxy-no-listener", None, catalog.Wish(), itertools.count().__next__)
    assert seed == 0
    assert catalog.seed_for("crash-oom", "host", catalog.Wish(), itertools.count(7).__next__) >= 7


@pytest.mark.parametrize("difficulty", [None, 1, 2, 3, 4])
@pytest.mark.parametrize("stack", [None, *STACKS])
def test_any_is_a_fault_of_the_difficulty_that_was_asked_for(difficulty: int | None, stack: Stack | None) -> None:
    there = {on for found in catalog.all_scenarios().values() for one in found.variants
             if one.expect.cause and difficulty in (None, one.difficulty) for on in one.stacks}
    if stack is not None and stack not in there:
        with pytest.raises(UsageError, match="no scenario has that difficulty"):
            catalog.choose("any", stack, 1, catalog.Wish(difficulty))
        return
    names = {found.name for found in catalog.all_scenarios().values() for one in found.variants
             if one.expect.cause and difficulty in (None, one.difficulty) and (stack is None or stack in one.stacks)}
    drawn = [catalog.choose("any", stack, seed, catalog.Wish(difficulty)) for seed in range(240)]
    assert drawn == [catalog.choose("any", stack, seed, catalog.Wish(difficulty)) for seed in range(240)]
    assert difficulty is None or {choice.variant.difficulty for choice in drawn} == {difficulty}
    assert {choice.stack for choice in drawn} == ({stack} if stack else there)
    assert len({choice.scenario.name for choice in drawn}) >= min(3, len(names))
    assert all(choice.variant.expect.cause for choice in drawn)


def test_any_of_a_family() -> None:
    drawn = [catalog.choose("any", None, seed, catalog.Wish(2, "Network")) for seed in range(20)]
    assert {choice.scenario.family for choice in drawn} == {"network, firewall, SELinux"}
    with pytest.raises(UsageError, match="no family is called 'moon'") as caught:
        catalog.choose("any", None, 1, catalog.Wish(family="moon"))
    assert "nginx configuration" in caught.value.hint
    with pytest.raises(UsageError, match="no scenario has that difficulty"):
        catalog.choose("any", None, 1, catalog.Wish(difficulty=5))
    with pytest.raises(UsageError, match="choose among all scenarios") as caught:
        catalog.choose("wrong-port", None, 1, catalog.Wish(2))
    assert caught.value.hint == "write: lab up any --difficulty N"
    with pytest.raises(UsageError) as caught:
        catalog.choose("random", None, 1)
    assert caught.value.hint == "did you mean any?"
