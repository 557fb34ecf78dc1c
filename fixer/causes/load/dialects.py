"""What a server of uWSGI's speaks on its sockets: HTTP, or the protocol of its own name, by its command or its file."""

from __future__ import annotations

from fixer.causes.reading import bindings_of
from fixer.model.snapshot import RouteFacts, Service

_HTTP = frozenset({"http", "http-socket"})
_OWN = frozenset({"socket", "s", "uwsgi-socket"})
_TAKES = {"http": "proxy_pass", "uwsgi": "uwsgi_pass"}


def speech(service: Service) -> str:
    """`http` or `uwsgi` where that is said of all its sockets, else empty."""
    if service.runtime != "uwsgi":
        return ""
    words = {word.partition("=")[0].lstrip("-") for word in service.argv if word.startswith("-")} & (_HTTP | _OWN)
    keys = words or {b.source.text.partition("=")[0].strip() for b in bindings_of(service)}
    if keys and keys <= _HTTP:
        return "http"
    return "uwsgi" if keys and keys <= _OWN else ""


def misunderstood(service: Service, facts: RouteFacts) -> str:
    """In words: that nginx speaks otherwise to this server than it is told to listen; empty where nothing says so."""
    spoken, kind = speech(service), facts.route.kind
    if spoken not in _TAKES or kind not in _TAKES.values() or kind == _TAKES[spoken]:
        return ""
    name = "HTTP" if spoken == "http" else "the protocol of uWSGI (socket =, not http-socket =)"
    return f"{service.name} speaks {name} there, which takes {_TAKES[spoken]} in place of {kind}"
