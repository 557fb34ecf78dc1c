"""The probe program: connects and GETs, in parallel, each with a limit. Runs in-process and, as text, in other pythons.
One request that is repeated is no burst: its attempts are made one after the other, for a few seconds.

Standard library only, and no syntax newer than Python 3.6: a node's own python3 runs this file by `-c`."""
# mypy: allow-untyped-defs, allow-untyped-calls
# ruff: noqa: UP031, UP041

import errno
import json
import os
import socket
import sys
import threading
import time

SERIES_SECONDS = 5.0  # of all attempts of one request
HEAD_LIMIT = 2048
BODY_LIMIT = 1024
_WHOLE_LIMIT = 65536  # bytes of a body that are read to see its end; the rest of a longer one is not asked for
_WHOLE_SECONDS = 0.25  # within which they must come, and between two pieces of a body
_BODILESS = (101, 204, 304)  # statuses that no body follows
_INTERIM_LIMIT = 16384  # bytes of interim answers, after which it reads slowly
_ERROR_NAMES = {
    errno.ECONNREFUSED: "refused", errno.EHOSTUNREACH: "unreachable", errno.ENETUNREACH: "unreachable",
    errno.EADDRNOTAVAIL: "unreachable", errno.ECONNRESET: "reset", errno.EPIPE: "reset", errno.ECONNABORTED: "reset",
    errno.ETIMEDOUT: "timeout", errno.ENOENT: "no-socket", errno.EACCES: "permission", errno.EPERM: "permission",
    errno.EAGAIN: "timeout",
}


def probe_one(spec):
    """Run one probe; return its outcome as the dict that model/query.py describes."""
    started = time.time()
    out = {"phase": "connect", "errno": None, "error": None, "status": None, "ms": 0.0, "head": "", "body": ""}
    deadline = started + spec["timeout"]
    sock = None
    try:
        sock = _connect(spec, deadline)
        if spec["path"] is None:
            out["phase"] = "done"
        else:
            sock = _exchange(sock, spec, deadline, out)
    except socket.gaierror as error:
        out["error"], out["body"] = "unresolved", str(error)
    except socket.timeout:
        out["error"] = "timeout"
    except OSError as error:
        if out["phase"] == "tls" and type(error).__module__ == "ssl":
            out["error"], out["body"] = "tls", str(error)[:BODY_LIMIT]
        else:
            out["errno"] = error.errno
            out["error"] = _error_name(error)
    except ValueError as error:
        out["error"] = "invalid: " + str(error)
    finally:
        if sock is not None:
            sock.close()
    out["ms"] = round((time.time() - started) * 1000, 1)
    return out


def _error_name(error):
    number = error.errno or 0
    return _ERROR_NAMES.get(number) or (os.strerror(number) if number else str(error))


def _connect(spec, deadline):
    if spec["unix"]:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(_time_left(deadline))
            sock.connect(spec["unix"])
        except BaseException:
            sock.close()
            raise
        return sock
    host = spec["host"]
    if all(char < "\x80" for char in host):
        host = host.encode("ascii")  # a str would import the IDNA codec
    return socket.create_connection((host, spec["port"]), timeout=_time_left(deadline))


def _time_left(deadline):
    left = deadline - time.time()
    if left <= 0:
        raise socket.timeout()
    return left


def _exchange(sock, spec, deadline, out):
    if spec["proxy_protocol"]:
        sock.sendall(_proxy_line(sock))
    if spec["tls"]:
        out["phase"] = "tls"
        sock.settimeout(_time_left(deadline))
        sock = _wrap_tls(sock, spec["sni"])
    out["phase"] = "send"
    sock.settimeout(_time_left(deadline))
    try:
        sock.sendall(_request(spec))
    except (BrokenPipeError, ConnectionResetError):
        out["phase"] = "head"  # the answer, or its reset, may still be readable: nginx answers 400 to early ends
    out["phase"] = "head"
    data, ended = _read_answer(sock, deadline, out)
    head, found, body = data.partition(b"\r\n\r\n")
    out["head"] = head[:HEAD_LIMIT].decode("latin-1")
    out["body"] = body[:BODY_LIMIT].decode("latin-1")
    out["whole"] = is_whole(head, body, ended) if found else None
    if out["error"] == "timeout":
        out["phase"] = "body" if found else "head"
        return sock  # a partial answer may never be complete: it does not count yet
    out["status"] = _status(head)
    if out["status"] is not None:
        out["phase"] = "done" if found else "head"
        out["error"] = out["error"] if not found else None
    elif out["error"] is None:
        out["error"] = "not-http" if data else "closed"
    return sock


def _read_answer(sock, deadline, out):
    """Read to the end, or until enough is known: a backend may stream forever, but not a body whose length it told.
    Return what came, and whether the other side ended it. An interim answer (100 Continue) does not count: only what
    follows it does."""
    data = b""
    ended = False
    interim = 0
    first = last = 0.0
    until = 0.0
    while True:
        head, found, body = data.partition(b"\r\n\r\n")
        awaited = not found or len(body) < (_announced_length(head) or 0) <= _WHOLE_LIMIT
        until = until or (time.time() + _WHOLE_SECONDS if len(body) >= BODY_LIMIT and not awaited else 0.0)
        if _is_enough(head, found, body) or 0.0 < until <= time.time():
            break
        try:
            # for more of a body of unknown length, and for the end of the connection, wait only briefly
            sock.settimeout(_time_left(deadline) if awaited else min(_time_left(deadline), _WHOLE_SECONDS))
            more = sock.recv(8192)
        except socket.timeout:
            if awaited:
                out["error"] = "timeout"
            if not found:
                out["arrived"], out["growing"] = len(data), round((last - first) * 1000, 1)
            break
        except OSError as error:
            ended = True
            if not found:
                out["errno"] = error.errno
                out["error"] = _error_name(error)
            break
        if not more:
            ended = True
            if not found and data:
                out["error"] = "closed" if data.startswith(b"HTTP/") else None
            break
        last = time.time()
        first = first or last
        data += more
        kept = after_interim(data)
        if len(kept) < len(data):
            interim += len(data) - len(kept)
            data = kept
            first = last = last if kept else 0.0
            if interim > _INTERIM_LIMIT:
                time.sleep(min(0.05, _time_left(deadline)))
    return data, ended


def _is_enough(head, found, body):
    if not found:
        return len(head) >= HEAD_LIMIT * 8 or (bool(head) and not b"HTTP/".startswith(head[:5]))
    return len(body) >= _WHOLE_LIMIT or not head.startswith(b"HTTP/")


def is_whole(head: bytes, body: bytes, ended: bool) -> "bool | None":
    """Return whether a body is as long as its head says; None if that is not known, as before its end.
    The status tells nothing of it: it goes out first."""
    length = _announced_length(head)
    if _status_number(head) in _BODILESS:
        return None
    if b"chunked" in _field(head, b"transfer-encoding"):
        last = (b"\r\n" + body).rfind(b"\r\n0\r\n")
        whole = last >= 0 and body.endswith(b"\r\n\r\n")
    elif length is not None:
        whole = len(body) >= length
    else:
        return None
    return True if whole else False if ended else None


def _announced_length(head):
    """Return the length that a body is said to have; None if none is said, or none that can be meant."""
    if _status_number(head) in _BODILESS:
        return None
    length = _field(head, b"content-length")
    if not length.isdigit() or len(length) > 18 or _field(head, b"transfer-encoding"):  # Python converts no longer ones
        return None
    return int(length)


def _field(head, name):
    for line in head.lower().split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip() == name:
            return value.strip()
    return b""


def after_interim(data: bytes) -> bytes:
    """Return what follows the complete interim answers."""
    while True:
        head, found, rest = data.partition(b"\r\n\r\n")
        if not found or not is_interim(head):
            return data
        data = rest


def is_interim(head: bytes) -> bool:
    """Return whether the status is interim. 101 is not: another protocol follows it."""
    return _status_number(head) in range(100, 200) and _status_number(head) != 101


def _status(head):
    return None if is_interim(head) else _status_number(head)


def _status_number(head):
    words = head.split(b"\r\n", 1)[0].split(None, 2)
    if len(words) >= 2 and words[0].startswith(b"HTTP/") and len(words[1]) == 3 and words[1].isdigit():
        return int(words[1])
    return None


def _request(spec):
    host = spec["host_header"] or spec["host"] or "localhost"
    words = (host, spec["path"], spec["agent"], spec["referrer"])
    if any(c in text for text in words for c in "\r\n\0") or " " in spec["path"]:
        raise ValueError("a line break or space in the request")
    if spec["uwsgi"]:
        return _uwsgi_request(spec, host)
    text = "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\nReferer: %s\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    return (text % (spec["path"], host, spec["agent"], spec["referrer"])).encode("utf-8", "surrogateescape")


def _uwsgi_request(spec, host):
    """The same request in uWSGI's own protocol: variables with their lengths, as nginx's uwsgi_params has them."""
    path, _, query = spec["path"].partition("?")
    variables = (
        ("REQUEST_METHOD", "GET"), ("REQUEST_URI", spec["path"]),
        ("PATH_INFO", _unquoted(path)), ("QUERY_STRING", query),
        ("CONTENT_TYPE", ""), ("CONTENT_LENGTH", ""), ("DOCUMENT_ROOT", "/"), ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("REQUEST_SCHEME", "http"), ("REMOTE_ADDR", "127.0.0.1"), ("REMOTE_PORT", "0"), ("SERVER_PORT", "80"),
        ("SERVER_NAME", host.partition(":")[0]), ("HTTP_HOST", host), ("HTTP_USER_AGENT", spec["agent"]),
        ("HTTP_REFERER", spec["referrer"]), ("HTTP_ACCEPT", "*/*"))
    words = [word.encode("utf-8", "surrogateescape") for pair in variables for word in pair]
    size = sum(2 + len(word) for word in words)
    if size > 0xFFFF:
        raise ValueError("a request too long for uwsgi")
    packed = b"".join(len(word).to_bytes(2, "little") + word for word in words)
    return b"\0" + size.to_bytes(2, "little") + b"\0" + packed


def _unquoted(path):
    """As nginx decodes a path; urllib would take longer to import than the request takes."""
    first, *others = path.encode("utf-8", "surrogateescape").split(b"%")
    digits = b"0123456789abcdefABCDEF"
    decoded = [bytes([int(part[:2], 16)]) + part[2:] if len(part) > 1 and part[0] in digits and part[1] in digits
               else b"%" + part for part in others]
    return b"".join([first, *decoded]).decode("utf-8", "surrogateescape")


def _proxy_line(sock):
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return b"PROXY UNKNOWN\r\n"
    here, there = sock.getsockname(), sock.getpeername()
    kind = "TCP4" if sock.family == socket.AF_INET else "TCP6"
    return ("PROXY %s %s %s %d %d\r\n" % (kind, here[0], there[0], here[1], there[1])).encode()


def _wrap_tls(sock, sni):
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if all(char < "\x80" for char in sni) and all(0 < len(label) < 64 for label in sni.split(".")):
        sni = sni.encode("ascii")  # as above; the codec refuses other labels
    return context.wrap_socket(sock, server_hostname=sni or None)


def probe_all(specs):
    """Run all probes in parallel, attempts of one request in a row; return their outcomes in the same order.
    None is an attempt that was not made, since the time of its series was over."""
    late = {"phase": "connect", "errno": None, "error": "timeout", "status": None, "ms": 0.0, "head": "", "body": ""}
    outcomes = [None] * len(specs)  # type: list[object]

    def work(indexes):
        end = time.time() + min(SERIES_SECONDS, specs[indexes[0]]["series"])
        for index in indexes:
            if index == indexes[0] or time.time() < end:
                outcomes[index] = late
                outcomes[index] = probe_one(specs[index])

    series = _series(specs)
    if len(series) == 1:
        work(series[0])
        return outcomes
    threads = [threading.Thread(target=work, args=(indexes,), daemon=True) for indexes in series]
    for thread in threads:
        thread.start()
    longest = SERIES_SECONDS if len(series) < len(specs) else 0.0
    end = time.time() + longest + max([0.0] + [spec["timeout"] for spec in specs]) + 1.0
    for thread in threads:
        thread.join(max(0.0, end - time.time()))  # a resolver can hang for longer than any socket
    return list(outcomes)


def _series(specs):
    """Return the indexes of the specs: attempts of one request together, each other one alone. What is left of the
    time of a look differs by microseconds from one attempt to the next, and is no part of the request."""
    found = {}  # type: dict[str, list[int]]
    for index, spec in enumerate(specs):
        key = json.dumps(dict(spec, attempt=0, series=0, timeout=0), sort_keys=True) if spec["attempt"] else str(index)
        found.setdefault(key, []).append(index)
    return list(found.values())


def enter_namespaces(paths):
    """Enter the namespaces of these /proc/PID/ns files (network first, then mounts for unix sockets and names)."""
    import ctypes
    import encodings.idna
    import ssl

    del encodings, ssl  # loaded now: afterwards this python's files may be unreachable
    libc = ctypes.CDLL(None, use_errno=True)
    handles = [os.open(path, os.O_RDONLY) for path in paths]
    if libc.setns(handles[0], 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), paths[0])
    for handle in handles[1:]:
        libc.setns(handle, 0)  # may be refused; then names and unix sockets are ours, addresses the node's


if __name__ == "__main__":
    request = json.loads(sys.argv[1])
    if request["enter"]:
        enter_namespaces(request["enter"])
    sys.stdout.write(json.dumps(probe_all(request["probes"])) + "\n")
    sys.stdout.flush()
    os._exit(0)  # threads that hang in a resolver must not delay the exit
