"""Which crashes on real places a run of all tests tries: as many as fit BADGATEWAY_CRASH_SECONDS (150), drawn from the
commit, or from BADGATEWAY_DRAW. BADGATEWAY_KILLS=all tries every place, and each at every point, =5 at every fifth.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from typing import TypeVar

import pytest

from lab.matrix.select_cases import draw_key
from tests.crash.killed_fixer import distinct_points

KILLS = os.environ.get("BADGATEWAY_KILLS", "")
ALL, STEP = bool(KILLS), int(KILLS) if KILLS.isdecimal() else 1
DRAW_KEY = os.environ.get("BADGATEWAY_DRAW") or draw_key()
SECONDS = float(os.environ.get("BADGATEWAY_CRASH_SECONDS", "150"))
NIGHTLY = bool(os.environ.get("BADGATEWAY_NIGHTLY"))
SHARE = 1 if ALL or NIGHTLY else 6     # of the first crashes in memory every n-th is followed by each second one
POINTS = 2             # of one place, where not all are tried

# What one takes on two idle cores, with its place.
COSTS = {
    "test_killed_anywhere_on_a_lab": 55.0, "test_killed_anywhere_over_ssh": 60.0, "test_killed_anywhere_inside": 55.0,
    "test_each_kind_of_step_inside": 35.0, "test_each_kind_of_step_from_outside": 35.0,
    "test_each_kind_of_step_of_containers": 25.0, "test_trouble_on_a_machine": 40.0, "test_trouble_over_ssh": 50.0, "test_trouble_inside": 40.0,
    "test_trouble_on_a_project": 40.0,
    "test_dockers_socket_cut_on_a_machine": 40.0,
    "test_dockers_socket_cut_on_a_project": 40.0, "test_a_service_that_does_not_start": 40.0,
    "test_ssh_lost_in_the_middle": 45.0, "test_network_lost_in_the_middle": 110.0,
    "test_trouble_in_an_undo": 60.0, "test_trouble_in_an_undo_over_ssh": 70.0, "test_ssh_lost_in_an_undo": 70.0, "test_rebooted_in_the_middle": 110.0,
    "test_nginx_of_a_project": 60.0, "test_trouble_in_an_undo_of_a_project": 60.0, "test_dockers_socket_cut_in_an_undo_on_a_machine": 60.0,
    "test_dockers_socket_cut_in_an_undo_on_a_project": 60.0, "test_a_service_that_does_not_start_over_ssh": 45.0,
    "test_hand_edits_of_a_file": 150.0, "test_another_container_of_that_name": 40.0,
    "test_an_upgrade_between_repair_and_undo": 25.0,
    "test_two_at_once_and_a_hand_edit": 30.0, "test_interrupted_anywhere": 55.0,
    "test_one_within_the_machine_and_one_from_outside": 45.0,
}


def draw_rank(word: str) -> bytes:
    """A place in an order that the draw gives, the same on every machine."""
    return hashlib.sha256(f"{DRAW_KEY}/{word}".encode()).digest()


Item = TypeVar("Item")


def draw_share(items: Sequence[Item], word: str) -> Sequence[Item]:
    """Every SHARE-th of them, from a drawn one on; all in the nightly run."""
    return items[draw_rank(word)[0] % SHARE :: SHARE]


def draw_by_day(items: Sequence[Item], word: str, count: int) -> list[Item]:
    """So many of them, in their order; all in the nightly run."""
    ranked = sorted(range(len(items)), key=lambda number: draw_rank(f"{word} {number}"))
    return [items[number] for number in sorted(ranked[: None if ALL or NIGHTLY else count])]


def choose_points(points: Sequence[str], word: str) -> list[int]:
    """The points at which it happens, of these."""
    kept = distinct_points(points)
    return [kept[number] for number in draw_point_numbers(len(kept), word)]


def draw_point_numbers(count: int, word: str) -> list[int]:
    """Of so many: all, every n-th, or a few that are drawn."""
    if ALL:
        return list(range(max(0, min(STEP // 2, count - 1)), count, STEP))
    return sorted(range(count), key=lambda number: draw_rank(f"{word} {number}"))[:POINTS]


def cost_of(item: pytest.Item) -> float:
    """About how many seconds this test takes."""
    return COSTS.get(item.name.partition("[")[0], SECONDS)


def draw_tests(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Those that fit, in their order: one of every kind before a second of any."""
    seen: dict[str, int] = {}
    order: list[tuple[int, bytes, pytest.Item]] = []
    for item in sorted(items, key=lambda item: draw_rank(item.name)):
        kind = item.name.partition("[")[0]
        seen[kind] = seen.get(kind, 0) + 1
        order.append((seen[kind], draw_rank(item.name), item))
    left, kept = SECONDS, set[str]()
    for _, _, item in sorted(order, key=lambda entry: entry[:2]):
        if cost_of(item) <= left:
            left -= cost_of(item)
            kept.add(item.nodeid)
    return [item for item in items if item.nodeid in kept]
