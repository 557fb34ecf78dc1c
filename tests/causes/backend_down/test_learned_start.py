"""A backend that was started by hand and is gone: told by what was learned, started again as a unit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.causes.backend_down.learned_start import assigned_value
from fixer.diagnose.run_causes import diagnose
from fixer.model.deployment import BootEntry
from fixer.model.diagnosis import Repair
from fixer.model.facts import Known
from fixer.model.learned import Learned, LearnedService
from fixer.model.plan import UnitAction, WriteFile
from fixer.redaction.masked_steps import diff_of
from tests.causes.backend_down.learned_start_builders import FILES, MADE, gone
from tests.causes.snapshot_builders import Scene, file, finding_of, listener, roots, service, stopped_service

WHERE = "/var/lib/badgateway/targets/local/learned.json"
ENV = "/srv/shop/.env"
SECRET = "se cret%1"


def written(repair: Repair) -> dict[str, str]:
    return {s.path: (s.after or b"").decode() for s in repair.steps if isinstance(s, WriteFile)}


def test_it_is_started_as_a_unit_that_stays() -> None:
    diagnosis = diagnose(gone())
    assert roots(diagnosis) == ["backend-down"]
    found = diagnosis.findings[0]
    assert (found.variant, found.evidence[0].source, found.confidence) == ("backend-not-running", "learned", "likely")
    repair = found.repairs[0]
    assert (repair.id, repair.risk) == ("start-as-unit", "disruptive")
    files = written(repair)
    assert files["/etc/default/shop"] == f"SHOP_KEY='{SECRET}'\n"
    unit = files["/etc/systemd/system/shop.service"].splitlines()
    assert {"User=svc", "WorkingDirectory=/srv/shop", f"EnvironmentFile={ENV}", "EnvironmentFile=/etc/default/shop",
            'Environment="PYTHONPATH=/srv/shop"', "Restart=on-failure", "WantedBy=multi-user.target"} <= set(unit)
    assert any(line.startswith("ExecStart=/srv/shop/venv/bin/python3 ") and line.endswith('"a b%%$$"') for line in unit)
    assert [s.verb for s in repair.steps if isinstance(s, UnitAction)] == ["enable", "start"]
    assert SECRET not in diff_of(repair.steps)


def test_what_ran_tells_more_than_a_script_by_which_somebody_may_start_it() -> None:
    seen = gone()
    entry = BootEntry("local", "by-hand", "/srv/shop/start.sh", 3, "uvicorn shop:app", "", 8000, None, "nothing starts it at boot")
    by_hand = replace(stopped_service("start", 8000), unit=None, manager="none", boot_entry=entry)
    found = diagnose(replace(seen, services=(*seen.services, by_hand))).findings[0]
    assert (found.cause, found.evidence[0].source) == ("backend-down", "learned")
    assert found.repairs[0].id == "start-as-unit"


def test_what_was_remembered_without_its_variables_is_not_started() -> None:
    repair = diagnose(gone(replace(MADE, variables=(), readable=False))).findings[0].repairs[0]
    assert (repair.risk, repair.steps) == ("manual", ()) and "variables could not be read" in repair.manual


def test_a_value_that_stands_in_no_file_is_asked_for() -> None:
    lost = replace(MADE, variables=(("MODE", ENV), ("SHOP_KEY", "")))
    repair = diagnose(gone(lost)).findings[0].repairs[0]
    assert ([n.key for n in repair.needs], repair.needs[0].kind, repair.steps) == (["SHOP_KEY"], "secret", ())
    scene = Scene().refused()
    scene.files += FILES
    scene.node_changes["local"] = {"init": "systemd"}
    given = diagnose(replace(scene.snapshot(), learned=(Learned("local", 0.0, WHERE, (lost,)),)), {"SHOP_KEY": "it's"})
    assert written(given.findings[0].repairs[0])["/etc/default/shop"] == 'SHOP_KEY="it\'s"\n'
    # and so is one whose file does not give it any more
    assert diagnose(gone(files=FILES[:1])).findings[0].repairs[0].needs[0].key == "SHOP_KEY"


def test_names_of_units_that_are_taken_are_left_alone() -> None:
    snapshot = gone(files=(*FILES, file("/etc/systemd/system/shop.service", "[Service]\n")))
    assert "/etc/systemd/system/shop-backend.service" in written(diagnose(snapshot).findings[0].repairs[0])
    root = replace(MADE, directory="/", user="root", variables=())
    unit = written(diagnose(gone(root)).findings[0].repairs[0])["/etc/systemd/system/uvicorn.service"]
    assert "User=" not in unit and "EnvironmentFile" not in unit


@pytest.mark.parametrize(("made", "node"), [
    (replace(MADE, complete=False, argv=()), {"init": "systemd"}), (MADE, {"init": "busybox"}),
])
def test_what_cannot_be_made_a_unit_is_a_persons_work(made: LearnedService, node: dict[str, object]) -> None:
    repair = finding_of(diagnose(gone(made, **node)), "backend-down").repairs[0]
    assert (repair.risk, repair.steps) == ("manual", ())
    assert "/srv/shop" in repair.manual


@pytest.mark.parametrize("other", [
    replace(MADE, addresses=(("127.0.0.1", 9999, ""),)), replace(MADE, addresses=(("", 0, "/run/x.sock"),)),
    replace(MADE, manager="systemd"),
])
def test_what_was_learned_elsewhere_is_not_it(other: LearnedService) -> None:
    found = diagnose(gone(other)).findings
    assert not any(e.source == "learned" for f in found for e in f.evidence)


def test_the_same_command_on_another_port_is_not_gone() -> None:
    scene = Scene().with_service(
        service("uvicorn[300]", 8005, 300, unit=None, manager="none", argv=("python3", *MADE.argv[1:4], "8005", *MADE.argv[5:])),
        listener(8005, 300)).refused()
    snapshot = replace(scene.snapshot(), learned=(Learned("local", 0.0, WHERE, (MADE,)),))
    assert roots(diagnose(snapshot)) == ["wrong-port"]


@pytest.mark.parametrize(("port", "folder", "beside", "gone_too"), [
    (8100, "/srv/desk", True, True),         # another application of that name, in a folder of its own
    (8100, "/srv/shop", True, True),         # a second of the same folder, remembered at its own address
    (8100, "/srv/shop", False, False),       # the only one that is remembered, elsewhere now
    (8005, "/srv/shop", True, False),        # at neither one's address
])
def test_a_neighbour_with_the_same_command_is_not_it(port: int, folder: str, beside: bool, gone_too: bool) -> None:
    argv = ("python3", MADE.argv[1], "shop:app", "--port", str(port), *MADE.argv[5:])
    scene = Scene().with_service(service("desk.service", port, 300, argv=argv), listener(port, 300),
                                 cwd=Known(folder)).refused()
    other = replace(MADE, argv=argv, directory=folder, addresses=(("127.0.0.1", 8100, ""),), manager="systemd")
    known = (MADE, other) if beside else (MADE,)
    snapshot = replace(scene.snapshot(), learned=(Learned("local", 0.0, WHERE, known),))
    told = any(e.source == "learned" for f in diagnose(snapshot).findings for e in f.evidence)
    assert told == gone_too


@pytest.mark.parametrize(("text", "value"), [
    ("KEY=a", "a"), ("export KEY='a $b'", "a $b"), ('KEY="a b"  # c', "a b"), ("KEY=$(cat x)", None), ('KEY="$X"', None),
    ("KEY=a\nKEY=b", "b"), ("OTHER=a", None), ("KEY=a b", None), ('KEY="a\\"b"', None),
])
def test_values_are_read_only_where_no_shell_is_needed(text: str, value: str | None) -> None:
    assert assigned_value(text.encode(), "KEY") == value
