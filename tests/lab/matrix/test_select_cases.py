"""The matrix without Docker: what is chosen and drawn, how jobs run side by side, what is written of them."""

from __future__ import annotations

import json

import pytest

from lab.errors import UsageError
from lab.matrix.select_cases import (
    all_cases,
    draw_cases,
    draw_key,
    estimate_seconds,
    needs_to_run_alone,
    parse_seeds,
    select_cases,
    select_shard,
    shuffle_cases,
    to_github,
)


def test_shards_are_disjoint_and_together_all() -> None:
    chosen = select_cases()
    parts = [select_shard(chosen, f"{number}/3") for number in (1, 2, 3)]
    assert sorted(case.name for part in parts for case in part) == sorted(case.name for case in chosen)
    spent = [sum(map(estimate_seconds, part)) for part in parts]
    assert max(spent) - min(spent) <= max(map(estimate_seconds, chosen))


@pytest.mark.parametrize("words", ["0/3", "4/3", "x", "1/0", "1/99999"])
def test_no_shard(words: str) -> None:
    with pytest.raises(UsageError):
        select_shard(select_cases(), words)


@pytest.mark.parametrize("words", ["", "x", "1-", "1,,2"])
def test_no_seed(words: str) -> None:
    with pytest.raises(UsageError):
        parse_seeds(words)


def test_seeds() -> None:
    assert parse_seeds("1-3, 7,2") == (1, 2, 3, 7)


def test_all_is_each_once_and_a_drawn_part_thrice() -> None:
    every = all_cases(word="one")
    assert len(set(every)) == len(every)
    assert {case for case in every if case.seed == 1 and not case.inside} == set(select_cases())
    thrice = [case for case in every if case.seed == 3]
    assert len(thrice) == min(30, len(select_cases()))
    assert any(case.inside for case in every)
    assert all_cases(word="one") == every


def test_a_draw_fits_its_time_and_prefers_other_variants() -> None:
    pool = select_cases()
    some = draw_cases(pool, "word", 200.0, 2)
    assert 0 < sum(estimate_seconds(case) / (1 if needs_to_run_alone(case) else 2) for case in some) <= 200.0
    assert len({(case.scenario, case.variant) for case in some}) == len(some)
    assert draw_cases(pool, "word", 200.0, 2) == some
    assert draw_cases(pool, "other", 200.0, 2) != some
    assert set(draw_cases(pool, "word", 1e9, 2)) == set(pool)
    assert shuffle_cases(pool, "a") != shuffle_cases(pool, "b")
    assert draw_key()


def test_github_gets_one_job_a_scenario() -> None:
    jobs = json.loads(to_github(select_cases()))["include"]
    assert [job["scenario"] for job in jobs] == sorted({case.scenario for case in select_cases()})
    assert sum(job["cases"] for job in jobs) == len(select_cases())
    assert "\n" not in to_github(select_cases())


def test_the_plan_for_github_fits_its_limits() -> None:
    assert all(0 < job["minutes"] <= 360 for job in json.loads(to_github(select_cases()))["include"])
    assert len(json.loads(to_github(select_cases()))["include"]) <= 256


def test_what_measures_load_or_changes_the_rules_of_the_docker_host_runs_alone() -> None:
    alone = {f"{case.scenario}/{case.variant}" for case in all_cases() if needs_to_run_alone(case)}
    assert {"overload-saturated/single-worker-overload", "firewall-drop/docker-host-input-block"} <= alone
    assert "wrong-port/wrong-port" not in alone
