"""A real uWSGI behind `uwsgi_pass`: it is asked directly in its own protocol, and its silence is seen."""

from __future__ import annotations

import pytest

from fixer.app.inspect_target import open_named_target
from fixer.hosts.machine.prefetch import forget_prefetched
from fixer.model.facts import Known
from fixer.model.snapshot import Endpoint
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.collect_capture import collect
from fixer.observe.view.observe_options import ObserveOptions
from lab.pytest_plugin import StartLab

pytestmark = [pytest.mark.docker, pytest.mark.apart, pytest.mark.timeout(300)]


def backend(target: str) -> Endpoint:
    """The address that nginx hands its requests to, as it is seen now."""
    forget_prefetched()
    with open_named_target(target) as opened:
        snapshot = build_snapshot(collect(opened, ObserveOptions()))
    [asked] = {end.id: end for end in snapshot.endpoints if end.protocol == "uwsgi"}.values()
    return asked


def test_it_refuses_answers_and_is_silent(badgateway_lab: StartLab) -> None:
    lab = badgateway_lab("header-too-big/request-too-big-for-uwsgi", stack="host")
    heard = backend(lab.target).http
    assert isinstance(heard, Known) and heard.value.error in ("closed", "reset"), "its block does not fit the buffer"
    unit = lab.lab.unit("backend")
    larger = f"sed -i 's/^buffer-size = .*/buffer-size = 16384/' $(find / -xdev -name uwsgi.ini); systemctl restart {unit}"
    assert lab.lab.run_in("web", ["sh", "-c", f"{larger}; until curl -sf -o /dev/null 127.0.0.1; do sleep 0.1; done"]).code == 0
    heard = backend(lab.target).http
    assert isinstance(heard, Known) and heard.value.status is not None and heard.value.status < 500, heard
    assert lab.lab.run_in("web", ["systemctl", "kill", "--signal=STOP", unit]).code == 0
    try:
        heard = backend(lab.target).http
        assert isinstance(heard, Known) and (heard.value.status, heard.value.error) == (None, "slow"), heard
    finally:
        lab.lab.run_in("web", ["systemctl", "kill", "--signal=CONT", unit])
