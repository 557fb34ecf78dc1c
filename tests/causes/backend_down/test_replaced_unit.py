"""A unit that was put to rest beside another of the same application: nobody starts it again without a word."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding
from fixer.model.facts import Known
from fixer.model.plan import UnitAction, WriteFile
from tests.causes.snapshot_builders import STOPPED, Scene, binding, finding_of, listener, service, unit

RESTS = {"unit_file_state": "disabled", **STOPPED}
AT_BOOT = {"unit_file_state": "enabled"}


def retired(new: str = "erp.service", *, state: dict[str, object] | None = None, port: int = 9700) -> Scene:
    """nginx asks for the port of erp-old.service, which is disabled; the new one runs on another."""
    old = service("erp-old.service", 8000, None, unit_changes=RESTS, bindings=Known((binding(8000, "/old:4"),)))
    made = service(new, port, 300, unit_changes={**AT_BOOT, **(state or {})}, bindings=Known((binding(port, "/new:4"),)))
    if state is not None:
        return Scene().with_service(old).with_service(replace(made, pids=())).refused()
    return Scene().with_service(old).with_service(made, listener(port, 300)).refused()


def found(scene: Scene, **inputs: str) -> Finding:
    return finding_of(diagnose(scene.snapshot(), inputs), "backend-down")


@pytest.mark.parametrize("scene", [retired(), retired(state={"active_state": "failed", "sub_state": "failed",
                                                            "result": "exit-code", "main_pid": 0})])
def test_which_of_the_two_is_meant_a_person_says(scene: Scene) -> None:
    one = found(scene)
    (repair,) = one.repairs
    assert one.confidence == "possible" and "erp.service" in one.summary
    assert repair.needs[0].choices == ("erp-old.service", "erp.service") and not repair.steps
    old = found(scene, backend="erp-old.service").repairs[0]
    assert [s.verb for s in old.steps if isinstance(s, UnitAction)] == ["enable", "start"]


def test_the_new_one_is_what_nginx_asks_then() -> None:
    write = found(retired(), backend="erp.service").repairs[0].steps[0]
    assert isinstance(write, WriteFile) and b":9700" in (write.after or b"")


@pytest.mark.parametrize("scene", [
    retired("metrics.service"),                                            # another application
    retired(state={**RESTS, "main_pid": 0}),                               # put to rest as well
])
def test_alone_in_its_name_it_is_started(scene: Scene) -> None:
    one = found(scene)
    assert one.confidence == "certain" and one.repairs[0].steps


def test_a_word_that_every_service_bears_makes_no_two_of_them_one_application() -> None:
    argv = ("/usr/bin/uvicorn", "main:app", "--port", "9700")
    for old, new, alike in (("wiki-web.service", "shop-web.service", False), ("shop-web.service", "shop2-api.service", True)):
        scene = retired(new)
        scene.services = [replace(s, name=name, argv=argv) for s, name in zip(scene.services, (old, new), strict=True)]
        assert (found(scene).confidence == "possible") is alike


def test_one_that_is_not_disabled_is_started() -> None:
    scene = retired()
    scene.services[0] = replace(scene.services[0], unit=unit("erp-old.service", **{**STOPPED, **AT_BOOT, "main_pid": 0}))
    assert found(scene).confidence == "certain"
