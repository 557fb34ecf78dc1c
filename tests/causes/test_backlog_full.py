"""backlog-full: connects that do not fit into a short queue, told apart from a firewall and from a backend that hangs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding, RuledOut, Undetermined
from fixer.model.facts import Known
from fixer.model.plan import DaemonReload, UnitAction, WriteFile
from fixer.model.snapshot import CommandArgument
from tests.causes.snapshot_builders import (
    GOOD,
    Scene,
    file,
    finding_of,
    healthy_scene,
    listener,
    roots,
    service,
    verdict_of,
)

CAUSE = "backlog-full"
UNIT = "/etc/systemd/system/backend.service"
TEXT = "[Service]\nExecStart=/usr/bin/uvicorn app.main:app --backlog 2\n"
TCP = ("upstream timed out (110: Connection timed out)", 110)
UNIX = ("connect() to unix:/run/app.sock failed (11: Resource temporarily unavailable)", 11)


def knocked(text: str = TEXT, *, said: tuple[str, int] = TCP, count: int = 4, queued: int = 3, state: str = "S",
            phase: str = "connecting to upstream", **changes: object) -> Scene:
    words, at = [], 0
    for word in text.splitlines()[1].removeprefix("ExecStart=").split():
        at = text.index(word, at)
        words.append(CommandArgument(word, UNIT, 2, at, at + len(word)))
    scene = Scene().with_service(service(command=tuple(words), **changes), listener(8000, 200, queued=queued), state=state)   # type: ignore[arg-type]
    scene.files.append(file(UNIT, text))
    return scene.answers(GOOD).logs(*said, phase, count=count)


def found(scene: Scene, **inputs: str) -> Finding:
    return finding_of(diagnose(scene.snapshot(), inputs), CAUSE)


def test_hit() -> None:
    diagnosis = diagnose(knocked().snapshot())
    assert roots(diagnosis) == [CAUSE] and diagnosis.verdict == "degraded"
    first = diagnosis.findings[0]
    assert (first.variant, first.confidence, first.repairs[0].risk) == ("accept-queue-full", "certain", "disruptive")
    write, reload, restart, _ = first.repairs[0].steps
    assert isinstance(write, WriteFile) and (write.after or b"").endswith(b"--backlog 2048\n")
    assert isinstance(reload, DaemonReload) and isinstance(restart, UnitAction)
    given = found(knocked(queued=0), backlog="99")
    assert given.confidence == "likely" and b"--backlog 99" in (given.repairs[0].steps[0].after or b"")   # type: ignore[union-attr]


def test_hit_a_unix_socket() -> None:
    first = found(knocked(said=UNIX, queued=0).endpoint(unix="/run/app.sock"))
    assert (first.variant, first.confidence) == ("unix-backlog-full", "certain")


def test_what_cannot_be_written_is_for_a_person() -> None:
    scene = knocked()
    scene.files.pop()
    assert found(scene).repairs[0].risk == "manual"
    assert found(knocked(unit=None, manager="none")).repairs[0].risk == "manual"


@pytest.mark.parametrize("scene", [
    healthy_scene(), knocked(count=2), knocked(TEXT.replace("2\n", "2048\n")), knocked(TEXT.replace(" --backlog 2", "")),
    knocked(state="T"), knocked(phase="reading response header from upstream"), knocked(said=("x (111: refused)", 111)),
    knocked().endpoint(configured_service=None, listening_service=None), knocked().endpoint(down=True), knocked().endpoint(listener=Known(None)).
    endpoint(tcp=Known(replace(GOOD, status=None, error="refused"))),
])
def test_miss(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def test_unknown_who_sets_the_queue_of_a_unix_socket() -> None:
    scene = knocked(TEXT.replace(" --backlog 2", ""), said=UNIX).endpoint(unix="/run/app.sock")
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), Undetermined)
