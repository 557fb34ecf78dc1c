"""A unit at rest of which nothing but its own code says where it listens."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Undetermined
from fixer.model.facts import Evidence, Known
from fixer.model.plan import UnitAction, WriteFile
from fixer.model.snapshot import Binding, Service
from tests.causes.snapshot_builders import Scene, finding_of, listener, service, stopped_service, verdict_of

DOWN = "backend-down"


def coded(name: str = "stock.service", port: int = 8000, state: str = "disabled", **changes: object) -> Service:
    """At rest, told nothing, its code says a port."""
    line = Evidence("file", f"/srv/{name}/server.py:3", f"PORT = {port}")
    return replace(stopped_service(name, unit_changes={"unit_file_state": state}, runtime="python", bindings=Known(()),
                           argv=("python3", f"/srv/{name}/server.py")), code_bindings=(Binding("", port, None, line),),
                   **changes)     # type: ignore[arg-type]


def scene(*services: Service) -> Scene:
    made = Scene()
    for one in services:
        made.with_service(one)
    return made.refused()


@pytest.mark.parametrize("is_app", [True, False])
def test_the_only_one_whose_code_names_the_port_is_started_and_enabled(*, is_app: bool) -> None:
    found = finding_of(diagnose(scene(coded(is_app_server=is_app)).snapshot()), DOWN)
    assert (found.variant, found.confidence, found.service) == ("unit-disabled-after-reboot", "certain", "stock.service")
    assert any(e.text == "PORT = 8000" for e in found.evidence)
    assert [s.verb for s in found.repairs[0].steps if isinstance(s, UnitAction)] == ["enable", "start"]


def test_also_beside_an_application_that_runs_elsewhere() -> None:
    made = Scene().with_service(coded()).with_service(service("mail.service", 9100, 300), listener(9100, 300)).refused()
    assert finding_of(diagnose(made.snapshot()), DOWN).service == "stock.service"


def test_of_two_a_person_names_one() -> None:
    both = scene(coded(), coded("wares.service"))
    found = finding_of(diagnose(both.snapshot()), DOWN)
    (repair,) = found.repairs
    assert found.confidence == "possible" and not repair.steps
    assert repair.needs[0].choices == ("stock.service", "wares.service")
    assert {"PORT = 8000"} <= {e.text for e in found.evidence}
    chosen = finding_of(diagnose(both.snapshot(), {"backend": "wares.service"}), DOWN)
    assert chosen.service == "wares.service"
    units = [s for s in chosen.repairs[0].steps if isinstance(s, UnitAction)]
    assert [(s.verb, s.unit) for s in units] == [("enable", "wares.service"), ("start", "wares.service")]


def test_one_put_to_rest_whose_code_names_another_port_is_not_started() -> None:
    made = Scene().with_service(coded(port=8001)).refused()
    assert isinstance(verdict_of(diagnose(made.snapshot()), DOWN), Undetermined)


def test_who_is_told_the_port_goes_before_whose_code_falls_back_to_it() -> None:
    found = finding_of(diagnose(scene(coded(), stopped_service("mail.service", 8000)).snapshot()), DOWN)
    assert (found.service, found.confidence) == ("mail.service", "certain")


def test_an_older_one_is_a_question_where_the_newer_listens_elsewhere_and_says_so_nowhere() -> None:
    newer = service("stock.service", 9100, 300, bindings=Known(()), unit_changes={"unit_file_state": "enabled"})
    made = Scene().with_service(coded("stock-old.service")).with_service(newer, listener(9100, 300)).refused()
    (repair,) = finding_of(diagnose(made.snapshot()), DOWN).repairs
    assert repair.needs[0].choices == ("stock-old.service", "stock.service") and not repair.steps
    told = finding_of(diagnose(made.snapshot(), {"backend": "stock.service"}), DOWN).repairs[0].steps[0]
    assert isinstance(told, WriteFile) and b":9100" in (told.after or b"")
