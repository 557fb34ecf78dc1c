"""Tests of fixer/analysis/service_names.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.analysis.case import open_case
from fixer.analysis.service_names import has_unrelated_name, has_unrelated_unit_name, is_of_other_stage
from fixer.diagnose.run_causes import diagnose
from fixer.model.plan import WriteFile
from fixer.model.service import CommandArgument, UnitValue
from tests.causes.snapshot_builders import finding_of, listener, service, supervised_service, unit, wrong_port_scene

CAUSE = "wrong-port"


def test_two_equal_services_are_named_and_none_is_chosen() -> None:
    scene = wrong_port_scene().with_service(service("other.service", 9000, 300), listener(9000, 300))
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    (repair,) = found.repairs
    assert repair.steps == () and repair.needs[0].choices == ("127.0.0.1:8000", "127.0.0.1:9000")
    chosen = finding_of(diagnose(scene.snapshot(), {"upstream": "127.0.0.1:9000"}), CAUSE).repairs[0]
    write = chosen.steps[0]
    assert isinstance(write, WriteFile) and write.after is not None and b":9000" in write.after


def test_names_separate_two_services() -> None:
    scene = wrong_port_scene().with_service(service("shop.service", 9000, 300), listener(9000, 300))
    scene.services[0] = replace(
        scene.services[0], id="local/metrics.service", name="metrics.service",
        unit=unit("metrics.service", working_directory="/opt/metrics", user="metrics"))
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert found.service == "shop.service" and found.repairs[0].needs == ()


@pytest.mark.parametrize("named", [
    {"program": {"group": "shop", "name": "shop:web"}}, {"program": {"file": "/etc/supervisor/conf.d/shop.conf"}},
    {"unit_values": (UnitValue("directory", "/srv/shop", "/etc/supervisor/conf.d/w.conf", 3, 0, 0),)},
])
def test_a_program_is_named_by_its_group_its_file_and_its_folder(named: dict[str, Any]) -> None:
    """`[program:web]` in `[group:shop]` is the application of the site `shop`, whatever its module is called."""
    trouble = open_case(wrong_port_scene().snapshot(), {}).failing_addresses[0]
    plain = {"name": "web", "group": "web", "file": "/etc/supervisor/conf.d/w.conf"}
    other = supervised_service("FATAL", argv=("/usr/bin/gunicorn", "counter:app"), program=plain)
    assert has_unrelated_name(trouble, replace(other, name="web"))
    ours = supervised_service("FATAL", argv=("/usr/bin/gunicorn", "counter:app"), **{
        **named, "program": {**plain, **named.get("program", {})}})
    assert not has_unrelated_name(trouble, replace(ours, name="web"))


def test_the_name_of_the_server_is_no_name_of_the_service() -> None:
    """fixer calls a process without a manager by its server, which other sites run, too."""
    trouble = open_case(wrong_port_scene().snapshot(), {}).failing_addresses[0]
    plain = service("hypercorn[200]", 8000, 200, unit=None, manager="none", runtime="hypercorn", cwd="/srv/shop",
                    argv=("/usr/bin/hypercorn", "counter:app"))
    assert not has_unrelated_unit_name(trouble, plain) and not has_unrelated_name(trouble, plain)
    assert has_unrelated_unit_name(trouble, replace(plain, name="billing[200]", runtime="binary"))
    assert not has_unrelated_name(trouble, replace(plain, cwd="/srv", argv=("/usr/bin/hypercorn",))), "it has none"


def test_the_name_of_its_start_script_is_a_name_of_the_service_but_proves_no_other_site() -> None:
    """`rc-local.service` starts what rc.local names; a script called `launch` is of no site called `launch`."""
    trouble = open_case(wrong_port_scene().snapshot(), {}).failing_addresses[0]
    words = ("/usr/bin/uvicorn", "counter:app")
    plain = service("rc-local.service", 4719, argv=words, unit_changes={"working_directory": "", "user": ""})
    assert has_unrelated_name(trouble, plain)
    for script, unrelated in (("start-shop", False), ("launch-desk", True)):
        command = tuple(CommandArgument(word, f"/usr/local/bin/{script}", 4) for word in words)
        assert has_unrelated_name(trouble, replace(plain, command=command)) is unrelated
    named = replace(plain, name="billing.service", argv=words[:1])
    for script, unrelated in (("start-shop", False), ("launch-desk", True)):
        command = (CommandArgument(words[0], f"/usr/local/bin/{script}", 4),)
        assert has_unrelated_unit_name(trouble, replace(named, command=command)) is unrelated
    nameless = service("web.service", 4719, argv=words[:1], unit_changes={"working_directory": "", "user": ""})
    script = (CommandArgument(words[0], "/usr/local/bin/launch", 4),)
    assert not has_unrelated_name(trouble, replace(nameless, command=script))


@pytest.mark.parametrize(("name", "names", "other"), [
    ("shop-staging.service", ("shop.example",), True), ("shop.service", ("shop.example",), False),
    ("shop-staging.service", ("staging.shop.example",), False), ("testament.service", ("shop.example",), False),
])
def test_a_trial_of_an_application_is_not_its_site(name: str, names: tuple[str, ...], other: bool) -> None:
    scene = wrong_port_scene()
    scene.services = [replace(scene.services[0], name=name, id=f"local/{name}")]
    scene.route[0] = {"server_names": names}
    case = open_case(scene.snapshot(), {})
    assert is_of_other_stage(case.failing_addresses[0], case.snapshot.services[0]) is other
