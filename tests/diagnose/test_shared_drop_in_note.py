"""A drop-in of a type, or of a row of names, that breaks one service holds for others too."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Evidence
from fixer.model.snapshot import UnitSetting
from tests.causes.snapshot_builders import Scene, failed_service, listener, log_lines, service, stopped_service

TYPE = "/etc/systemd/system/service.d/hardening.conf"


def broken(path: str = TYPE, *others: tuple[str, str], name: str = "backend.service") -> tuple[str, ...]:
    limit = UnitSetting("LimitAS", "20M", Evidence("unit", f"{path}:3", "LimitAS=20M"))
    scene = Scene().with_service(failed_service(
        name, log=log_lines("Started backend.service.", "MemoryError"), settings=(limit,),
        unit_changes={"drop_in_paths": (path,)})).refused()
    for number, (other, shared) in enumerate(others):
        paths = {"drop_in_paths": (shared,)}
        if number:
            scene.services.append(stopped_service(other, 9000 + number, unit_changes=paths))
        else:
            scene.with_service(service(other, 9000, 300, unit_changes=paths), listener(9000, 300))
    diagnosis = diagnose(scene.snapshot())
    assert diagnosis.findings[0].cause == "crash-killed"
    return tuple(note for note in diagnosis.notes if "next start" in note)


def test_who_else_is_hit_is_told_with_their_number() -> None:
    rest = tuple((f"s{n}.service", TYPE) for n in range(5))
    (note,) = broken(TYPE, *rest)
    assert "at least 5 more services here (s0.service, s1.service, s2.service and 2 more)" in note
    assert "1 of them runs with what was loaded before" in note and note.startswith(TYPE)


@pytest.mark.parametrize(("path", "other"), [
    (TYPE, ()), (TYPE, (("mail.service", "/etc/systemd/system/mail.service.d/x.conf"),)),
    ("/etc/systemd/system/backend.service.d/x.conf", (("mail.service", "/etc/systemd/system/backend.service.d/x.conf"),)),
])
def test_a_file_of_its_own_or_that_nobody_shares(path: str, other: tuple[tuple[str, str], ...]) -> None:
    assert broken(path, *other) == ()


def test_a_row_of_names() -> None:
    path = "/etc/systemd/system/shop-.service.d/x.conf"
    (note,) = broken(path, ("shop-mail.service", path), name="shop-web.service")
    assert "at least 1 more service here (shop-mail.service)" in note
