"""A WebSocket through the published port: opened as RFC 6455 asks, then silent until the other side closes it."""

from __future__ import annotations

import base64
import http.client
import os
import socket
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from lab.http_get import REFUSED, SLOW, connection_to


@dataclass(frozen=True)
class SocketEnd:
    """How a socket ended: the status of its handshake (101: it was open), and whether the other side closed it."""

    status: int
    closed: bool


def hold_socket(url: str, path: str, *, host: str = "", patience: float) -> SocketEnd:
    """Open a socket and send nothing; return when it is closed, or after `patience` seconds."""
    until = time.monotonic() + patience
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
               "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(), **({"Host": host} if host else {})}
    connection = connection_to(urlsplit(url), patience)
    try:
        connection.request("GET", path, headers=headers)
        reply = connection.getresponse()
        stream = connection.sock
        if reply.status != http.client.SWITCHING_PROTOCOLS or stream is None:
            return SocketEnd(reply.status, closed=True)
        return SocketEnd(reply.status, closed=_is_closed_by(stream, until))
    except TimeoutError:
        return SocketEnd(SLOW, closed=False)
    except (OSError, http.client.HTTPException):
        return SocketEnd(REFUSED, closed=True)
    finally:
        connection.close()


def _is_closed_by(stream: socket.socket, until: float) -> bool:
    """Return whether the other side closes it in time; what it sends before is not for us."""
    try:
        while (left := until - time.monotonic()) > 0:
            stream.settimeout(left)
            if not stream.recv(4096):
                return True
    except TimeoutError:
        return False
    except OSError:
        return True
    return False
