"""What each measured line means."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.nginx.error_kinds import CONNECT_FAILED, CONNECTING, KINDS, concern_of, ends_request, side_of
from fixer.nginx.error_log import parse_error_log

UP = " while connecting to upstream"
HEAD = " while reading response header from upstream"
BODY = " while reading upstream"
TLS = " while SSL handshaking to upstream"
TUNNEL = " while proxying upgraded connection"
CASES = [
    ("error", f"connect() failed (111: Connection refused){UP}", "refused"),
    ("error", f"connect() to unix:/run/a.sock failed (111: Connection refused){UP}", "refused"),
    ("error", f"connect() failed (113: No route to host){UP}", "host-unreachable"),
    ("error", f"connect() to 10.0.0.1:80 failed (101: Network is unreachable){UP}", "net-unreachable"),
    ("crit", f"connect() to 10.0.0.1:80 failed (13: Permission denied){UP}", "connect-denied"),
    ("crit", f"connect() to 10.0.0.1:80 failed (1: Operation not permitted){UP}", "connect-not-permitted"),
    ("crit", f"connect() to 10.0.0.1:80 failed (22: Invalid argument){UP}", "connect-invalid"),
    ("crit", f"connect() to 10.0.0.1:80 failed (99: Cannot assign requested address){UP}", "local-address-exhausted"),
    ("error", f"connect() failed (110: Connection timed out){UP}", "connect-timeout-kernel"),
    ("crit", f"connect() to unix:/run/a.sock failed (2: No such file or directory){UP}", "socket-missing"),
    ("error", f"connect() to unix:/run/a.sock failed (11: Resource temporarily unavailable){UP}", "backlog-full"),
    ("error", f"connect() failed (104: Connection reset by peer){UP}", "connect-reset"),
    ("error", f"connect() failed (71: Protocol error){UP}", "connect-failed"),
    ("error", f"upstream timed out (110: Connection timed out){UP}", "timeout-connect"),
    ("error", f"upstream timed out (110: Connection timed out){TLS}", "timeout-tls"),
    ("error", "upstream timed out (110: Connection timed out) while sending request to upstream", "timeout-send"),
    ("error", f"upstream timed out (110: Connection timed out){HEAD}", "timeout-read"),
    ("error", f"upstream timed out (110: Connection timed out){BODY}", "timeout-body"),
    ("error", f"upstream prematurely closed connection{HEAD}", "closed-before-answer"),
    ("error", f"upstream prematurely closed connection{BODY}", "closed-in-body"),
    ("error", f"recv() failed (104: Connection reset by peer){HEAD}", "reset-before-answer"),
    ("error", f"readv() failed (104: Connection reset by peer){BODY}", "reset-in-body"),
    ("error", "writev() failed (104: Connection reset by peer) while sending request to upstream", "reset-while-sending"),
    ("error", f"upstream sent too big header{HEAD}", "header-too-big"),
    ("error", f'upstream sent invalid header: "X-A: a\\x00..."{HEAD}', "header-malformed"),
    ("error", f"upstream sent no valid HTTP/1.0 header{HEAD}", "not-http"),
    ("error", f"upstream sent invalid chunked response{BODY}", "chunked-invalid"),
    ("error", f"upstream sent unsupported FastCGI protocol version: 72{HEAD}", "wrong-protocol"),
    ("crit", f"SSL_do_handshake() failed (SSL: error:0A00010B:SSL routines::wrong version number){TLS}", "tls-not-spoken"),
    ("error", f"upstream SSL certificate verify error: (10:certificate has expired){TLS}", "tls-verify"),
    ("error", f'upstream SSL certificate does not match "wrong.internal"{TLS}', "tls-name"),
    ("error", f"peer closed connection in SSL handshake (104: Connection reset by peer){TLS}", "tls-peer-closed"),
    ("error", f'cannot load certificate "/x": BIO_new_file() failed{UP}', "tls-certificate-file"),
    ("error", f"no live upstreams{UP}", "no-live-upstreams"),
    ("error", "api could not be resolved (3: Host not found)", "name-not-resolved"),
    ("error", "no resolver defined to resolve backend.internal", "no-resolver"),
    ("error", "send() failed (111: Connection refused) while resolving, resolver: 127.0.0.1:5353", "resolver-failed"),
    ("emerg", 'host not found in upstream "api" in /etc/nginx/x:1', "host-not-found"),
    ("alert", f"socket() failed (24: Too many open files){UP}", "connect-files-exhausted"),
    ("alert", f"socket() failed (97: Address family not supported by protocol){UP}", "socket-family-denied"),
    ("crit", f"bind(10.9.9.9) failed (99: Cannot assign requested address){UP}", "proxy-bind-failed"),
    ("alert", f"12 worker_connections are not enough{UP}", "connections-exhausted"),
    ("crit", "accept4() failed (24: Too many open files)", "files-exhausted"),
    ("crit", "accept4() failed (103: Software caused connection abort)", "other"),
    ("error", 'invalid URL prefix in "127.0.0.1:8000"', "invalid-target"),
    ("error", 'cache "nozone" not found', "cache-missing"),
    ("crit", 'pwritev() "/var/lib/nginx/proxy/1/00/0000000001" has written only 512 of 4096 while reading upstream', "temp-file-failed"),
    ("error", 'rewrite or internal redirection cycle while internally redirecting to "/index.html"', "redirection-cycle"),
    ("error", "auth request unexpected status: 502 while sending to client", "auth-request-failed"),
    ("crit", 'pwrite() "/var/lib/nginx/body/1" failed (28: No space left on device)', "temp-file-failed"),
    ("crit", 'open() "/var/lib/nginx/body/1" failed (13: Permission denied)', "temp-file-failed"),
    ("error", 'open() "/srv/x could not be resolved (3: y)" failed (2: No such file or directory)', "other"),
    ("error", 'limiting requests, excess: 0.988 by zone "z"', "limit-requests"),
    ("error", 'limiting connections by zone "lc"', "limit-connections"),
    ("warn", 'conflicting server name "shop.example" on 0.0.0.0:80, ignored', "name-ignored"),
    ("error", 'broken header: "GET / HTTP/1.1" while reading PROXY protocol', "proxy-protocol-broken"),
    ("alert", "worker process 31 exited on signal 9", "worker-killed"),
    ("alert", "unknown process 9 exited on signal 15", "child-killed"),
    ("notice", "unknown process 9 exited with code 0", "other"),
    ("emerg", "bind() to 0.0.0.0:80 failed (98: Address already in use)", "emerg-bind"),
    ("emerg", "still could not bind()", "emerg-bind"),
    ("emerg", 'open() "/etc/nginx/sites-enabled/gone" failed (2: No such file or directory) in /etc/nginx/nginx.conf:9', "emerg-open"),
    ("emerg", 'unexpected "}" in /etc/nginx/nginx.conf:9', "emerg-config"),
    ("notice", "signal process started", "other"),
    ("error", f"upstream timed out (110: Connection timed out){TUNNEL}", "timeout-tunnel"),
    ("error", f"recv() failed (110: Connection timed out){HEAD}", "timeout-read"),
    ("error", f"readv() failed (110: Connection timed out){BODY}", "timeout-body"),
    ("error", "send() failed (110: Connection timed out) while sending request to upstream", "timeout-send"),
    ("error", f"recv() failed (113: No route to host){HEAD}", "read-failed"),
    ("error", f"recv() failed (104: Connection reset by peer){TUNNEL}", "reset-in-tunnel"),
    ("error", f"upstream prematurely closed FastCGI stdout{HEAD}", "closed-before-answer"),
    ("error", f"upstream prematurely closed connection{TLS}", "closed-elsewhere"),
    ("error", f'upstream sent invalid "Content-Length" header: "Content-Length: abc"{HEAD}', "header-malformed"),
    ("error", f'upstream sent duplicate header line: "X-Valid: 1", previous value: "X-Valid: 2"{HEAD}', "header-forbidden"),
    ("error", f'upstream sent unknown "Transfer-Encoding": "x"{HEAD}', "header-forbidden"),
    ("error", f'upstream sent "Content-Length" and "Transfer-Encoding" headers at the same time{HEAD}', "header-forbidden"),
    ("error", f'upstream sent invalid status "abc"{HEAD}', "status-invalid"),
    ("error", f"upstream sent invalid FastCGI record{HEAD}", "answer-invalid"),
    ("error", f'memcached sent invalid response: "x"{HEAD}', "answer-invalid"),
    ("error", f"upstream sent unexpected FastCGI record: 3{HEAD}", "answer-unexpected"),
    ("error", f"upstream sent too large http2 frame: 4740180{HEAD}", "not-http2"),
    ("error", f"upstream sent too large http2 frame: 4740181{HEAD}", "answer-unexpected"),
    ("error", f'FastCGI sent in stderr: "PHP Fatal error: invalid argument"{HEAD}', "backend-stderr"),
    ("crit", f"SSL_do_handshake() failed (SSL: error:0A00042E:SSL routines::tlsv1 alert protocol version){TLS}", "tls-version"),
    ("alert", f"socket() failed (13: Permission denied){UP}", "socket-failed"),
    ("emerg", "malloc(1048576) failed (12: Cannot allocate memory)", "no-memory"),
    ("emerg", "posix_memalign(16, 4096) failed (12: Cannot allocate memory)", "no-memory"),
    ("alert", 'write() to "/var/log/nginx/access.log" failed (28: No space left on device)', "log-full"),
    ("alert", "worker process 31 exited with code 0", "worker-exited"),
    ("alert", "worker process 31 exited with code 1", "worker-failed"),
    ("alert", "worker process 31 exited with fatal code 2 and cannot be respawned", "worker-lost"),
    ("error", "connect() failed (111: Connection refused) while resolving, resolver: 10.0.0.2:53", "resolver-failed"),
    ("error", "connect() failed (111: Connection refused) while requesting certificate status", "other"),
    ("error", f"something of tomorrow{UP}", "connecting-other"),
    ("crit", f"SSL_do_handshake() failed (SSL: error:0A000458:SSL routines::tlsv1 unrecognized name){TLS}", "tls-alert-name"),
    ("crit", f"SSL_do_handshake() failed (SSL: error:0A000412:SSL routines::ssl/tls alert bad certificate){TLS}", "tls-alert-certificate"),
    ("error", f"SSL_read() failed (SSL: error:0A00045C:SSL routines::tlsv13 alert certificate required){HEAD}", "tls-alert-certificate"),
    ("error", f"SSL_read() failed (SSL: error:0A000126:SSL routines::unexpected eof while reading){HEAD}", "read-failed"),
    ("crit", f"SSL_do_handshake() failed (SSL: error:0A00018A:SSL routines::dh key too small){TLS}", "tls-weak"),
    ("crit", f"SSL_do_handshake() failed (SSL: error:0A000410:SSL routines::ssl/tls alert handshake failure){TLS}", "tls-handshake"),
    ("error", f'SSL_use_PrivateKey("/x") failed (SSL: error:05800074:x509 certificate routines::key values mismatch){UP}', "tls-certificate-file"),
    ("error", "proxy_buffer_size 4096 is not enough for cache key, it should be increased to at least 8192", "other"),
    ("error", 'thread pool "slow" not found', "request-impossible"),
    ("alert", "uwsgi request is too big: 70000", "request-impossible"),
    ("error", 'invalid host in upstream "http://shop"', "invalid-target"),
    ("crit", "pread() \"/var/lib/nginx/body/1\" failed (5: Input/output error) while sending request to upstream", "own-failure"),
    ("alert", f"setsockopt(SO_RCVBUF) failed (22: Invalid argument){UP}", "own-failure"),
    ("alert", f"setsockopt(SO_KEEPALIVE) failed, ignored (22: Invalid argument){UP}", "other"),
    ("alert", f"setsockopt(IP_TRANSPARENT) failed (1: Operation not permitted){UP}", "proxy-bind-failed"),
    ("alert", f"socket() failed (105: No buffer space available){UP}", "no-memory"),
    ("alert", f"close() socket failed (5: Input/output error){UP}", "other"),
    ("alert", "RAND_bytes() failed while SSL handshaking", "other"),
    ("alert", f"SSL_new() failed (SSL: error:07880001:common libcrypto routines::malloc failure){UP}", "own-failure"),
    ("crit", 'cache file "/var/cache/nginx/0/00/0000" contains invalid header', "other"),
    ("error", "DNS error (2: Server failure), query id:7 while resolving, resolver: 10.0.0.2:53", "resolver-failed"),
    ("warn", f"upstream sent duplicate header line: \"Date: a\", previous value: \"Date: b\", ignored{HEAD}", "answer-tolerated"),
    ("warn", f"upstream sent more data than specified in \"Content-Length\" header{BODY}", "answer-tolerated"),
    ("error", f"upstream violated stream flow control, received 9 data frame with window 1{BODY}", "answer-invalid"),
    ("info", "writev() failed (32: Broken pipe) while sending to client", "other"),
    ("info", "client timed out (110: Connection timed out) while reading client request headers", "other"),
    ("error", 'open() "/srv/exited on signal" failed (2: No such file or directory)', "other"),
]
CLIENT = ', client: 10.0.0.9, server: _, request: "GET /connect()failed HTTP/1.1", host: "x"'


@pytest.mark.parametrize(("level", "text", "expected"), CASES)
def test_meaning(level, text, expected):
    for tail in ("", CLIENT):
        line = f"2026/11/24 15:31:31 [{level}] 12#12: *5 {text}{tail}\n".encode()
        events = parse_error_log(line, where="l", utc_offset=0)
        assert [event.kind for event in events] == [expected]


def test_every_meaning_has_a_line():
    assert set(KINDS) == {expected for _, _, expected in CASES}


@pytest.mark.parametrize(("level", "text", "ends", "side"), [
    ("error", "connect() failed (111: Connection refused) while connecting to upstream", True, "backend"),
    ("crit", "connect() to 127.0.0.1:80 failed (13: Permission denied) while connecting to upstream", True, "nginx"),
    ("warn", "upstream sent duplicate header line: \"X\" while reading response header from upstream", False, "backend"),
    ("error", "recv() failed (104: Connection reset by peer) while proxying upgraded connection", False, "backend"),
    ("error", "limiting requests, excess: 1.0 by zone \"one\"", False, "backend"),
    ("error", "FastCGI sent in stderr: \"PHP message\" while reading response header from upstream", False, "backend"),
    ("crit", "SSL_do_handshake() failed (SSL: error:1) while SSL handshaking", False, "backend"),
    ("error", "SSL_do_handshake() failed (SSL: error:1) while SSL handshaking to upstream", True, "backend"),
    ("error", "rewrite or internal redirection cycle while internally redirecting to \"/x\"", True, "nginx"),
    ("error", "broken header: \"GET\" while reading PROXY protocol", False, "client"),
    ("crit", "open() \"/var/lib/nginx/body/0000000012\" failed (13: Permission denied)", True, "nginx"),
    ("crit", "open() \"/srv/www/x.html\" failed (24: Too many open files)", False, "backend"),
])
def test_only_some_lines_end_a_request(level: str, text: str, ends: bool, side: str) -> None:
    line = f'2026/01/02 03:04:05 [{level}] 7#7: *9 {text}, client: 10.0.0.9, server: a.ex, request: "GET / HTTP/1.1"'
    [event] = parse_error_log(f"{line}\n".encode(), where="log", utc_offset=0.0)
    assert (ends_request(event), side_of(event)) == (ends, side)
    assert not ends_request(replace(event, client=""))


def test_ports_that_nginx_itself_has_run_out_of_say_nothing_of_who_accepts() -> None:
    assert "local-address-exhausted" in CONNECTING and "local-address-exhausted" not in CONNECT_FAILED


def test_the_side_that_lines_of_a_kind_concern() -> None:
    assert (concern_of("refused"), concern_of("invalid-target"), concern_of("limit-requests")) == ("backend", "nginx", None)
