"""What is done about a stopped dependency that no log names."""

from __future__ import annotations

from tests.causes.crash_dependency_down.stopped_dependency_builders import (
    CAUSE,
    DATABASE,
    STARTED,
    TOLD,
    postgres,
    scene,
    told,
    verbs,
)
from tests.causes.snapshot_builders import failed_service, file, log_lines, roots, stopped_service


def test_both_rest_and_the_database_is_meant_to_run() -> None:
    found = told(scene(stopped_service(dependencies=(TOLD,)))).findings
    assert [f.cause for f in found[:2]] == [CAUSE, "backend-down"] and verbs(found[0]) == [("start", DATABASE)]
    off = postgres(unit_file_state="disabled")
    assert roots(told(scene(stopped_service(dependencies=(TOLD,)), off))) == ["backend-down"]      # put to rest, perhaps on purpose


def test_a_unit_that_its_unit_wants_is_meant_too() -> None:
    built = scene(failed_service(log=log_lines(STARTED)))
    built.files.append(file("/etc/systemd/system/backend.service", f"[Unit]\nWants={DATABASE}\n[Service]\n"))
    found = told(built).findings[0]
    assert found.cause == CAUSE and any(f"Wants={DATABASE}" in e.text for e in found.evidence)
