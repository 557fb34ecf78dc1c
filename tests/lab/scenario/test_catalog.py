"""Every scenario file is right, and a mistake in one is answered with its file and key."""

from __future__ import annotations

import pytest

from lab.errors import LabError, UsageError
from lab.scenario import catalog
from lab.scenario.scenario_file import STACKS


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
        with pytest.raises(LabError, match=r"does not run on the containers stack: ."):
            catalog.choose(found.name, "containers", 1)
