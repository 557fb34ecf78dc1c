"""A variable that the start script sets for its shell only: it was called set, and a start the way out."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.plan import WriteFile
from fixer.model.snapshot import EnvAssignment
from tests.causes.crash_missing_env.crash_missing_env_builders import CAUSE, crashed
from tests.causes.snapshot_builders import file, finding_of

PATH = "/srv/shop/env.sh"


@pytest.mark.parametrize(("line", "after"), [
    (b"SECRET_KEY=1\nB=2\n", b"export SECRET_KEY=1\nB=2\n"), (b"  SECRET_KEY='a b'", b"  export SECRET_KEY='a b'"),
    (b"A=1 SECRET_KEY=2\n", None), (b": ${SECRET_KEY:=2}\n", None),
])
def test_it_is_exported_where_it_stands(line: bytes, after: bytes | None) -> None:
    scene = crashed(env=(EnvAssignment("SECRET_KEY", f"{PATH}:1", False, exported=False),))
    scene.files.append(file(PATH, line))
    diagnosis = diagnose(scene.snapshot())
    assert "no longer holds" not in str(diagnosis.findings)
    found = finding_of(diagnosis, CAUSE)
    assert "is set in its start script, but not exported" in found.summary and found.confidence == "certain"
    assert found.evidence[0].where == f"{PATH}:1" and "=2" not in found.evidence[0].text
    (repair,) = found.repairs
    writes = [step for step in repair.steps if isinstance(step, WriteFile)]
    assert [step.after for step in writes] == ([] if after is None else [after])
    assert repair.risk == ("manual" if after is None else "disruptive") and "`export` before SECRET_KEY" in (
        repair.manual or repair.summary)


@pytest.mark.parametrize(("second", "written"), [
    (f"{PATH}:2", [b"export A_KEY=1\nexport B_KEY=2\n"]), ("/srv/shop/more.sh:1", [b"export A_KEY=1\nB_KEY=2\n", b"export B_KEY=2\n"]),
])
def test_each_line_of_several_is_exported_once(second: str, written: list[bytes]) -> None:
    scene = crashed("ValidationError: 2 validation errors for Settings", "A_KEY", "  Field required [type=missing, input_value={}]",
                    "B_KEY", "  Field required [type=missing, input_value={}]", env=(
        EnvAssignment("A_KEY", f"{PATH}:1", False, exported=False), EnvAssignment("B_KEY", second, False, exported=False)))
    scene.files += [file(PATH, b"A_KEY=1\nB_KEY=2\n"), file("/srv/shop/more.sh", b"B_KEY=2\n")]
    (repair,) = finding_of(diagnose(scene.snapshot()), CAUSE).repairs
    assert [step.after for step in repair.steps if isinstance(step, WriteFile)] == written


def test_who_writes_the_file_again_is_said() -> None:
    scene = crashed(env=(EnvAssignment("SECRET_KEY", f"{PATH}:1", False, exported=False),))
    scene.files.append(file(PATH, b"SECRET_KEY=1\n", managed_by="Ansible"))
    (repair,) = finding_of(diagnose(scene.snapshot()), CAUSE).repairs
    assert "Ansible manages" in repair.summary


def test_what_is_exported_only_needs_a_start() -> None:
    scene = crashed(env=(EnvAssignment("SECRET_KEY", f"{PATH}:1", False),))
    assert "it is set now" in finding_of(diagnose(scene.snapshot()), CAUSE).summary
    blind = crashed(env=(EnvAssignment("SECRET_KEY", f"{PATH}:1", False, exported=False),))
    assert finding_of(diagnose(blind.snapshot()), CAUSE).repairs[0].risk == "manual", "nobody read that file"
