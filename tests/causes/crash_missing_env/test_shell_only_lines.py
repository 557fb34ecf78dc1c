"""A variable that stands in an EnvironmentFile= in a line which a shell takes and systemd does not."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.plan import UnitAction, WriteFile
from tests.causes.crash_missing_env.test_crash_missing_env import TRACEBACK
from tests.causes.snapshot_builders import Scene, failed_service, file, finding_of, log_lines

CAUSE, PATH = "crash-missing-env", "/etc/shop.env"


def crashed(text: str, word: str = f"{PATH} (ignore_errors=no)") -> Scene:
    """The program misses SECRET_KEY; this is what its file holds."""
    scene = Scene().with_service(failed_service(log=log_lines(*TRACEBACK), unit_changes={"environment_files": (word,)})).refused()
    scene.files.append(file(PATH, text))
    return scene


@pytest.mark.parametrize(("text", "after", "line"), [
    ("# x\nexport SECRET_KEY=s3c\nexport B=1\n", "# x\nSECRET_KEY=s3c\nexport B=1\n", 2),
    ("  export  SECRET_KEY='a b'\r\n", "  SECRET_KEY='a b'\r\n", 1),
    ("declare -x SECRET_KEY=\"a b\"", "SECRET_KEY=\"a b\"", 1),
    ("\ufeffSECRET_KEY=s3c\nB=1\n", "SECRET_KEY=s3c\nB=1\n", 1),
])
def test_what_stands_before_the_name_is_taken_away(text: str, after: str, line: int) -> None:
    found = finding_of(diagnose(crashed(text).snapshot()), CAUSE)
    (repair,) = found.repairs
    first, *rest = repair.steps
    assert (repair.id, repair.risk, repair.needs) == ("mend-variable-line", "disruptive", ())
    assert isinstance(first, WriteFile) and (first.path, first.before, first.after) == (
        PATH, text.encode(), after.encode())
    assert any(isinstance(step, UnitAction) and step.verb == "start" for step in rest)
    assert found.evidence[-1].where == f"{PATH}:{line}" and "s3c" not in repr((found.detail, found.evidence))
    assert (b"s3c" in first.mask) is ("s3c" in text)


@pytest.mark.parametrize(("text", "after", "line"), [
    ('A="x\nSECRET_KEY=s3c\n', 'A="x"\nSECRET_KEY=s3c\n', 2),
    ("# y\r\nA='x y\r\nB=2\r\nSECRET_KEY=s3c\r\n", "# y\r\nA='x y'\r\nB=2\r\nSECRET_KEY=s3c\r\n", 4),
])
def test_an_open_quote_above_it_is_closed(text: str, after: str, line: int) -> None:
    found = finding_of(diagnose(crashed(text).snapshot()), CAUSE)
    (repair,) = found.repairs
    first = repair.steps[0]
    assert isinstance(first, WriteFile) and (first.before, first.after) == (text.encode(), after.encode())
    assert "the quote of A at line" in repair.summary
    assert f"{PATH}:{line} sets SECRET_KEY within the value of A" in found.detail[0] and "s3c" not in repr(found.detail)


@pytest.mark.parametrize("text", [
    'A="x\nB="y"\nSECRET_KEY="s3c"\n'.replace('B="y"\n', ""),       # closed by the quote that was to open another
    "A=C:\\shop\\\nSECRET_KEY=s3c\n", 'A=x"y\nB=\'-----BEGIN\nSECRET_KEY=abc\n-----END\'\n', 'A="x $(y)\nSECRET_KEY=s3c\n',
])
def test_what_runs_on_in_another_way_is_said_and_a_person_gives_the_value(text: str) -> None:
    found = finding_of(diagnose(crashed(text).snapshot()), CAUSE)
    assert found.repairs[0].id == "set-variable" and "sets SECRET_KEY within the value of" in found.detail[0]


@pytest.mark.parametrize("value", ["$(cat /run/key)", "$OTHER", "a # b", "a b", "", "a\\nb", '"a"b'])
def test_a_value_that_a_shell_makes_is_for_a_person_to_give(value: str) -> None:
    found = finding_of(diagnose(crashed(f"export SECRET_KEY={value}\n").snapshot()), CAUSE)
    assert found.repairs[0].id == "set-variable" and found.repairs[0].needs[0].key == "SECRET_KEY"
    assert "behind `export`" in found.detail[0]


@pytest.mark.parametrize("text", ["export SECRET_KEYS=1\n", "#export SECRET_KEY=1\n", "A=1\n\ufeffSECRET_KEY=1\n", ""])
def test_no_such_line(text: str) -> None:
    found = finding_of(diagnose(crashed(text).snapshot()), CAUSE)
    assert found.repairs[0].id == "set-variable" and found.detail == ("nothing listens while it does not run",)


def test_a_value_that_a_person_gives_goes_before() -> None:
    found = finding_of(diagnose(crashed("export SECRET_KEY=s3c\n").snapshot(), {"SECRET_KEY": "new"}), CAUSE)
    assert found.repairs[0].id == "set-variable" and found.repairs[0].steps
