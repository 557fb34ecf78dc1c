"""What nginx's configuration hands requests to cannot be used: a value, a source address, a cycle, or nginx itself.
nginx logs why and answers 500, or 502 where it asks itself. Correct that line, then reload nginx.

By hand
  tail -n 20 /var/log/nginx/error.log    # invalid URL prefix, bind() failed, cycle, cache not found
  nginx -T 2>/dev/null | grep -nE 'proxy_pass|proxy_bind|proxy_cache|set \\$|rewrite'
  ip -brief address    # does the machine have the address that proxy_bind names?
  ss -ltnp | grep nginx    # does the pass lead to an address where nginx itself listens?
  nginx -t && nginx -s reload    # after the line is corrected; nginx -t alone does not see this fault

What it is
  Some values are known only when a request comes: a variable in proxy_pass or proxy_cache, a source address, where a
  rewrite leads. nginx -t accepts them all, and each request of that location fails. Or the request becomes one that the
  backend's protocol cannot hold: parameters of more than 64 KiB, a name for TLS that is none.

Why nginx says 500
  It cannot even begin to ask the backend: `invalid URL prefix in "127.0.0.1:8000"`, `bind(192.0.2.9) failed (99: Cannot
  assign requested address)`, `rewrite or internal redirection cycle`, `cache "pages" not found`,
  `uwsgi request is too big: 70000`, `thread pool "disk" not found`. A pass that leads to nginx
  itself goes round until the connections of the worker are used up (`worker_connections are not enough`): 502, or 400
  when the headers have grown too long on the way.

How it is told apart
  nginx says so itself, and the line of its configuration is shown; the address of proxy_bind is missing on the machine
  now. no-resolver is another line (`no resolver defined`). A pass to nginx itself is seen without its log: the socket
  there belongs to the same nginx, and the same server takes requests there. worker-connections-exhausted is then its
  consequence.

The repair and its safety
  complete-url (safe): `http://` in front of the value, where the value is an address and only its scheme is missing.
  `--set scheme=https` writes https. The reload is undone if the page does not answer.
  point-route-at-listener (safe): a pass to nginx itself gets the port of the service that no other site relies on,
  only where that is one.
  correct-directive (manual): for all else the message names the line, and what can stand there.

Variants
  proxy-pass-invalid-url       a variable of the pass holds no usable URL
  proxy-bind-unavailable       proxy_bind names an address that the machine does not have
  rewrite-cycle                a rewrite, try_files or error_page leads back to where it stands
  cache-zone-variable-missing  a variable of proxy_cache names no cache
  request-impossible           nginx's request to the backend cannot be made as the configuration says
  proxy-loop                   the pass leads to the nginx that it stands in
"""

from __future__ import annotations

from functools import partial

from fixer.analysis.case import Case
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.nginx_errors import for_each_logged_route
from fixer.causes.invalid_proxy_target.proxy_loop import loop_findings
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Verdict
from fixer.nginx.error_kinds import TARGET_INVALID

with lazy_imports():  # only if nginx logged such a line
    from fixer.causes.invalid_proxy_target.logged_values import logged_finding


def judge(case: Case) -> Verdict:
    """Judge each route that nginx logs such a line about, and each failing address where nginx itself listens."""
    findings, missing, ruled = for_each_logged_route(case, TARGET_INVALID, partial(logged_finding, case))
    return conclude([*findings, *loop_findings(case)], missing, ruled)


CAUSE = Cause(
    id="invalid-proxy-target",
    title="nginx's configuration hands requests to what cannot be used",
    family="beyond the guide",
    variants=("proxy-pass-invalid-url", "proxy-bind-unavailable", "rewrite-cycle", "cache-zone-variable-missing",
              "request-impossible", "proxy-loop"),
    verdict=judge,
    page=__doc__,
)
