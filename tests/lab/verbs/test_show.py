"""Tests of lab/verbs/show.py."""

from __future__ import annotations

import copy
import json

from lab.scenario import catalog
from lab.scenario.scenario_file import parse_scenario, problems_of, read_toml
from lab.verbs.show import show_text
from tests.lab.cli_builders import lab
from tests.lab.scenario.catalog_builders import variant

WRONG_PORT = catalog.scenario_folders()["wrong-port"] / "scenario.toml"


def test_why_a_variant_is_not_on_a_stack_is_its_own_word_or_its_scenarios() -> None:
    data = copy.deepcopy(read_toml(WRONG_PORT))
    data["why_not"] = {"containers": "units only"}
    variant(data).update(stacks=["host", "all-in-one"])
    variant(data).pop("why_not", None)
    data["variants"]["docker-proxy-no-listener"]["why_not"] = {"host": "it has no ports to publish"}
    assert problems_of(data, WRONG_PORT) == []
    found = parse_scenario(WRONG_PORT.parent, data)
    assert found.variant("wrong-port").why_not == {"containers": "units only"}
    shown = show_text(found, one := found.variant("docker-proxy-no-listener"))
    # nobody says why it is not on the third stack: its parameters do
    assert one.why_not == {"host": "it has no ports to publish",
                           "all-in-one": "nginx and the application share one network there"}
    assert "not on host: it has no ports to publish\n" in shown and "units only" not in shown
    assert "not on" not in show_text(found)


def test_list_names_every_scenario() -> None:
    listed = json.loads(lab("list", "--json").stdout)
    names = {entry["name"] for entry in listed["scenarios"]}
    assert {"healthy", "wrong-port"} <= names
    assert listed["aliases"]["down"] == ["backend-down"]
    text = lab("list").stdout
    assert all(name in text for name in names)


def test_show_tells_the_story() -> None:
    shown = lab("show", "wrong-port")
    assert shown.returncode == 0
    assert "502 Bad Gateway, for everybody" in shown.stdout.replace("\n", " ")


def test_show_of_a_variant_is_about_that_one() -> None:
    done = lab("show", "wrong-port/docker-proxy-no-listener")
    assert "runs on: containers\n" in done.stdout and "lab up wrong-port/docker-proxy-no-listener --stack containers" in done.stdout
    assert "variants:" not in done.stdout
    done = lab("show", "wrong-port/wrongport")
    assert done.returncode == 2 and "has no variant 'wrongport'" in done.stderr


def test_show_names_the_thread_in_which_users_met_the_fault() -> None:
    upload = "met by users in: https://github.com/mopemope/meinheld/issues/129"
    scenario = catalog.scenario_named("connection-reset")
    assert upload in show_text(scenario, scenario.variant("early-response-upload"))
    assert upload not in show_text(scenario, scenario.variant("connection-reset-before-reply"))
    both = show_text(scenario)
    assert upload in both and both.count("met by users in") == 2
    assert "met by users" not in show_text(catalog.scenario_named("wrong-port"))


def test_what_is_shown_fits_a_terminal_and_keeps_names_whole() -> None:
    for found in catalog.all_scenarios().values():
        shown = show_text(found)
        assert max(map(len, shown.splitlines()[1:])) <= 78, found.name
        assert all(f"{found.name}/{one.name}" in shown for one in found.variants)
