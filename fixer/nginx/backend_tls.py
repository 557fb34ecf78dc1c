"""What nginx says of itself in a TLS handshake with a backend: the directives in force for a location."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fixer.model.nginx_config import BackendTls
from fixer.nginx.address import text_of
from fixer.nginx.effective_config import Node

TlsDirectives = Mapping[bytes, str]
"""Name of a directive -> its value as written, as a block inherits them. `FAMILY host` is the header Host."""

_FAMILIES = (b"proxy", b"grpc", b"uwsgi")
_WORDS = (b"_ssl_server_name", b"_ssl_name", b"_ssl_certificate", b"_ssl_certificate_key",
          b"_ssl_trusted_certificate")
_VALUES = frozenset(family + word for family in _FAMILIES for word in _WORDS)
_HEADERS = {b"proxy_set_header": b"proxy host", b"grpc_set_header": b"grpc host"}

TLS_NAMES = _VALUES | _HEADERS.keys()


def tls_directives(block: Iterable[Node], above: TlsDirectives) -> TlsDirectives:
    """Return the directives in force in a block. It inherits headers only if it sets none itself."""
    own: dict[bytes, str] = {}
    for node in block:
        if node.name in _VALUES and len(node.args) == 1:
            own[node.name] = text_of(node.args[0])
        elif node.name in _HEADERS and node.args:
            own.setdefault(_HEADERS[node.name], "")
            if len(node.args) == 2 and node.args[0].lower() == b"host":
                own[_HEADERS[node.name]] = text_of(node.args[1])
    return {**above, **own} if own else above


def backend_tls(found: TlsDirectives, family: bytes) -> BackendTls:
    """Return the settings of a pass of that family (`proxy`, `grpc`, `uwsgi`)."""
    def value(word: bytes) -> str:
        return found.get(family + word, "")

    return BackendTls(
        sends_name=value(b"_ssl_server_name") == "on", name=value(b"_ssl_name"), host=value(b" host"),
        certificate=value(b"_ssl_certificate"), key=value(b"_ssl_certificate_key"),
        trusted=value(b"_ssl_trusted_certificate"),
    )
