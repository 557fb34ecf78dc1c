"""Every scenario file is right, and a mistake in one is answered with its file and key."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.errors import LabError, ScenarioError, UsageError
from lab.scenario import catalog
from lab.scenario.scenario_file import STACKS, load_scenario, parse_scenario, problems_of, read_toml
from lab.verbs.show import show_text
from lab.verbs.validate import find_problems

WRONG_PORT = catalog.scenario_folders()["wrong-port"] / "scenario.toml"


def test_every_scenario_is_right() -> None:
    assert list(find_problems()) == []
    assert {"healthy", "wrong-port", "backend-down", "nginx-down"} <= set(catalog.scenario_folders())


Change = Callable[[dict[str, Any]], None]


def variant(data: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = data["variants"]["wrong-port"]
    return found


@pytest.mark.parametrize(("change", "said"), [
    (lambda d: d.update(difficulty=9), "difficulty: 9 is greater than the maximum of 5"),
    (lambda d: d.pop("story"), "top level: 'story' is a required property"),
    (lambda d: d.update(colour="red"), "top level: Additional properties are not allowed ('colour' was unexpected)"),
    (lambda d: d["hints"].pop(), "hints: "),
    (lambda d: variant(d)["breaks"].append({"restart": "bakend"}), "variants.wrong-port.breaks[5]: restart: 'bakend' is"),
    (lambda d: variant(d)["breaks"].append({"rn": ["x"]}), "is none of: set, reload, restart"),
    (lambda d: variant(d).update(by_hand=[{"restart": "bakend"}]), "variants.wrong-port.by_hand[0]: restart: 'bakend' is"),
    (lambda d: variant(d)["symptom"].append({}), "variants.wrong-port.symptom[1]: {} is none of: healthy, refused"),
    (lambda d: variant(d)["expect"]["repair"].update(risk="mild"), "variants.wrong-port.expect.repair.risk: 'mild'"),
    (lambda d: d.update(stacks=["host"]), "why_not.containers"),
    (lambda d: variant(d).update(why_not={"host": "no"}), "variants.wrong-port.why_not.host: the variant runs on host"),
    (lambda d: d.update(variants={"one": {**variant(d), "stacks": ["containers", "host"]}}, why_not={"host": "no"}),
     "why_not.host: every variant runs on host"),
    (lambda d: variant(d).update(symptom=[{"stacks": ["containers"], "refused": True}]), "none for the host stack"),
    (lambda d: d["parameters"].update(Bad=1), "parameters: 'Bad' does not match"),
])
def test_a_mistake_is_named_with_file_and_key(change: Change, said: str) -> None:
    data = copy.deepcopy(read_toml(WRONG_PORT))
    change(data)
    found = problems_of(data, WRONG_PORT)
    assert any(line.startswith("scenarios/wrong-port/scenario.toml: ") and said in line for line in found), found


def test_what_is_no_toml_is_answered_with_its_line(tmp_path: Path) -> None:
    folder = tmp_path / "scenarios" / "odd"
    folder.mkdir(parents=True)
    (folder / "scenario.toml").write_text('title = "x\n')
    with pytest.raises(ScenarioError, match=r"scenarios/odd/scenario\.toml: .*line 1"):
        load_scenario(folder)


def test_a_variant_takes_what_it_does_not_say_from_its_scenario() -> None:
    found = catalog.scenario_named("backend-down")
    stopped = found.variant("container-stopped")
    assert stopped.story == found.story
    assert stopped.stacks == ("containers",)
    assert found.variant("backend-not-running").title != found.title


def test_why_a_variant_is_not_on_a_stack_is_its_own_word_or_its_scenarios() -> None:
    data = copy.deepcopy(read_toml(WRONG_PORT))
    data["why_not"] = {"containers": "units only"}
    variant(data).update(stacks=["host"])
    variant(data).pop("why_not", None)
    data["variants"]["docker-proxy-no-listener"]["why_not"] = {"host": "it has no ports to publish"}
    assert problems_of(data, WRONG_PORT) == []
    found = parse_scenario(WRONG_PORT.parent, data)
    assert found.variant("wrong-port").why_not == {"containers": "units only"}
    shown = show_text(found, one := found.variant("docker-proxy-no-listener"))
    assert one.why_not == {"host": "it has no ports to publish"}
    assert "not on host: it has no ports to publish\n" in shown and "units only" not in shown
    assert "not on" not in show_text(found)


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
