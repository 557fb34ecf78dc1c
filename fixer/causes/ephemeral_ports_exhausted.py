"""The machine has no local port left for a further connection from nginx to its backend.
nginx logs `connect() failed (99: Cannot assign requested address)` (502). Widen the range, or keep connections.

By hand
  cat /proc/sys/net/ipv4/ip_local_port_range      # how many ports are there? in a container: its own
  ss -tan dst 127.0.0.1:8000 | tail -n +2 | wc -l     # as many: all are used, most in TIME-WAIT
  grep -rn ip_local_port_range /etc/sysctl.conf /etc/sysctl.d /usr/lib/sysctl.d    # who made it so small?
  sysctl -w net.ipv4.ip_local_port_range='32768 60999'    # now; and in that file, for the next boot
  keepalive 32;    # in the upstream block, with proxy_http_version 1.1 and an empty Connection: far fewer connections

What it is
  Each connection to one address needs a port of its own on nginx's side. The kernel takes it from
  `net.ipv4.ip_local_port_range`, and keeps it for 60 seconds after the connection has ended (TIME-WAIT). A range that
  somebody made small, or more than some 470 new connections a second to one backend, uses it up.

Why nginx says 502
  connect() fails at once with errno 99. Requests that find a port are answered: failures come and go, and end by
  themselves some time after the visitors.

How it is told apart
  The same errno from bind() names the address of proxy_bind, which the machine does not have (invalid-proxy-target).
  For an address of IPv6 on a machine without it, it comes for every request (localhost-ipv6, wrong-host). A full queue
  of the backend, a limit of files and of worker_connections have other lines.

The repair and its safety
  widen-port-range (manual): where to write the range, and how to need fewer ports. The range is the machine's, for all
  its programs, so a person writes it.

Variants
  ephemeral-ports-exhausted  no local port is left for connections to the backend
"""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.evidence import find_node
from fixer.analysis.logged_failures import logged_failures
from fixer.analysis.nginx_errors import recent_lines
from fixer.analysis.nginx_process import route_ids_of
from fixer.formats.numbers import times_text
from fixer.model.diagnosis import Finding, Repair, Verdict
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.nginx_config import ErrorKind
from fixer.model.snapshot import ErrorEvent, Nginx

_KIND: frozenset[ErrorKind] = frozenset({"local-address-exhausted"})
RANGE_FILE = "/proc/sys/net/ipv4/ip_local_port_range"
_USUAL = 28_232         # ports of the kernel's own range, 32768 to 60999
_FEW = _USUAL // 4      # so few that somebody must have chosen it
_WIDEN = ("set net.ipv4.ip_local_port_range = 32768 60999 in the file that holds it now (grep -rn ip_local_port_range "
          "/etc/sysctl.conf /etc/sysctl.d), then run sysctl --system")
_KEEP = ("keep connections instead of opening one for each request: `keepalive 32` in the upstream block, with "
         "proxy_http_version 1.1 and proxy_set_header Connection \"\", then nginx -t and a reload")


def judge(case: Case) -> Verdict:
    """Judge each nginx: did connects to addresses of IPv4 just fail for want of a port?"""
    findings: list[Finding] = []
    missing: list[str] = []
    ruled = list(case.observed)
    for nginx in case.snapshot.nginxes:
        recent = [event for event in recent_lines(case, nginx, _KIND) if _is_for_ipv4(event)]
        lines = recent or [event for failure in logged_failures(case) if failure.nginx is nginx and not failure.over
                           for event in failure.events if event.kind in _KIND and _is_for_ipv4(event)]
        if lines:
            findings.append(_found(case, nginx, lines, "a minute" if recent else "15 minutes"))
        elif isinstance(nginx.errors, Unknown) and nginx.master_pid is not None:
            missing.append(f"the error log of nginx on {nginx.node}: {nginx.errors.reason}")
    return conclude(findings, missing, ruled)


def _is_for_ipv4(event: ErrorEvent) -> bool:
    """Return whether the line is about an address of IPv4: of IPv6 it says that the machine has none."""
    return "[" not in event.message.partition(" failed ")[0] + event.upstream.partition("://")[2].partition("/")[0]


def _found(case: Case, nginx: Nginx, lines: list[ErrorEvent], time: str) -> Finding:
    last, node = lines[-1], find_node(case.snapshot, nginx.node)
    ports = node.local_ports if node is not None else Unknown("not asked")
    first, end = ports.value if isinstance(ports, Known) else (0, 0)
    count = end - first + 1 if end else 0
    few = 0 < count <= _FEW
    widen = _widen_text(nginx)
    shown = (Evidence("kernel", RANGE_FILE, f"{first} {end}: {count} ports"),) if count else ()
    all_ports = f"all {count} local ports" if count else "all its local ports"
    return Finding(
        cause=CAUSE.id, variant=CAUSE.id, role="root", confidence="certain" if few else "likely",
        summary=(f"nginx's machine has used {all_ports} for connections to the backend: nginx cannot open further ones "
                 f"({times_text(len(lines))} within {time})"),
        detail=(), routes=route_ids_of(case, nginx), service=None if nginx.service is None else nginx.service.name,
        node=nginx.node,
        evidence=(Evidence("nginx-log", last.where, f"{times_text(len(lines))} within {time}: {last.raw}"), *shown,
                  *(e for judged in case.failing_routes(nginx)[:2] for e in judged.evidence[:1])),
        repairs=(Repair("widen-port-range", "manual", "give nginx's machine more local ports", (),
                        manual=f"{widen}. Or {_KEEP}" if few or not count else f"{_KEEP}. Or {widen}"),),
    )


def _widen_text(nginx: Nginx) -> str:
    """Return where to write a wider range: in the file of nginx's container, which has a range of its own, or in one of
    the machine."""
    box = nginx.service.container if nginx.service is not None else None
    if box is None or box.is_machine:
        return _WIDEN
    files = box.label("com.docker.compose.project.config_files") or "the command that created it"
    name = box.service or box.name
    return (f"take net.ipv4.ip_local_port_range out of `sysctls` of {name} in {files}, or make it wider, then create "
            f"the container again (docker compose up -d {name})")


CAUSE = Cause(
    id="ephemeral-ports-exhausted",
    title="no local port is left for connections from nginx to the backend",
    family="beyond the guide",
    variants=("ephemeral-ports-exhausted",),
    verdict=judge,
    page=__doc__,
)
