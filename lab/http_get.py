"""One GET through the published port, and what it got."""

from __future__ import annotations

import http.client
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

if TYPE_CHECKING:
    import ssl

REFUSED = 0      # the port refuses, or the connection ends without an answer
SLOW = -1        # no answer within the patience of a person
PATIENCE = 75.0


@cache
def unverified_tls_context() -> ssl.SSLContext:
    """Labs sign their own certificates. One for all: making it costs more than a request."""
    import ssl  # few labs listen so

    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def connection_to(place: SplitResult, timeout: float) -> http.client.HTTPConnection:
    """A connection to ask on."""
    if place.scheme == "https":
        return http.client.HTTPSConnection(place.hostname or "", place.port, timeout=timeout,
                                           context=unverified_tls_context())
    return http.client.HTTPConnection(place.hostname or "", place.port, timeout=timeout)


def get_status(url: str, path: str, *, host: str = "", cookie: str = "", timeout: float = PATIENCE) -> int:
    """The status that one GET gets."""
    place = urlsplit(url)
    headers = {key: value for key, value in (("Host", host), ("Cookie", cookie)) if value}
    connection = connection_to(place, timeout)
    try:
        connection.request("GET", path, headers=headers)
        reply = connection.getresponse()
        reply.read()
    except TimeoutError:
        return SLOW
    except (OSError, http.client.HTTPException):
        return REFUSED
    finally:
        connection.close()
    return reply.status
