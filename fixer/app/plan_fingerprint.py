"""The plan that was shown, with an id that stands for it and for the facts that it was made from.

Whoever applies it later (`fixer repair --plan ID`, an agent) gets exactly that plan, or a refusal: another step, an
edited file or a restarted service makes another id. The id is a digest of what reports show, of file metadata and of
names. No secret enters it, since a digest of one could be guessed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

from fixer.app.plan_warnings import plan_warnings
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Known
from fixer.model.plan import Plan, Step, WriteFile
from fixer.model.query import FileStat
from fixer.model.report import PlanReport
from fixer.model.snapshot import Snapshot
from fixer.redaction.masked_steps import step_to_json
from fixer.render.build_report import repair_report
from fixer.verify import Observation, route_keys

with lazy_imports():
    from hashlib import sha256

_ID_LENGTH = 32  # hexadecimal digits
_STOPPING_VERBS = ("restart", "stop")
# A service that crashes again and again has another process each second, and none of this matters for its start.
_START_STATES = ("main_pid", "was", "was_active")


def plan_report(drawn: Plan, finding: Finding, chosen: Repair, look: Observation) -> PlanReport:
    """Return the plan as programs read it. `chosen` is the repair that it was drawn from."""
    shown = repair_report(chosen)
    draft = PlanReport(
        "", "repair", finding.cause, finding.variant, finding.service, finding.node, shown.id, drawn.risk, drawn.proof,
        shown.summary, shown.steps, shown.diff, plan_warnings(drawn.steps), None,
    )
    facts = [asdict(draft), str(look.snapshot.target), sorted(map(str, route_keys(look.snapshot, finding.routes))),
             *map(_step_facts, drawn.steps), *_observed_facts(drawn, finding, look.snapshot)]
    text = json.dumps(facts, sort_keys=True, default=str)
    return PlanReport(**{**asdict(draft), "id": sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_ID_LENGTH]})


def _step_facts(step: Step) -> object:
    fields = json.loads(step_to_json(step))
    if fields.get("verb") not in (None, *_STOPPING_VERBS):
        fields = {name: value for name, value in fields.items() if name not in _START_STATES}
    return fields


def _observed_facts(drawn: Plan, finding: Finding, seen: Snapshot) -> Iterator[object]:
    """Yield the configuration that the plan was made from: nginx's files, edited files, the addresses of the routes."""
    for nginx in seen.nginxes:
        files = nginx.config.value.files if isinstance(nginx.config, Known) else ()
        changed = nginx.config_mtime.value if isinstance(nginx.config_mtime, Known) else None
        yield nginx.node, nginx.conf_path, nginx.binary, files, changed
    for step in drawn.steps:
        edited = seen.file(step.node, step.path) if isinstance(step, WriteFile) else None
        if edited is not None:
            yield edited.node, edited.real_path, _file_facts(edited.stat)
    asked = {name for facts in seen.routes if facts.route.id in finding.routes for name in facts.endpoints}
    for endpoint in seen.endpoints:
        if endpoint.id in asked:
            addresses = endpoint.addresses.value if isinstance(endpoint.addresses, Known) else ()
            yield endpoint.file, endpoint.line, endpoint.written, addresses, endpoint.configured_service


def _file_facts(stat: FileStat) -> tuple[object, ...]:
    return stat.kind, stat.mode, stat.uid, stat.gid, stat.size, stat.mtime, stat.inode
