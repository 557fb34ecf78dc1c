"""unix-socket-missing: a file or a folder is at the path of the socket."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Known
from fixer.model.query import FileKind
from tests.causes.snapshot_builders import Scene, binding, failed_service, log_lines, roots, stat
from tests.causes.unix_socket_missing.unix_socket_missing_builders import ASKED, scene

CAUSE = "unix-socket-missing"
IN_USE = "OSError: [Errno 98] Address '/run/shop/app.sock' is already in use"


def occupied(kind: FileKind, mode: int = 0o100644) -> Scene:
    """Something is at the path of the socket, and the service could not start."""
    made = failed_service(bindings=Known((replace(binding(0), host="", unix=ASKED),)), log=log_lines(IN_USE))
    found = scene(made).endpoint(configured_service=made.id)
    found.node_changes["local"] = {"init": "systemd", "files": ((ASKED, stat(kind=kind, mode=mode)),)}
    return found


@pytest.mark.parametrize(("kind", "what"), [("file", "a plain file"), ("dir", "a folder")])
def test_hit_the_path_leads_to_no_socket(kind: FileKind, what: str) -> None:
    diagnosis = diagnose(occupied(kind).snapshot())
    assert roots(diagnosis) == [CAUSE]
    first = diagnosis.findings[0]
    assert (first.variant, first.confidence, first.service) == ("unix-socket-not-a-socket", "certain", "backend.service")
    assert what in first.summary and first.repairs[0].risk == "manual" and f"mv {ASKED}" in first.repairs[0].manual


def test_miss_a_socket_that_is_left_over_is_another_cause() -> None:
    assert roots(diagnose(occupied("socket", 0o140666).snapshot())) == ["crash-port-in-use"]
