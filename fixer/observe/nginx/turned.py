"""The same question in the other way of speaking: plain where TLS was not taken, TLS where plain was hung up on."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.lazy.dataclass import replace
from fixer.model.facts import Fact, Unknown
from fixer.model.query import Probe
from fixer.model.snapshot import ProbeResult, wants_tls
from fixer.observe.nginx.endpoints import probe_result
from fixer.observe.nginx.probes import ProbePlan
from fixer.observe.view.node_view import View

MOST = 8      # addresses of one nginx that are asked so

_HUNG_UP = frozenset({"closed", "reset", "not-http"})


def turned(probe: Probe, view: View) -> Probe | None:
    """The other question, where what came back to the first one leaves open how it wants to be spoken to."""
    heard = probe_result(view.node.answers.get(probe))
    if isinstance(heard, Unknown) or probe.path is None or probe.unix is not None or probe.proxy_protocol:
        return None
    error, status = heard.value.error, heard.value.status
    if probe.tls:
        kept_silent = error == "slow" and heard.value.phase == "tls"      # it may wait for the end of a plain request
        return replace(probe, tls=False, sni="") if error == "tls" or kept_silent else None
    if error in _HUNG_UP or (status == 400 and wants_tls(heard.value)):
        return replace(probe, tls=True, sni=probe.host_header)
    return None


def turned_probes(plan: ProbePlan, view: View) -> Iterator[Probe]:
    """Each such question once, the first few."""
    found = dict.fromkeys(made for probe in plan.by_address.values() if (made := turned(probe, view)) is not None)
    yield from list(found)[:MOST]


def other_way(probe: Probe | None, view: View) -> Fact[ProbeResult]:
    """What came back to it; Unknown where it was not asked."""
    made = turned(probe, view) if probe is not None else None
    return probe_result(view.node.answers.get(made)) if made is not None else Unknown("not asked")
