"""A server that cannot be connected to now, and whose command configures another scheme than nginx's pass.

These are two faults: the page fails on when the server is back. No answer of the server proves what it speaks, so the
finding is likely at most, and its repair waits for the other one.
"""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.evidence import bindings_of, config_evidence, endpoint_text, no_listener_evidence
from fixer.analysis.load.server_protocol import configured_tls, tls_option_of
from fixer.analysis.nginx_errors import connect_symptoms, routes_text
from fixer.analysis.run_log import last_run_lines, read_run_end
from fixer.analysis.service_state import state_evidence
from fixer.findings.configured_address import differing_part, is_unconnectable
from fixer.formats.file_errors import loads_tls
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence
from fixer.model.snapshot import Service
from fixer.repairs.nginx_directives import SCHEME_ID

with lazy_imports():  # not needed in most looks
    from fixer.analysis.ownership.resolve import only_owner
    from fixer.analysis.service_names import has_unrelated_name


def configured_scheme_finding(case: Case, trouble: FailingAddress, kind: tuple[str, str], *,
                              tls: bool) -> Finding | None:
    """Return the finding if the owner of the address is configured to listen there, with TLS or without (`tls`), and
    nginx passes requests the other way. `kind` is its cause and variant."""
    endpoint, route, owner = trouble.endpoint, trouble.routes[0].route, only_owner(case, trouble)
    if route.kind != "proxy_pass" or route.scheme != ("http" if tls else "https") or owner is None or (
            not is_unconnectable(case, trouble, owner.service)):
        return None
    service = owner.service
    told = configured_scheme_evidence(case, trouble, service, tls=tls)
    if told is None or (tls and loads_tls(read_run_end(last_run_lines(case.snapshot, service)).texts)):
        return None      # it ended over its certificate: whether that stays in its command is open
    (cause, variant), unsure = kind, owner.rule in ("alone", "bare") and has_unrelated_name(trouble, service)
    wanted = "https" if tls else "http"
    ways = ("as plain HTTP", "with a certificate") if tls else ("with TLS", "without a certificate")
    manual = (f"when {service.name} answers {'with' if tls else 'without'} TLS, fixer makes the pass begin with "
              f"{wanted}://")
    return Finding(
        cause=cause, variant=variant, role="root", confidence="possible" if unsure else "likely",
        summary=(f"nginx hands {routes_text(trouble)} to {endpoint_text(endpoint)} {ways[0]}, but {service.name} is "
                 f"configured {ways[1]}"),
        detail=(), routes=trouble.route_ids, service=service.name, node=trouble.nginx.node,
        evidence=tuple(dict.fromkeys((
            config_evidence(case.snapshot, trouble.nginx, endpoint), told, state_evidence(service),
            *no_listener_evidence(endpoint), *connect_symptoms(case, trouble)))),
        repairs=(Repair(SCHEME_ID, "manual", f"proxy {routes_text(trouble)} with {wanted}", (), manual=manual,
                        after=service.name),),
        effects=(),
    )


def configured_scheme_evidence(case: Case, trouble: FailingAddress, service: Service, *, tls: bool) -> Evidence | None:
    """Return what configures the service to listen at the address, with TLS or without (`tls`); None if that is not so,
    or not known."""
    binding = next((b for b in bindings_of(service) if not differing_part(b, trouble.endpoint)), None)
    if binding is None or configured_tls(case.snapshot, service) is not tls:
        return None
    word = tls_option_of(service)
    return Evidence("file", f"{word.file}:{word.line}", word.text) if word is not None and word.file else binding.source
