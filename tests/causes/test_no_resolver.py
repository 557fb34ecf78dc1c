"""no-resolver: a name in a variable, and no name server that nginx may ask."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    NOW,
    Scene,
    error_event,
    finding_of,
    healthy_scene,
    roots,
    verdict_of,
)

CAUSE = "no-resolver"


def asked(text: str, *, addresses: tuple[str, ...] = ("172.18.0.2",), ago: float = 2.0) -> Scene:
    """A running nginx that said this when it was asked for a page."""
    scene = Scene("app:8000").answers(BAD_GATEWAY).endpoint(
        addresses=Known(addresses), listener=Unknown("x"), tcp=Unknown("x"), http=Unknown("x"), node=None, listening_service=None, configured_service=None)
    scene.events.append(error_event(NOW - ago, "error", text, None, "", "10.0.0.9", "", "GET / HTTP/1.1", "", "log:1", f"[error] {text}"))
    return scene


def test_hit() -> None:
    diagnosis = diagnose(asked("no resolver defined to resolve app").snapshot())
    assert roots(diagnosis) == [CAUSE]
    shown = diagnosis.findings[0]
    assert (shown.variant, shown.confidence, shown.repairs[0].risk) == ("resolver-missing", "certain", "manual")
    assert "here it resolves to 172.18.0.2" in shown.repairs[0].manual and "has no `resolver`" in shown.summary
    assert shown.evidence[0].text.endswith("no resolver defined to resolve app")


def test_the_name_servers_at_hand_are_told() -> None:
    scene = asked("no resolver defined to resolve app")
    scene.node_changes["local"] = {"name_servers": ("10.0.2.3",)}
    shown = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert "set `resolver` to a name server (its /etc/resolv.conf names 10.0.2.3) in " in shown.repairs[0].manual


def test_what_the_name_leads_to_is_told_only_where_it_does() -> None:
    shown = finding_of(diagnose(asked("no resolver defined to resolve app", addresses=()).snapshot()), CAUSE)
    assert "resolves to" not in shown.repairs[0].manual


@pytest.mark.parametrize(("text", "ago"), [
    ("no resolver defined to resolve app.example", 2.0),     # of another name: a visitor chose it, or another site has it
    ("app could not be resolved (3: Host not found)", 2.0), ("no resolver defined to resolve app", 7200.0),
])
def test_miss(text: str, ago: float) -> None:
    assert isinstance(verdict_of(diagnose(asked(text, ago=ago).snapshot()), CAUSE), RuledOut)


def test_unknown_where_nginx_s_log_could_not_be_read() -> None:
    scene = asked("no resolver defined to resolve app")
    scene.nginx["errors"] = Unknown("not root")
    verdict = verdict_of(diagnose(scene.snapshot()), CAUSE)
    assert isinstance(verdict, Undetermined) and "whether nginx has a resolver for app: not root" in verdict.missing[0]


def test_a_healthy_host_has_none() -> None:
    assert isinstance(verdict_of(diagnose(healthy_scene().snapshot()), CAUSE), RuledOut)
