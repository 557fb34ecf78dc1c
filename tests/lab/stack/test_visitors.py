"""How many visitors are too many for one worker, and the load at which a lab is judged."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.errors import UsageError
from lab.oracle import LoadSpec
from lab.scenario import catalog
from lab.scenario.draw import draw
from lab.stack.lab_records import LabRecord
from lab.stack.running_lab import Lab
from lab.stack.visitors import PAUSE, load_of, overload_visitor_count, visitor_count


@pytest.mark.parametrize(("limit", "work"), [(2.0, 0.5), (10.0, 1.0), (60.0, 0.1), (1.0, 5.0)])
def test_even_those_who_wait_the_whole_limit_ask_for_more_than_a_worker_serves(limit: float, work: float) -> None:
    count = overload_visitor_count(LoadSpec(limit=limit, work=work))
    asked_each_second = count / (limit + sum(PAUSE) / 2)
    assert asked_each_second > 1 / work
    assert (count - 1) / (limit + sum(PAUSE) / 2) < 1.2 / work      # and no more than that


def loaded_lab(record: LabRecord, scenario: str, variant: str, **parameters: object) -> Lab:
    found = catalog.scenario_named(scenario)
    one = found.variant(variant)
    drawn = {**draw(found, one, one.stacks[0], 1).template_values(), **parameters}
    return Lab(replace(record, scenario=scenario, variant=variant, stack=one.stacks[0], parameters=drawn))     # type: ignore[arg-type]


LOADED = [(name, variant.name) for name, found in catalog.all_scenarios().items()
          for variant in found.variants if variant.load is not None]


@pytest.mark.parametrize(("scenario", "variant"), LOADED)
def test_each_scenario_with_a_load_has_the_visitors_that_it_names_or_too_many(scenario: str, variant: str, record: LabRecord) -> None:
    lab = loaded_lab(record, scenario, variant)
    spec, table = load_of(lab), catalog.scenario_named(scenario).variant(variant).load
    assert spec is not None and table is not None and spec.limit > 0 and spec.work > 0
    named = table.get("people")
    assert visitor_count(lab, spec) == (named if named else overload_visitor_count(spec))


def test_a_scenario_without_a_load_has_none(record: LabRecord) -> None:
    assert load_of(Lab(replace(record, scenario="wrong-port", variant="wrong-port"))) is None


def test_a_short_burst_is_the_same_load_with_few_requests(record: LabRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = loaded_lab(record, "overload-saturated", "single-worker-overload")
    full = load_of(lab)
    monkeypatch.setenv("BADGATEWAY_LAB_LOAD", "short")
    short = load_of(lab)
    assert full is not None and short is not None and full.short_of == 0
    assert short == replace(full, requests=12, short_of=full.requests)
    assert short.short_burst() == short     # and never shorter than that
    monkeypatch.setenv("BADGATEWAY_LAB_LOAD", "tiny")
    with pytest.raises(UsageError, match="'tiny'"):
        load_of(lab)
