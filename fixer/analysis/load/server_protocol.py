"""What a server speaks on its sockets: HTTP, or uWSGI's own protocol, by its command, its file or its own log."""

from __future__ import annotations

from fixer.analysis.case import Case, Trouble
from fixer.analysis.evidence import bindings_of
from fixer.analysis.ownership.resolve import owners
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence, Known
from fixer.model.snapshot import Service

_HTTP = frozenset({"http", "http-socket"})
_OWN = frozenset({"socket", "s", "uwsgi-socket"})
TAKES = {"http": "proxy_pass", "uwsgi": "uwsgi_pass"}
_ONLY_HTTP = frozenset({
    "uvicorn", "hypercorn", "daphne", "waitress", "waitress-serve", "granian", "django", "flask", "fastapi", "gunicorn",
})
BLOCK = regex(r"^invalid request block size: (?P<size>\d{1,6}) \(max (?P<most>\d{1,6})\)")
# uWSGI takes the second and third letter of GET, POST, HEAD, PUT, OPTIONS, PATCH or DELETE for the size of a request
_METHODS = frozenset({"21573", "21327", "16709", "21589", "21584", "21569", "19525"})


def speech(service: Service) -> str:
    """`http` or `uwsgi` where that is said of all its sockets, else empty."""
    if service.runtime != "uwsgi":
        return ""
    words = {word.partition("=")[0].lstrip("-") for word in service.argv if word.startswith("-")} & (_HTTP | _OWN)
    keys = words or {b.source.text.partition("=")[0].strip() for b in bindings_of(service)}
    if keys and keys <= _HTTP:
        return "http"
    return "uwsgi" if keys and keys <= _OWN else ""


def heard_http(service: Service, since: float) -> Evidence | None:
    """uWSGI's own word, of this run, that somebody spoke HTTP on a socket that takes its own protocol."""
    lines = service.log.value if service.runtime == "uwsgi" and isinstance(service.log, Known) else ()
    line = next((x for x in reversed(lines) if x.at is not None and x.at >= since and is_http_read_as_block(x.text)),
                None)
    return None if line is None else Evidence("service-log", line.where, line.text[:200])


def is_http_read_as_block(text: str) -> bool:
    """uWSGI refused a request whose size is two letters of HTTP."""
    match = BLOCK.match(text)
    return match is not None and match["size"] in _METHODS


def speaks(service: Service) -> str:
    """As `speech`, and `http` of servers that know nothing else."""
    if service.runtime in _ONLY_HTTP and not any(word.startswith("--protocol") for word in service.argv):
        return "http"
    return speech(service)


_SPEAKERS = {"uwsgi_pass": "uwsgi", "fastcgi_pass": "php-fpm"}


def is_spoken(case: Case, trouble: Trouble) -> bool:
    """What is asked for there is HTTP, or the one protocol that its owner's server is made for."""
    kind, found = trouble.routes[0].route.kind, owners(case, trouble)
    server = _SPEAKERS.get(kind)
    if any(speech(owner.service) == ("http" if kind == "uwsgi_pass" else "uwsgi") for owner in found):
        return False      # its file says so: nginx pointed there would not be understood
    return kind == "proxy_pass" or (bool(found) and all(owner.service.runtime == server for owner in found))
