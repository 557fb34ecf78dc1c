"""One GET through the published port, and what it got."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

REFUSED = 0      # the port refuses, or the connection ends without an answer
SLOW = -1        # no answer within the patience of a person
PATIENCE = 75.0


def get(url: str, path: str, *, host: str = "", cookie: str = "", timeout: float = PATIENCE) -> int:
    """The status that one GET gets."""
    place = urlsplit(url)
    headers = {key: value for key, value in (("Host", host), ("Cookie", cookie)) if value}
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=timeout)
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
