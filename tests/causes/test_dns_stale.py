"""dns-stale: nginx asks an address that the name no longer has."""

from __future__ import annotations

from typing import Any

import pytest

from fixer.diagnose import diagnose
from fixer.model.diagnosis import RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.snapshot import ErrorEvent
from tests.causes.building import (
    BAD_GATEWAY,
    NOW,
    SLOW,
    Scene,
    boxed,
    healthy,
    listener,
    moved,
    probe,
    roots,
    verdict_of,
)

STALE = "dns-stale"


def event(upstream: str, errno: int = 111) -> ErrorEvent:
    return ErrorEvent(NOW - 3, "error", f"connect() failed ({errno}: x)", errno, "connecting to upstream", "10.0.0.9", "",
                      "GET / HTTP/1.1", upstream, "log:1", f'[error] connect() failed, upstream: "{upstream}"')


def renamed(*upstreams: str, **changes: Any) -> Scene:
    """The name answers when asked directly, and nginx fails at these addresses."""
    scene = Scene("app:8000", node="web", back="app").with_service(
        boxed(box={"started_at": NOW - 60, **changes}), listener(8000, 7, "0.0.0.0", "app"))
    scene.endpoint(addresses=Known(("172.18.0.5",))).answers(BAD_GATEWAY)
    scene.events += [event(text) for text in upstreams or ("http://172.18.0.2:8000/",)]
    return scene


def test_hit() -> None:
    for scene in (renamed(), renamed("http://172.18.0.2:8000/login", "http://172.18.0.2:8000/"), renamed("172.18.0.2:8000"),
                  renamed(started_at=NOW - 9000)):
        diagnosis = diagnose(scene.snapshot())
        assert roots(diagnosis) == [STALE]
        found = diagnosis.findings[0]
        assert (found.variant, found.repairs[0].risk) == ("stale-dns", "safe")
        assert "172.18.0.2" in found.summary and "172.18.0.5" in found.summary


def test_hit_of_a_v6_address() -> None:
    assert roots(diagnose(renamed("http://[fd00::2]:8000/").snapshot())) == [STALE]


@pytest.mark.parametrize("scene", [
    healthy(), moved(), renamed("http://172.18.0.5:8000/"), renamed("http://172.18.0.2:8000/", "http://172.18.0.5:8000/"),
    renamed("http://app/"), renamed("odd"), renamed().endpoint(host="172.18.0.9"), renamed().endpoint(addresses=Known(())),
    renamed().endpoint(tcp=Known(SLOW), http=Known(SLOW)), renamed().endpoint(tcp=Known(probe(error="refused")),
                                                                           http=Known(probe(error="refused"))),
])
def test_miss(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), STALE), RuledOut)


def test_unknown() -> None:
    assert isinstance(verdict_of(diagnose(renamed().endpoint(addresses=Unknown("no getent")).snapshot()), STALE), Undetermined)
