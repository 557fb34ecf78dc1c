"""The protocol of a server's sockets, HTTP or uWSGI's own, with TLS or without, by its command, its file or its log."""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.evidence import bindings_of
from fixer.formats.application_servers import UWSGI_PROTOCOL_KEYS, server_of, uwsgi_protocol
from fixer.formats.server_bindings import last_option_value
from fixer.formats.shell_words import literal_word
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence, Known
from fixer.model.snapshot import CommandArgument, Endpoint, Service, Snapshot

with lazy_imports():  # not needed in most looks
    from fixer.analysis.ownership.resolve import candidate_owners

PASS_DIRECTIVES = {"http": "proxy_pass", "uwsgi": "uwsgi_pass", "fastcgi": "fastcgi_pass", "scgi": "scgi_pass"}
INVALID_BLOCK_SIZE = regex(r"^invalid request block size: (?P<size>\d{1,6}) \(max (?P<most>\d{1,6})\)")
# not 22, the first byte of a TLS handshake (of a probe, too), nor a letter, the first byte of HTTP
_NO_PLUGIN = regex(r"^-- unavailable modifier requested: (?!22 |6[5-9] |[78]\d |90 )\d{1,3} --")
# uWSGI reads the second and third letter of GET, POST, HEAD, PUT, OPTIONS, PATCH or DELETE as the size of a request
_METHOD_BLOCK_SIZES = frozenset({"21573", "21327", "16709", "21589", "21584", "21569", "19525"})
_PROXY_BLOCK_SIZE = "20306"        # and those of PROXY, with which the PROXY protocol begins, of a probe too


def configured_protocol(service: Service) -> str:
    """Return `http`, `uwsgi`, `fastcgi` or `scgi` if that is configured for all its sockets, else an empty text."""
    if service.runtime != "uwsgi":
        return ""
    words = [literal_word(text) for text in service.argv]
    named = last_option_value(words, [f"--{key}" for key in UWSGI_PROTOCOL_KEYS])
    opened = {name.lstrip("-") for name in server_of(service.runtime).dialect.bind
              if last_option_value(words, [name]) is not None}
    spoken = {uwsgi_protocol(option, named.text if named else "") for option in opened}
    if not opened and named is None:
        spoken = {one.protocol for one in bindings_of(service)}
    return spoken.pop() if len(spoken) == 1 else ""


_CONFIG_OPTIONS = frozenset({"-c", "--config"})
_IMPLICIT_SETTINGS = "gunicorn.conf.py"       # gunicorn reads it where it starts
_TLS_NAME = regex(r"SSL|TLS|CERT|_CMD_ARGS$")      # a variable that a server, or its file of settings, may read


def configured_tls(snapshot: Snapshot, service: Service) -> bool | None:
    """Return whether its command makes the server speak TLS where `bindings_of` has it listen; None if a file or a
    variable may decide, or not known. uWSGI opens sockets with TLS by options of their own, which are none of these."""
    if configured_protocol(service) == "http":
        return False
    options = server_of(service.runtime).tls_options
    if not options or not service.argv:
        return None
    if tls_option_of(service) is not None or any(_option_name(word) in options for word in service.argv):
        return True
    by_file = any(_option_name(word) in _CONFIG_OPTIONS for word in service.argv) or any(
        file.path.rpartition("/")[2] == _IMPLICIT_SETTINGS for file in snapshot.files
        if file.node == (service.files_node or service.node))
    return None if by_file or any(_TLS_NAME.search(one.name) for one in service.env) else False


def tls_option_of(service: Service) -> CommandArgument | None:
    """Return the option of its command that makes it speak TLS, None if the command has none."""
    options = server_of(service.runtime).tls_options
    return next((word for word in service.command if _option_name(word.text) in options), None)


def _option_name(word: str) -> str:
    return word.partition("=")[0]


def http_on_uwsgi_evidence(service: Service, since: float) -> Evidence | None:
    """Return uWSGI's log line of this run about an HTTP request on a socket with its own protocol."""
    lines = service.log.value if service.runtime == "uwsgi" and isinstance(service.log, Known) else ()
    line = next((x for x in reversed(lines) if x.at is not None and x.at >= since and is_http_read_as_block(x.text)),
                None)
    return None if line is None else Evidence("service-log", line.where, line.text)


def missing_plugin_evidence(service: Service, since: float) -> Evidence | None:
    """Return uWSGI's log line of this run about a request that none of its plugins takes; modifier 0 is Python's."""
    lines = service.log.value if service.runtime == "uwsgi" and isinstance(service.log, Known) else ()
    line = next((x for x in reversed(lines) if x.at is not None and x.at >= since and _NO_PLUGIN.match(x.text)), None)
    return None if line is None else Evidence("service-log", line.where, line.text)


def is_http_read_as_block(text: str) -> bool:
    """Return whether uWSGI refused a request whose size is two letters of HTTP."""
    match = INVALID_BLOCK_SIZE.match(text)
    return match is not None and match["size"] in _METHOD_BLOCK_SIZES


def is_text_read_as_block(text: str) -> bool:
    """Return whether that size is two letters of HTTP or of the PROXY protocol: nothing tells how large the request
    was."""
    match = INVALID_BLOCK_SIZE.match(text)
    return match is not None and match["size"] in (*_METHOD_BLOCK_SIZES, _PROXY_BLOCK_SIZE)


def protocol_of(service: Service) -> str:
    """Return `configured_protocol`, and `http` for servers that speak nothing else."""
    is_changed = any(word.startswith("--protocol") for word in service.argv)
    if server_of(service.runtime).protocols == {"http"} and not is_changed:
        return "http"
    return configured_protocol(service)


def has_matching_protocol(case: Case, trouble: FailingAddress) -> bool:
    """Return whether the route passes HTTP, or a protocol that its owner's server may speak: of a program of its own
    kind (`python3 server.py`) it is not known."""
    kind, found = trouble.routes[0].route.kind, candidate_owners(case, trouble)
    if any(PASS_DIRECTIVES.get(configured_protocol(owner.service), kind) != kind for owner in found):
        return False      # its file configures another protocol: it would not understand nginx
    return kind == "proxy_pass" or (bool(found) and all(
        not server_of(owner.service.runtime).protocols or kind.removesuffix("_pass") in (
            configured_protocol(owner.service), *server_of(owner.service.runtime).protocols)
        for owner in found))


def speaks_fastcgi(holder: Service, endpoint: Endpoint) -> bool:
    """Return whether its server speaks nothing else, and hung up on our request."""
    return server_of(holder.runtime).protocols == {"fastcgi"} and isinstance(endpoint.http, Known) and (
        endpoint.http.value.error in ("closed", "reset"))


UPGRADE_STATUSES = (400, 426)       # what an address of WebSocket answers to a plain request


def may_lack_websocket(service: Service) -> bool:
    """Return whether a line of its log may say that it has no library for WebSocket: a look before any pattern."""
    return service.is_app_server and any("ebSocket" in line.text or "the websocket" in line.text
                                         for line in service.log.or_else(()))


def may_tell_of_websocket(case: Case) -> bool:
    """Return whether an address answers as one of WebSocket may, or a log may say that its library is missing."""
    heard = (end.http.or_else(None) for end in case.snapshot.endpoints)
    asked = (probe for facts in case.snapshot.routes for probe in facts.probes.or_else(()))
    return any(answer is not None and answer.status in UPGRADE_STATUSES for answer in (*heard, *asked)) or any(
        map(may_lack_websocket, case.snapshot.services))
