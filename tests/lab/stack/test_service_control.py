"""Who manages a part of the machine, and the units that it has."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.stack.lab_records import LabRecord
from lab.stack.running_lab import Lab
from lab.stack.service_control import manager_of, units_of


def made(record: LabRecord, **parameters: object) -> Lab:
    return Lab(replace(record, stack="host", parameters={"unit": "shop", "second_unit": "blog", **parameters}))


@pytest.mark.parametrize("manager", ["supervisord", "rc.local", "nohup", "init.d"])
def test_only_the_backend_may_have_another_manager(record: LabRecord, manager: str) -> None:
    lab = made(record, manager=manager)
    assert [manager_of(lab, role) for role in ("backend", "second", "web")] == [manager, "systemd", "systemd"]
    assert manager_of(made(record), "backend") == "systemd"


@pytest.mark.parametrize(("parameters", "units"), [
    ({}, ["shop.service"]), ({"activation": True}, ["shop.socket", "shop.service"]), ({"activation": False, "mate_unit": ""}, ["shop.service"]),
    ({"mate_unit": "shop@2.service"}, ["shop.service", "shop@2.service"]),
])
def test_the_units_of_a_backend_begin_with_its_socket(record: LabRecord, parameters: dict[str, object], units: list[str]) -> None:
    assert units_of(made(record, **parameters), "backend") == units


def test_other_parts_are_one_unit(record: LabRecord) -> None:
    lab = made(record, activation=True, mate_unit="shop@2.service")
    assert (units_of(lab, "web"), units_of(lab, "second")) == (["nginx"], ["blog"])
