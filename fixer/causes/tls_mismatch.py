"""nginx and its backend both speak TLS, and have no version of it in common.
nginx logs `tlsv1 alert protocol version` or `unsupported protocol` (502). Correct proxy_ssl_protocols, then reload.

By hand
  openssl s_client -connect 127.0.0.1:8443 -tls1_2 </dev/null    # and -tls1_3: which one does it take?
  grep -Rn proxy_ssl_protocols /etc/nginx/
  proxy_ssl_protocols TLSv1.2 TLSv1.3;                           # in that location
  nginx -t && nginx -s reload

What it is
  `proxy_ssl_protocols` names versions that the backend no longer takes (it was upgraded, or hardened), or the backend
  takes only old ones that nginx does not offer by itself.

Why nginx says 502
  `SSL_do_handshake() failed (SSL: error:…:tlsv1 alert protocol version:SSL alert number 70) while SSL handshaking to
  upstream`, or `unsupported protocol`: every request, at once.

How it is told apart
  The alert has a number of its own. "wrong version number" is none of it: that is how plain HTTP looks to somebody who
  waits for a handshake (upstream-speaks-http-not-tls).

The repair and its safety
  offer-tls-versions (safe): `proxy_ssl_protocols TLSv1.2 TLSv1.3` for that location, where a configuration says less.
  Where nothing is said nginx offers both: then the backend takes only versions that are broken, and a person decides.

Variants
  tls-protocol-mismatch  nginx and the backend have no TLS version or cipher in common
"""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.cause import Cause
from fixer.findings.tls_handshake import handshake_verdict
from fixer.model.diagnosis import Verdict


def judge(case: Case) -> Verdict:
    """Judge each route that fails in our probe and has recent log lines of this error."""
    return handshake_verdict(case, {"tls-version"}, "no-version")


CAUSE = Cause(
    id="tls-mismatch",
    title="nginx and its backend have no version of TLS in common",
    family="beyond the guide",
    variants=("tls-protocol-mismatch",),
    verdict=judge,
    page=__doc__,
)
