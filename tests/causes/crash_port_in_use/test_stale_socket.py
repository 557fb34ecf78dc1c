"""start-socket-stale: the file of a killed run's socket, on which nothing listens."""

from __future__ import annotations

from dataclasses import replace

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Known
from fixer.model.plan import UnitAction, WriteFile
from tests.causes.crash_port_in_use.crash_port_in_use_builders import CAUSE
from tests.causes.snapshot_builders import Scene, binding, failed_service, log_lines, probe, roots


def left(*lines: str, tcp: str = "refused") -> Scene:
    path = "/var/lib/shop/http.sock"
    own = Known((replace(binding(0), unix=path),))
    scene = Scene().with_service(failed_service(log=log_lines("Started backend.service.", *lines), bindings=own))
    scene.endpoint(unix=path, host=path, port=0, tcp=Known(probe(None, error=tcp)), listener=Known(None))
    return scene.answers()


def test_the_socket_of_an_earlier_run_is_taken_away_before_each_start() -> None:
    diagnosis = diagnose(left("OSError: [Errno 98] Address already in use").snapshot())
    assert roots(diagnosis) == [CAUSE]
    one = diagnosis.findings[0]
    assert (one.variant, one.confidence) == ("start-socket-stale", "likely")
    write, _, *rest = one.repairs[0].steps
    assert isinstance(write, WriteFile)
    assert write.after is not None and b"ExecStartPre=-/bin/rm -f /var/lib/shop/http.sock\n" in write.after
    assert [s.verb for s in rest if isinstance(s, UnitAction)] == ["reset-failed", "start"]
    named = left("Error: listen EADDRINUSE: address already in use /var/lib/shop/http.sock")
    assert diagnose(named.snapshot()).findings[0].confidence == "certain"


def test_a_socket_that_is_not_there_is_in_nobodys_way() -> None:
    for scene in (left("OSError: [Errno 98] Address already in use", tcp="no-socket"), left("Killed")):
        assert "start-socket-stale" not in [f.variant for f in diagnose(scene.snapshot()).findings]
