"""A name stands in a variable, and nginx has no name server (`resolver`) to ask for it.
nginx logs `no resolver defined to resolve NAME` and answers 502 at once. Set `resolver`, then reload.

By hand
  nginx -T 2>/dev/null | grep -n resolver
  cat /etc/resolv.conf    # the name servers of this machine or container
  resolver 127.0.0.11;    # in the server block; outside a container's own network: one of those servers
  nginx -t && nginx -s reload

What it is
  `proxy_pass http://$backend` with a name in the variable. nginx looks up a name that is written out once, when it
  starts, as the machine does; for one in a variable it asks at each request, and only the servers of its own
  `resolver`.

Why nginx says 502
  `no resolver defined to resolve NAME`, at once, for each request of that location; `nginx -t` is content.

How it is told apart
  nginx says so itself. Where a `resolver` is set and does not know the name, or does not answer, see dns-unresolved.

The repair and its safety
  set-resolver (manual): which name server is right, or whether the name has to stand in a variable at all, is for a
  person: the message names the line, and what the name leads to on the machine.

Variants
  resolver-missing  a name in a variable of the pass, and no resolver
"""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.evidence import config_evidence, endpoint_text
from fixer.analysis.nginx_errors import events_for, routes_text
from fixer.analysis.nginx_process import is_ip_address
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Repair, Verdict
from fixer.model.facts import Evidence, Unknown
from fixer.model.snapshot import ErrorEvent

with lazy_imports():  # only for what is found
    from fixer.repairs.upstream_name import at_hand_text, name_servers_of


def judge(case: Case) -> Verdict:
    """Judge each name in the configuration: did nginx just log that no resolver is defined for it?"""
    findings: list[Finding] = []
    ruled = list(case.observed)
    missing: list[str] = []
    for trouble in case.failing_addresses:
        endpoint, nginx = trouble.endpoint, trouble.nginx
        if isinstance(nginx.errors, Unknown) and endpoint.host and not is_ip_address(endpoint.host):
            missing.append(f"whether nginx has a resolver for {endpoint.host}: {nginx.errors.reason}")
            continue
        events = [e for e in events_for(case, trouble, {"no-resolver"}) if e.message.endswith(f" {endpoint.host}")]
        if endpoint.host and nginx.master_pid is not None and events:
            findings.append(_found(case, trouble, events[-1]))
        else:
            ruled.append(config_evidence(case.snapshot, nginx, endpoint))
    return conclude(findings, missing, ruled)


def _found(case: Case, trouble: FailingAddress, last: ErrorEvent) -> Finding:
    endpoint, nginx = trouble.endpoint, trouble.nginx
    known = endpoint.addresses.or_else(())
    leads = f" (here it resolves to {', '.join(known)})" if known else ""
    manual = (
        f"replace {endpoint.host} with its address at {endpoint.file}:{endpoint.line}{leads}. Or remove the variable "
        "from that directive: nginx then resolves the name once, at its start. Or set `resolver` to a name server"
        f"{at_hand_text(name_servers_of(case, nginx))} in {nginx.conf_path}. Then run nginx -t and reload nginx")
    return Finding(
        cause=CAUSE.id, variant="resolver-missing", role="root", confidence="certain",
        summary=f"nginx has no `resolver`, but {endpoint.host} (for {endpoint_text(endpoint)}) is in a variable, which "
                f"needs one at each request: nginx answers {routes_text(trouble)} itself, without the backend",
        detail=(), routes=trouble.route_ids, service=None, node=nginx.node,
        evidence=(Evidence("nginx-log", last.where, last.raw), config_evidence(case.snapshot, nginx, endpoint)),
        repairs=(Repair("set-resolver", "manual", f"let nginx resolve {endpoint.host}", (), manual=manual),),
    )


CAUSE = Cause(
    id="no-resolver",
    title="a name in a variable, but no resolver in nginx",
    family="beyond the guide",
    variants=("resolver-missing",),
    verdict=judge,
    page=__doc__,
)
