"""The policy file: read strictly, and asked before a repair is made without a person."""

from __future__ import annotations

import pytest

from fixer.errors import NeedsPerson
from fixer.planner import RepairPolicy, plan
from fixer.policy import Rules, parse_rules
from tests.test_planner import RISKY, SAFE, diagnosis, finding

WHERE = "/etc/badgateway/policy.toml"


def rules(text: str) -> Rules:
    return parse_rules(text.encode(), WHERE)


def test_an_empty_file_forbids_nothing() -> None:
    assert rules("").forbids("disruptive", "shop.service", 0, 0) == ""
    assert rules("").summary_text() == f"{WHERE}: without an operator up to disruptive"


def test_the_riskiest_repair() -> None:
    strict = rules('max_risk = "safe"')
    assert "only safe" in strict.forbids("disruptive", None, 0, 0) and strict.forbids("safe", None, 0, 0) == ""


@pytest.mark.parametrize(("service", "allowed"), [
    ("shop-web.service", True), ("shop-web", True), ("billing.service", True), ("billing", True),
    ("shop-db.service", False), ("postgresql.service", False), (None, False),
])
def test_services(service: str | None, allowed: bool) -> None:
    listed = rules('services = ["shop-*", "billing.service", "!shop-db*"]')
    assert (listed.forbids("safe", service, 0, 0) == "") is allowed


def test_only_exceptions_leave_the_rest() -> None:
    listed = rules('services = ["!postgres*"]')
    assert listed.forbids("safe", "shop.service", 0, 0) == "" and listed.forbids("safe", None, 0, 0) == ""
    assert "postgresql" in listed.forbids("safe", "postgresql.service", 0, 0)


@pytest.mark.parametrize(("hours", "weekday", "clock", "allowed"), [
    ("22:00-06:00", 2, "23:30", True), ("22:00-06:00", 2, "05:59", True), ("22:00-06:00", 2, "06:00", False),
    ("22:00-06:00", 2, "12:00", False), ("mon-fri 22:00-06:00", 5, "01:00", True),
    ("mon-fri 22:00-06:00", 0, "01:00", False), ("sat-sun", 6, "12:00", True), ("sat-sun", 0, "12:00", False),
    ("fri-mon 08:00-09:00", 0, "08:30", True), ("fri-mon 08:00-09:00", 2, "08:30", False), ("Sun 00:00-24:00", 6, "23:59", True),
])
def test_hours(hours: str, weekday: int, clock: str, allowed: bool) -> None:
    hour, _, minute = clock.partition(":")
    why = rules(f'hours = ["{hours}"]').forbids("safe", None, weekday, int(hour) * 60 + int(minute))
    assert (why == "") is allowed and (allowed or hours in why)


@pytest.mark.parametrize("text", [
    "max_risk = 'manual'", "max_risk =", "risk = 'safe'", "hours = ['noon']", "hours = ['xyz 10:00-11:00']", "hours = ['']",
    "hours = '10:00-11:00'", "services = [1]", "hours = ['10:00-10:00']", "hours = ['23:00-25:00']", "services = ['!']", "services = []", "hours = []",
])
def test_what_cannot_be_understood_stops_everything(text: str) -> None:
    with pytest.raises(NeedsPerson, match=WHERE):
        rules(text)


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(NeedsPerson):
        parse_rules(b"\xff\xfe", WHERE)


def test_the_planner_asks_and_names_the_reason() -> None:
    strict = rules('max_risk = "safe"')
    asked = RepairPolicy("disruptive", lambda found, repair: strict.forbids(repair.risk, found.service, 0, 0))
    made = plan(diagnosis(finding(RISKY)), asked)
    assert made.repair_id is None and "allows only safe repairs" in made.withheld[0].why and made.withheld[0].flag == ""
    assert plan(diagnosis(finding(SAFE)), asked).repair_id == SAFE.id


def test_a_nested_policy_forbids() -> None:
    with pytest.raises(NeedsPerson):
        parse_rules(f"services = {'[' * 20_000}{']' * 20_000}".encode(), "x")
