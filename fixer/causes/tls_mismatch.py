"""nginx and its backend both speak TLS, and find no common version, or nginx cannot read the certificate it shows.
nginx logs `protocol version`, `unsupported protocol` (502) or `cannot load certificate` (500). Correct what it names.

By hand
  openssl s_client -connect 127.0.0.1:8443 -tls1_2 </dev/null    # and -tls1_3: which one does it take?
  grep -Rn proxy_ssl_protocols /etc/nginx/
  proxy_ssl_protocols TLSv1.2 TLSv1.3;                           # in that location
  nginx -t && nginx -s reload
  ls -l FILE                                                     # `cannot load certificate "FILE"`: is it there?

What it is
  `proxy_ssl_protocols` names versions that the backend no longer takes (it was upgraded, or hardened), or the backend
  takes only old ones that nginx does not offer by itself. Or nginx shows its backend a certificate whose file a
  variable names (`proxy_ssl_certificate $file`), and that file is gone, or its workers may not read it: it is read at
  each request, so nginx -t does not see it.

Why nginx says 502
  `SSL_do_handshake() failed (SSL: error:…:tlsv1 alert protocol version:SSL alert number 70) while SSL handshaking to
  upstream`, or `unsupported protocol`: every request, at once. For a file: `cannot load certificate "FILE":
  BIO_new_file() failed … while connecting to upstream`, and visitors get 500.

How it is told apart
  The alert has a number of its own. "wrong version number" is none of it: that is how plain HTTP looks to somebody who
  waits for a handshake (upstream-speaks-http-not-tls). A missing file whose name is written out stops nginx already at
  its start (nginx-config-invalid).

The repair and its safety
  offer-tls-versions (safe): `proxy_ssl_protocols TLSv1.2 TLSv1.3` for that location, where a configuration says less.
  Where nothing is said nginx offers both: then the backend takes only versions that are broken, and a person decides.
  restore-certificate (manual): the file is put back, readable for nginx's workers. No reload is needed.

Variants
  tls-protocol-mismatch         nginx and the backend have no TLS version or cipher in common
  tls-client-cert-file-missing  a variable names the certificate that nginx shows, and that file cannot be read
"""

from __future__ import annotations

from functools import partial
from itertools import chain

from fixer.analysis.case import Case
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.nginx_errors import for_each_logged_route, is_failing, logged_evidence, service_of_route
from fixer.analysis.route_verdict import RouteVerdict
from fixer.findings.tls_handshake import handshake_findings
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Finding, Repair, Verdict
from fixer.model.facts import Evidence
from fixer.model.snapshot import ErrorEvent, Nginx

_LOST_FILE = regex(r'^cannot load certificate(?P<key> key)? "(?P<file>/[^"\n]*)"')
_DENIED = "Permission denied"


def judge(case: Case) -> Verdict:
    """Judge each route that fails in our probe and has recent log lines of these errors."""
    parts = (handshake_findings(case, {"tls-version"}, "no-version"),
             for_each_logged_route(case, {"tls-certificate-file"}, partial(_lost_file_finding, case)))
    return conclude(chain(*(found for found, _, _ in parts)), chain(*(lacking for _, lacking, _ in parts)),
                    chain(*(ruled for _, _, ruled in parts)))


def _lost_file_finding(case: Case, nginx: Nginx, judged: RouteVerdict, events: tuple[ErrorEvent, ...],
                       asked: bool) -> Finding | None:
    """Return the finding about a file that nginx reads at each request, and that it cannot read."""
    route, message = judged.facts.route, events[-1].message
    named = _LOST_FILE.match(message)
    if named is None or not is_failing(judged) or route.scheme != "https":
        return None
    family = route.kind.partition("_")[0]
    written = {f"{family}_ssl_certificate": route.tls.certificate, f"{family}_ssl_certificate_key": route.tls.key}
    variables = {name: value for name, value in written.items() if "$" in value}
    if not variables:
        return None     # nginx reads a file whose name is written out at its start alone
    file = named["file"][:300]
    what = "key" if named["key"] else "certificate"
    service = service_of_route(case, judged)
    denied = _DENIED in message
    why = "its workers may not read it" if denied else "it is not there"
    manual = (f"let nginx's workers read {file}, and nobody else" if denied else
              f"put the file {file} back, readable for nginx's workers, or correct the variable that names it "
              f"({', '.join(f'{name} {value}' for name, value in variables.items())})")
    return Finding(
        cause=CAUSE.id, variant="tls-client-cert-file-missing", role="root",
        confidence="certain" if asked else "likely",
        summary=f"nginx cannot load the {what} {file} that it shows its backend for {route.location}: {why}",
        detail=(), routes=(route.id,), service=service.name if service is not None else None, node=nginx.node,
        evidence=(*logged_evidence(case, nginx, judged, events), *(
            Evidence("nginx-config", f"{route.source.file}:{route.source.line}", f"{name} {value}")
            for name, value in variables.items())),
        repairs=(Repair("restore-certificate", "manual", f"restore {file}", (),
                        manual=f"{manual}. nginx reads it at each request: it needs no reload"),),
    )


CAUSE = Cause(
    id="tls-mismatch",
    title="nginx and its backend have no version of TLS in common, or nginx lacks its certificate",
    family="beyond the guide",
    variants=("tls-protocol-mismatch", "tls-client-cert-file-missing"),
    verdict=judge,
    page=__doc__,
)
