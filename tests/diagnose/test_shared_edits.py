"""One change that mends several instances: all that read the file start anew with it, and go back with it."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.apply.steps.unit_step import apply_unit
from fixer.diagnose.run_causes import diagnose
from fixer.model.host import CommandResult
from fixer.model.plan import UnitAction, WaitForListener, WriteFile
from fixer.model.snapshot import EnvSlot, Service
from fixer.redaction.masked_steps import describe_step, step_from_json, step_to_json
from tests.causes.snapshot_builders import Scene, failed_service, file, finding_of, log_lines

DATA = "WORKERS=1\n"


def instance(number: int, path: str) -> Service:
    name = f"app@{number}.service"
    slot = EnvSlot("local", path, len(DATA), "{name}={value}\n", "env-file")
    said = log_lines(f"Started {name}.", "RuntimeError: SHOP_TOKEN is not set")
    return failed_service(name, 8000 + number, log=said, env_slots=(slot,))


def repaired(*paths: str) -> list[object]:
    scene = Scene(*(f"127.0.0.1:{8000 + n}" for n, _ in enumerate(paths)))
    for number, path in enumerate(paths):
        scene.with_service(instance(number, path)).refused(number)
    scene.files += [file(path, DATA) for path in dict.fromkeys(paths)]
    return list(finding_of(diagnose(scene.snapshot(), {"SHOP_TOKEN": "x"}), "crash-missing-env").repairs[0].steps)


def test_all_that_read_the_file_are_restarted() -> None:
    write, _, start, other, wait = repaired("/etc/shop/app.env", "/etc/shop/app.env")
    assert isinstance(write, WriteFile) and isinstance(start, UnitAction) and isinstance(wait, WaitForListener)
    assert isinstance(other, UnitAction)
    assert (start.unit, start.along, other.unit, other.verb, other.along) == (
        "app@0.service", False, "app@1.service", "restart", True)
    assert other.was_active == "failed"      # so an undo stops it again
    assert describe_step(other) == "restart app@1.service (it reads the same file)"
    assert step_from_json(step_to_json(other)) == other


def test_who_has_a_file_of_its_own_is_left_alone() -> None:
    steps = repaired("/etc/shop/0.env", "/etc/shop/1.env")
    assert not any(isinstance(step, UnitAction) and step.along for step in steps)


class Machine:
    """What was asked of it; a start fails."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        self.asked.append(tuple(argv))
        return CommandResult(tuple(argv), 0, b"ActiveState=failed\nSubState=failed\n", b"")


def test_what_is_restarted_along_ends_no_round() -> None:
    machine = Machine()
    apply_unit(UnitAction("local", "app@1.service", "restart", "failed", "enabled", along=True), machine)
    assert machine.asked[-1] == ("systemctl", "--no-ask-password", "--no-block", "restart", "--", "app@1.service")
