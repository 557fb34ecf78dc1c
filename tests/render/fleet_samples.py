"""Reports of fleets, made by hand: what the renderers are tried on."""

from __future__ import annotations

from dataclasses import replace

from fixer.model.fleet import FleetGroup, FleetRepair, FleetReport, UnseenGroup
from tests.render.report_samples import HOSTILE

WRONG_PORT = FleetGroup("wrong-port", "container-wrong-port", tuple(f"web-{n}" for n in range(3, 15)), ("web-40",),
                        "nginx hands /api to 127.0.0.1:8001, where nothing listens.",
                        (FleetRepair("point-route-at-listener", "safe", 12), FleetRepair("edit", "manual", 1)))
NO_CAUSE = FleetGroup(None, None, ("web-2",), (), "", ())
MIXED = FleetReport(
    1, "not-healthy", 17, ("web-1", "web-41"), ("web-41",), (WRONG_PORT, NO_CAUSE),
    (UnseenGroup("nothing answers at port 22", ("web-50", "web-51")),), ("the last report of a host counts; earlier ones: 1",),
)
HEALTHY = FleetReport(1, "healthy", 1, ("web-1",), (), (), ())
UNSEEN = replace(HEALTHY, verdict="incomplete", hosts=2, unseen=MIXED.unseen[:1])
EVIL = FleetReport(1, "not-healthy", 3, (HOSTILE,), (), (
    FleetGroup(HOSTILE, HOSTILE + "2", (HOSTILE + "3",), (), HOSTILE, (FleetRepair(HOSTILE, "safe", 1),)),
), (UnseenGroup(HOSTILE, (HOSTILE + "4",)),), (HOSTILE,))
