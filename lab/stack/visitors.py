"""Visitors: a container of the stack that requests the slow page repeatedly, at a bounded rate."""

from __future__ import annotations

import math
import os

from lab.errors import UsageError
from lab.oracle import LoadSpec
from lab.paths import compose_root
from lab.scenario.catalog import scenario_named
from lab.scenario.templates import fill_deep
from lab.stack.docker_command import LABEL
from lab.stack.docker_engine import networks_of, start_helper
from lab.stack.running_lab import Lab

VISIT_MINUTES = 30.0  # limit for a forgotten lab
PAUSE = (2.0, 4.0)  # seconds between an answer, good or bad, and the next request
# requested reports, as a multiple of what one worker serves: they fail, the queue grows slowly
OVERLOAD_FACTOR = 1.2
LOAD_VARIABLE = "BADGATEWAY_LAB_LOAD"  # `short`: a lab is judged by a short burst, as script/demo does


def load_of(lab: Lab) -> LoadSpec | None:
    """Return the load at which a lab is judged; None if its scenario has none.
    BADGATEWAY_LAB_LOAD=short asks for a short burst of it."""
    wanted = os.environ.get(LOAD_VARIABLE, "full")
    if wanted not in ("full", "short"):
        raise UsageError(f"{LOAD_VARIABLE} is {wanted!r}", f"set {LOAD_VARIABLE}=short, or unset it")
    table = scenario_named(lab.record.scenario).variant(lab.record.variant).load
    if table is None:
        return None
    filled = fill_deep(dict(table), lab.params, f"{lab.record.scenario}/scenario.toml: load")
    assert isinstance(filled, dict)
    known = {key: int(filled[key]) for key in ("requests", "at_once") if key in filled}
    spec = LoadSpec(limit=float(filled["limit"]), work=float(filled["work"]), **known)
    return spec.short_burst() if wanted == "short" else spec


def overload_visitor_count(spec: LoadSpec) -> int:
    """Return enough visitors to overload one worker, even if each waits the full time limit for its answer."""
    return math.ceil(OVERLOAD_FACTOR * (spec.limit + sum(PAUSE) / 2) / spec.work)


def visitor_count(lab: Lab, spec: LoadSpec) -> int:
    """Return the scenario's number of visitors; by default too many for one worker."""
    table = scenario_named(lab.record.scenario).variant(lab.record.variant).load or {}
    return int(table.get("people", 0)) or overload_visitor_count(spec)


def start_visitors(lab: Lab) -> None:
    """Start the visitors; `down` finds them by the label. Do nothing if the scenario has no load."""
    spec = load_of(lab)
    if spec is None:
        return
    front = f"{lab.id}-host" if lab.stack == "host" else lab.service("web")
    image = lab.deployment.images["app"]
    account = [lab.deployment.login, lab.deployment.password]
    scheme = "https" if lab.deployment.tls else "http"
    words = [f"{scheme}://{front}", *account, str(visitor_count(lab, spec)), *map(str, PAUSE), str(VISIT_MINUTES * 60)]
    start_helper(image, ["python3", "/visit.py", *words], name=f"{lab.id}-visitors", labels={LABEL: lab.id},
                 network=min(networks_of(lab.container("web"))), memory="128m",
                 files={"/visit.py": str(compose_root() / "visitors" / "visit.py")})
