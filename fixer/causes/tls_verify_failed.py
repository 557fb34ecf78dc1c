"""nginx verifies the backend's certificate and does not trust it.
nginx logs `upstream SSL certificate verify error` or `does not match` (502). Trust its authority, or renew it.

By hand
  openssl s_client -connect 127.0.0.1:8443 </dev/null | openssl x509 -noout -issuer -enddate -ext subjectAltName
  grep -Rn proxy_ssl_ /etc/nginx/
  proxy_ssl_trusted_certificate FILE;    # in that location: the authority that signed it
  proxy_ssl_name NAME;                   # in that location: one of its names
  nginx -t && nginx -s reload

What it is
  With `proxy_ssl_verify on` nginx takes a backend only if its certificate was signed by one of those in
  `proxy_ssl_trusted_certificate`, holds the name in `proxy_ssl_name` (the host of the pass where nothing is said), and
  is valid today. The certificate was renewed by another authority, expired, or the pass was changed to an address.

Why nginx says 502
  `upstream SSL certificate verify error: (20:unable to get local issuer certificate) while SSL handshaking to
  upstream`, `(10:certificate has expired)`, `upstream SSL certificate does not match "shop.internal"`: every request,
  at once.

How it is told apart
  nginx's own words say which of the three it is. The backend is well: asked without verification it answers.

The repair and its safety
  trust-certificate (safe, `--set ca=/etc/ssl/own-ca.pem`): proxy_ssl_trusted_certificate for that location. A
  certificate that signed itself is trusted by naming itself. Whom to trust only a person can say.
  name-certificate (safe, `--set tls_name=shop.internal`): proxy_ssl_name, one of the names in the certificate. nginx
  1.26 does not take an address in it as a name: a pass to an address needs a name.
  renew-certificate (manual): a new certificate, and a restart of the backend: it reads its files when it starts.
  restart-service (disruptive): where the file of its certificate was changed after it started, the restart is all.
  Where nginx has a CA to trust, the backend may lack the certificates between the two: the whole chain belongs into its
  file.
  To turn verification off is no repair.

Variants
  tls-verify-unknown-ca  nginx does not know the authority that signed the certificate
  tls-verify-name        the certificate is for another name
  tls-verify-expired     the certificate has expired
"""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.cause import Cause
from fixer.findings.tls_handshake import handshake_verdict
from fixer.model.diagnosis import Verdict


def judge(case: Case) -> Verdict:
    """Judge each route that fails in our probe and has recent log lines of this error."""
    return handshake_verdict(case, {"tls-verify", "tls-name"}, "untrusted")


CAUSE = Cause(
    id="tls-verify-failed",
    title="nginx does not trust the backend's certificate",
    family="beyond the guide",
    variants=("tls-verify-unknown-ca", "tls-verify-name", "tls-verify-expired"),
    verdict=judge,
    page=__doc__,
)
