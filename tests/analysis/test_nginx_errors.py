"""Which lines of nginx's log count as the symptom of a failing address."""

from __future__ import annotations

import pytest

from fixer.analysis.case import open_case
from fixer.analysis.nginx_errors import Kinds, events_for, symptom_evidence
from fixer.nginx.error_kinds import CONNECT_FAILED, CONNECTING, CUT_OFF, READ_TIMEOUT
from tests.causes.snapshot_builders import Scene

UP, HEAD = "connecting to upstream", "reading response header from upstream"


@pytest.mark.parametrize(("message", "errno", "phase", "kinds"), [
    ("768 worker_connections are not enough", None, UP, CONNECT_FAILED),
    ("768 worker_connections are not enough", None, UP, CONNECTING),
    ("client timed out (110: Connection timed out) for an upstream", 110, "reading client request headers", READ_TIMEOUT),
    ('FastCGI sent in stderr: "PHP message: invalid argument"', None, HEAD, CUT_OFF),
    ('upstream sent duplicate header line: "X-State: invalid", previous value: "X-State: a"', None, HEAD, CUT_OFF),
    ('open() "/srv/upstream could not be resolved (3: x)" failed (2: No such file)', 2, "", {"name-not-resolved"}),
])
def test_a_line_that_only_looks_like_a_symptom(message: str, errno: int | None, phase: str, kinds: Kinds) -> None:
    snapshot = Scene().refused().logs(message, errno, phase, ago=1.0).snapshot()
    case = open_case(snapshot, {})
    found = events_for(case, case.failing_addresses[0], kinds)
    assert message not in {event.message for event in found}
    assert message in {event.message for event in snapshot.nginxes[0].errors.or_else(())}


def test_a_line_is_quoted_whole_however_long_its_request_is() -> None:
    """nginx names the upstream after the request: what is cut at the end is the proof."""
    case = open_case(Scene().refused().logs("connect() failed (111: Connection refused)", 111, UP, ago=1.0,
                                            path=f"/search/{'word/' * 200}").snapshot(), {})
    quoted = symptom_evidence(case, case.failing_addresses[0])[0].text
    assert quoted.endswith('word/?0 HTTP/1.1"') and len(quoted) > 1000
