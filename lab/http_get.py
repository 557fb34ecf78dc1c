"""One GET through the published port, and its status."""

from __future__ import annotations

import http.client
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

if TYPE_CHECKING:
    import ssl

REFUSED = 0  # connection refused, or closed before the end of an answer
SLOW = -1  # no answer within a person's patience
PATIENCE = 75.0
MOST_BYTES = 64 * 1024**2  # of an answer: the root of a machine may send one that never ends


@cache
def unverified_tls_context() -> ssl.SSLContext:
    """Return one context for all labs, which use self-signed certificates: creating it costs more than a request."""
    import ssl  # few labs use TLS

    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def connection_to(place: SplitResult, timeout: float) -> http.client.HTTPConnection:
    """Return a connection to the host and port of a URL."""
    if place.scheme == "https":
        return http.client.HTTPSConnection(place.hostname or "", place.port, timeout=timeout,
                                           context=unverified_tls_context())
    return http.client.HTTPConnection(place.hostname or "", place.port, timeout=timeout)


def get_status(url: str, path: str, *, host: str = "", cookie: str = "", timeout: float = PATIENCE) -> int:
    """Return the status of one GET."""
    place = urlsplit(url)
    headers = {key: value for key, value in (("Host", host), ("Cookie", cookie)) if value}
    connection = connection_to(place, timeout)
    try:
        connection.request("GET", path, headers=headers)
        reply = connection.getresponse()
        got = len(reply.read(MOST_BYTES))
        if got < MOST_BYTES and reply.length:  # a read of so many bytes at most does not say that some are missing
            return REFUSED
    except TimeoutError:
        return SLOW
    except (OSError, http.client.HTTPException):
        return REFUSED
    finally:
        connection.close()
    return reply.status
