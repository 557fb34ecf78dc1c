"""The TLS handshake with the backend fails: no common version, no readable certificate of ours, or it hangs up.
nginx logs `protocol version`, `cannot load certificate`, `peer closed connection in SSL handshake`. Correct that end.

By hand
  openssl s_client -connect 127.0.0.1:8443 -tls1_2 </dev/null    # and -tls1_3: which one does it take?
  grep -Rn proxy_ssl_protocols /etc/nginx/
  proxy_ssl_protocols TLSv1.2 TLSv1.3;                           # in that location
  nginx -T 2>/dev/null | grep -nE 'proxy_ssl_(ciphers|conf_command)'   # does nginx offer less than it could?
  nginx -t && nginx -s reload
  ls -l FILE                                                     # `cannot load certificate "FILE"`: is it there?
  openssl s_client -connect 127.0.0.1:8443 </dev/null            # does it hang up on everybody? then read its own log

What it is
  `proxy_ssl_protocols` names versions that the backend no longer takes (it was upgraded, or hardened), or the backend
  takes only old ones that nginx does not offer by itself. Or nginx shows its backend a certificate whose file a
  variable names (`proxy_ssl_certificate $file`), and that file is gone, or its workers may not read it: it is read at
  each request, so nginx -t does not see it. Or the backend takes the connection and ends it, or keeps silent, before
  the handshake is done: an allow list, a limit, a balancer without members. Or one of the two ends it with a
  reason: no cipher in common, a key of the backend that is too short for OpenSSL of today.

Why nginx says 502
  `SSL_do_handshake() failed (SSL: error:…:tlsv1 alert protocol version:SSL alert number 70) while SSL handshaking to
  upstream`, or `unsupported protocol`: every request, at once. For a file: `cannot load certificate "FILE":
  BIO_new_file() failed … while connecting to upstream`, and visitors get 500. A backend that hangs up: `peer closed
  connection in SSL handshake` (502); one that keeps silent: `upstream timed out … while SSL handshaking to upstream`
  (504).

How it is told apart
  The alert has a number of its own. "wrong version number" is none of it: that is how plain HTTP looks to somebody who
  waits for a handshake (upstream-speaks-http-not-tls). A missing file whose name is written out stops nginx already at
  its start (nginx-config-invalid). That a backend hangs up is a claim only if nothing else is: it does so with every
  name and with none (tls-sni-missing), on plain HTTP, and behind a PROXY header (proxy-protocol-mismatch). A service of
  this machine that keeps silent is backend-hung. For every other reason nginx's line quotes OpenSSL.

The repair and its safety
  offer-tls-versions (safe): `proxy_ssl_protocols TLSv1.2 TLSv1.3` for that location, where a configuration says less.
  Where nothing is said nginx offers both: then the backend takes only versions that are broken, and a person decides.
  restore-certificate (manual): the file is put back, readable for nginx's workers. No reload is needed.
  read-its-log (manual): why the backend ends the handshake, only the backend knows.
  agree-on-tls (manual): the reason is named, and what each of the two ends can offer.

Variants
  tls-protocol-mismatch         nginx and the backend have no TLS version or cipher in common
  tls-client-cert-file-missing  a variable names the certificate that nginx shows, and that file cannot be read
  tls-peer-closed               the backend ends every handshake, whoever asks
  tls-handshake-timeout         a backend elsewhere takes connections and answers no handshake
  tls-handshake-refused         one of the two ends the handshake and says why, such as no cipher in common
"""

from __future__ import annotations

from functools import partial
from itertools import chain

from fixer.analysis.case import Case
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.evidence import shorten
from fixer.analysis.nginx_errors import (
    MIN_SYMPTOM_LINES,
    for_each_logged_route,
    is_failing,
    logged_evidence,
    service_of_route,
    was_logged_since,
)
from fixer.analysis.route_verdict import RouteVerdict
from fixer.analysis.service_state import start_time_of
from fixer.findings.tls_handshake import handshake_findings
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Finding, Repair, Verdict
from fixer.model.facts import Evidence, Unknown
from fixer.model.snapshot import ENDED_HANDSHAKES, Endpoint, ErrorEvent, Nginx

_LOST_FILE = regex(r'^(?:cannot load certificate (?P<key>key )?|SSL_(?:use_certificate|set0_chain)\(|'
                   r'(?P<own>SSL_use_PrivateKey)\()"(?P<file>/[^"\n]*)"')
_REASON = regex(r"SSL routines:[A-Za-z_]{0,40}:([^:()]{1,80})")
_DENIED = "Permission denied"
_NOT_ASKED = Unknown("not asked")


def judge(case: Case) -> Verdict:
    """Judge each route that fails in our probe and has recent log lines of these errors."""
    parts = (handshake_findings(case, {"tls-version"}, "no-version"),
             for_each_logged_route(case, {"tls-certificate-file"}, partial(_lost_file_finding, case)),
             for_each_logged_route(case, {"tls-peer-closed", "timeout-tls"}, partial(_no_handshake_finding, case)),
             for_each_logged_route(case, {"tls-handshake", "tls-weak"}, partial(_refused_finding, case)))
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
    what = "key" if named["key"] or named["own"] else "certificate"
    service = service_of_route(case, judged)
    denied = _DENIED in message
    unusable = message.startswith("SSL_")
    why = "OpenSSL rejects it" if unusable else "its workers may not read it" if denied else "it is not there"
    manual = (f"put a key and its own certificate at {file} and beside it: OpenSSL rejects what is there"
              if unusable else f"let nginx's workers read {file}, and no other account" if denied else
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


def _no_handshake_finding(case: Case, nginx: Nginx, judged: RouteVerdict, events: tuple[ErrorEvent, ...],
                          asked: bool) -> Finding | None:
    """Return the finding about a backend that ends, or never answers, every handshake; None where more is known. It is
    likely whoever `asked`: the handshakes of our own show it."""
    route, service = judged.facts.route, service_of_route(case, judged)
    ends = [end for end in case.reached(judged.facts) if not end.down]
    words = {_handshake_end(end) for end in ends}
    word = words.pop() if len(words) == 1 else ""
    if not is_failing(judged) or route.scheme != "https" or not word:
        return None
    if service is not None and (word == "silent" or not service.running
                                or not was_logged_since(events[0], start_time_of(service))):
        return None     # it hangs, or dies with each request: other causes know why
    closes = word == "closed"
    who = service.name if service is not None else f"the backend at {', '.join(end.written for end in ends[:3])}"
    what = "ends" if closes else "does not answer"
    manual = (f"{who} takes the connection and {what} the handshake, with every server name and with none. Read its "
              "own log, and its settings for clients (an allow list, a limit, a balancer without members). This "
              f"must succeed on nginx's machine: openssl s_client -connect {ends[0].written}")
    return Finding(
        cause=CAUSE.id, variant="tls-peer-closed" if closes else "tls-handshake-timeout", role="root",
        confidence="likely", detail=(), routes=(route.id,),
        summary=f"{who} {'ends' if closes else 'never answers'} every TLS handshake for {route.location}",
        service=service.name if service is not None else None, node=nginx.node,
        evidence=(*logged_evidence(case, nginx, judged, events), *(
            Evidence("probe", f"https://{end.written}", f"with {name or 'no'} name: {heard.error}")
            for end in ends[:3] for name, heard in end.tls_names)),
        repairs=(Repair("read-its-log", "manual", f"let {who} take the handshake", (), manual=manual),),
    )


def _refused_finding(case: Case, nginx: Nginx, judged: RouteVerdict, events: tuple[ErrorEvent, ...],
                     asked: bool) -> Finding | None:
    """Return the finding about a handshake that one end refuses, with OpenSSL's reason; None for plain HTTP."""
    route, service = judged.facts.route, service_of_route(case, judged)
    ends = [end for end in case.reached(judged.facts) if not end.down]
    spoken = [end.other_scheme_probe for end in ends]
    if not is_failing(judged) or route.scheme != "https" or (not asked and len(events) < MIN_SYMPTOM_LINES) or any(
            not isinstance(one, Unknown) and one.value.status is not None for one in spoken):
        return None
    reason = _REASON.search(events[-1].message)
    said = reason[1].strip() if reason is not None else shorten(events[-1].message, 80)
    who = service.name if service is not None else f"the backend at {', '.join(end.written for end in ends[:3])}"
    family = route.kind.partition("_")[0]
    weak = events[-1].kind == "tls-weak"
    manual = (f"give {who} a certificate, keys and a TLS library that OpenSSL of today takes ({said})" if weak else
              f"let nginx and {who} offer a common cipher and version: compare {family}_ssl_ciphers, "
              f"{family}_ssl_protocols and {family}_ssl_conf_command of nginx with what {who} takes, and read its log")
    return Finding(
        cause=CAUSE.id, variant="tls-handshake-refused", role="root", confidence="likely", detail=(),
        summary=f"the TLS handshake between nginx and {who} fails for {route.location}: {said}", routes=(route.id,),
        service=service.name if service is not None else None, node=nginx.node,
        evidence=logged_evidence(case, nginx, judged, events),
        repairs=(Repair("agree-on-tls", "manual", f"let nginx and {who} agree on TLS", (), manual=(
            f"{manual}. On nginx's machine this shows the handshake: openssl s_client -connect "
            f"{ends[0].written if ends else route.pass_text}")),),
    )


def _handshake_end(end: Endpoint) -> str:
    """Return how all our handshakes with it ended, `closed` or `silent`; empty if they differ, or another way of
    speaking is answered, or was not tried."""
    others = [end.other_scheme_probe] + ([end.proxy_header_probe] if end.proxy_header_probe != _NOT_ASKED else [])
    if not end.tls_names or any(isinstance(one, Unknown) or one.value.status is not None for one in others):
        return ""
    errors = {heard.error for _, heard in end.tls_names if heard.phase == "tls"}
    if any(heard.phase != "tls" for _, heard in end.tls_names):
        return ""
    return "silent" if errors == {"slow"} else "closed" if errors <= ENDED_HANDSHAKES else ""


CAUSE = Cause(
    id="tls-mismatch",
    title="the TLS handshake between nginx and its backend fails",
    family="beyond the guide",
    variants=("tls-protocol-mismatch", "tls-client-cert-file-missing", "tls-peer-closed", "tls-handshake-timeout",
              "tls-handshake-refused"),
    verdict=judge,
    page=__doc__,
)
