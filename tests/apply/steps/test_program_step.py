"""Programs of a real supervisord: started, updated with their files, and the way back of each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fixer.apply.repair_run import RepairRun, undo
from fixer.errors import StepFailed
from fixer.hosts.open_target import open_target, parse_target
from fixer.model.plan import Plan, ProgramAction, Step, WriteFile
from tests.contract.sshd_machines import docker
from tests.contract.test_learned_backend import Machine

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(600)]

CONF = "/etc/supervisor/supervisord.conf"
FILE = "/etc/supervisor/conf.d/sleeper.conf"
TEXT = "[program:sleeper]\ncommand=/bin/sleep 1000\nautostart=false\nstartsecs=1\n"
EAGER = "[program:eager]\ncommand=/bin/sh -c 'test \"$WORD\" = good && exec sleep 1000'\nenvironment=WORD=\"bad\"\nstartsecs=1\nstartretries=0\n"


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    made = Machine()
    try:
        made.wait("systemctl is-active nginx")
        made.sh(f"cat > {FILE} <<'END'\n{TEXT}END\ncat > /etc/supervisor/conf.d/eager.conf <<'END'\n{EAGER}END\nsystemctl start supervisor")
        made.wait("supervisorctl status eager | grep FATAL")
        yield made
    finally:
        docker("rm", "-f", "-v", made.name)


def state(machine: Machine, name: str) -> str:
    return machine.sh(f"supervisorctl status {name} || true").split()[1]


def action(name: str, verb: str, was: str, node: str) -> ProgramAction:
    return ProgramAction(node, name, name, verb, CONF, was)    # type: ignore[arg-type]


def apply(machine: Machine, *steps: Step) -> None:
    target = open_target(parse_target(f"docker://{machine.name}"))
    with RepairRun.open(target, cause="backend-down", now=1_795_000_000.0) as run:
        run.round(Plan("backend-down", "r", "safe", "start it", steps))
        run.commit()
    target.close()


def take_back(machine: Machine) -> None:
    target = open_target(parse_target(f"docker://{machine.name}"))
    assert not undo(target, None).conflicts
    target.close()


def test_a_stopped_program_is_started_and_stopped_again(machine: Machine) -> None:
    apply(machine, action("sleeper", "start", "STOPPED", machine.name))
    assert state(machine, "sleeper") == "RUNNING"
    take_back(machine)
    assert state(machine, "sleeper") == "STOPPED"


def test_an_edit_takes_effect_and_goes_back_with_it(machine: Machine) -> None:
    path, good = "/etc/supervisor/conf.d/eager.conf", EAGER.replace("bad", "good")
    write = WriteFile(machine.name, path, EAGER.encode(), good.encode(), "the right word")
    apply(machine, write, action("eager", "update", "FATAL", machine.name))
    assert state(machine, "eager") == "RUNNING"
    take_back(machine)
    machine.wait("supervisorctl status eager | grep FATAL")
    assert machine.sh(f"cat {path}") + "\n" == EAGER


def test_one_that_ends_at_once_is_a_step_that_failed(machine: Machine) -> None:
    with pytest.raises(StepFailed, match=r"ended right after its start|could not start"):
        apply(machine, action("eager", "start", "FATAL", machine.name))
    assert state(machine, "eager") in ("STOPPED", "FATAL")


def test_a_file_that_supervisord_has_not_read_is_forgotten_again(machine: Machine) -> None:
    machine.sh("printf '[program:late]\\ncommand=/bin/sleep 1000\\nstartsecs=1\\n' > /etc/supervisor/conf.d/late.conf")
    apply(machine, action("late", "update", "UNREAD", machine.name))
    assert state(machine, "late") == "RUNNING"
    take_back(machine)
    assert "no such process" in machine.sh("supervisorctl status late || true")


def test_a_program_that_somebody_removed_is_started(machine: Machine) -> None:
    """Its log still says that it was stopped: supervisord answers a start with "no such process"."""
    machine.sh("supervisorctl remove sleeper")
    apply(machine, action("sleeper", "start", "STOPPED", machine.name))
    assert state(machine, "sleeper") == "RUNNING"
    take_back(machine)
    assert state(machine, "sleeper") == "STOPPED"
