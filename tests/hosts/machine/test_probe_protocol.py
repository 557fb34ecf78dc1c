"""Probes against real listeners: every way to fail is told apart, and none can hold a probe."""

import json
import os
import shlex
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path

import pytest

from fixer import __version__
from fixer.hosts.machine import look_budget, probe_program, probe_protocol
from fixer.hosts.nodes.local_node import LocalAsker
from fixer.hosts.sh import round_script
from fixer.model.query import Probe
from tests.contract import backend_listeners


def probe(port: int, path: str | None = "/", **slots) -> dict:
    query = Probe(slots.pop("host", "127.0.0.1"), port, path, **slots)
    answer = LocalAsker().ask([query])[query]
    assert answer.status == "ok"
    return json.loads(answer.data)


@pytest.mark.parametrize(("behave", "error", "status", "phase"), [
    (backend_listeners.answer, None, 203, "done"),
    (backend_listeners.close_at_once, "closed", None, "head"),
    (backend_listeners.reset, "reset", None, "head"),
    (backend_listeners.speak_something_else, "not-http", None, "head"),
    (backend_listeners.stay_silent, "timeout", None, "head"),
    (backend_listeners.half_a_head, "closed", 200, "head"),
    (backend_listeners.trickle, "timeout", None, "head"),
    (backend_listeners.stall_in_the_head, "timeout", None, "head"),
    (backend_listeners.stream_forever, None, 200, "done"),
    (backend_listeners.drip_forever, None, 200, "done"),
    (backend_listeners.continue_once, None, 203, "done"),
    (backend_listeners.continue_and_leave, "closed", None, "head"),
    (backend_listeners.continue_slowly_forever, "timeout", None, "head"),
    (backend_listeners.continue_forever, "timeout", None, "head"),
])
def test_each_behaviour_is_told_apart(behave, error, status, phase) -> None:
    with backend_listeners.run_listener(behave) as port:
        started = time.monotonic()
        found = probe(port, timeout=0.8)
        assert time.monotonic() - started < 2.5
    assert (found["error"], found["status"], found["phase"]) == (error, status, phase)


@pytest.mark.parametrize("behave", [backend_listeners.stream_forever, backend_listeners.head_forever, backend_listeners.continue_forever])
def test_an_answer_without_end_is_not_kept(behave) -> None:
    with backend_listeners.run_listener(behave) as port:
        probe(port, timeout=0.5)      # whatever is imported for it is there now
        tracemalloc.start()
        try:
            probe(port, timeout=1.5)
            assert tracemalloc.get_traced_memory()[1] < 2 << 20
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize(("behave", "least", "kept_coming"), [
    (backend_listeners.trickle, 19, True), (backend_listeners.stall_in_the_head, 28, False), (backend_listeners.stay_silent, 0, False),
])
def test_a_header_that_is_not_whole_in_time_says_how_much_came_and_for_how_long(behave, least, kept_coming) -> None:
    with backend_listeners.run_listener(behave) as port:
        found = probe(port, timeout=0.8)
    assert found["arrived"] >= least and (found["growing"] > 200) is kept_coming


@pytest.mark.parametrize(("behave", "error", "status"), [
    (backend_listeners.continue_once, None, 203), (backend_listeners.continue_and_leave, "closed", None),
    (backend_listeners.continue_slowly_forever, "timeout", None), (backend_listeners.continue_forever, "timeout", None),
])
@pytest.mark.parametrize("how", ["bash", "nc"])
def test_an_interim_answer_is_none_for_the_plain_tools_either(how, behave, error, status) -> None:
    found = plainly(how, behave)
    assert (found["error"], found["status"]) == (error, status)


@pytest.mark.parametrize(("behave", "error", "arrived"), [
    (backend_listeners.trickle, "timeout", 19), (backend_listeners.stall_in_the_head, "timeout", 27), (backend_listeners.drip_forever, None, 0),
])
@pytest.mark.parametrize("how", ["bash", "nc"])
def test_the_plain_tools_of_a_node_say_how_much_of_an_answer_had_begun(how, behave, error, arrived) -> None:
    found = plainly(how, behave)
    assert found["error"] == error and found.get("arrived", 0) >= arrived
    assert found["status"] == (None if error else 200)


def plainly(how, behave, **slots) -> dict:
    """A probe as the shell of a node makes it with this tool."""
    if shutil.which(how) is None:
        pytest.skip(f"no {how} here")
    with backend_listeners.run_listener(behave) as port:
        query = Probe("127.0.0.1", port, "/", **slots)
        words = ["2", "127.0.0.1", str(port), probe_protocol.http_request(query)]
        script = "T=timeout N=n; have() { [ \"$1\" = \"$how_wanted\" ]; }; item() { :; }\n"
        script += f"{round_script.PLAIN_PROBES}\nplain 0 {' '.join(map(shlex.quote, words))}\n"
        said = subprocess.run(["sh", "-c", script], env={**os.environ, "how_wanted": how}, capture_output=True, check=True)
    head, _, data = said.stdout.lstrip(b"\n").partition(b"\n")
    return probe_protocol.probe_outcome(query, head.decode().split(" ")[4:], data)


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(("said", "whole"), [
    (OK + b"Content-Length: 5\r\n\r\nhello", True), (OK + b"content-length: 0\r\n\r\n", True), (OK + b"Content-Length: 9\r\n\r\nhello", False),
    (CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", True), (CHUNKED + b"0\r\n\r\n", True), (CHUNKED + b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", True),
    (CHUNKED + b"5\r\nhello\r\n", False), (CHUNKED + b"5\r\nhe", False),
    (OK + b"\r\nhello", None),                                                                      # the end is the end
    (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", None), (b"HTTP/1.1 204 No Content\r\n\r\n", None),
    (OK + b"Content-Length: 5000\r\n\r\n" + b"x" * 5000, True), (OK + b"Content-Length: 5000\r\n\r\n" + b"x" * 4999, False),
    (OK + b"Content-Length: 90000\r\n\r\n" + b"x" * 80000, None),                                  # longer than what is read
])
def test_whether_an_answer_came_to_its_end(said: bytes, whole: bool | None) -> None:
    def send(near: socket.socket) -> None:
        near.recv(4096)
        near.sendall(said)

    with backend_listeners.run_listener(send) as port:
        found = probe(port, timeout=2.0)
    assert (found["whole"], found["error"]) == (whole, None)
    plain = probe_protocol.probe_outcome(Probe("127.0.0.1", 80, "/"), ["0", "1", "2"], said)
    assert plain["whole"] is (whole or None), "what a tool printed may be cut or masked"


@pytest.mark.parametrize("length", [b"9" * 5000, b"9" * 19, b"-1", b"0x5", b""])
def test_a_length_that_is_none_proves_nothing_and_harms_nothing(length: bytes) -> None:
    head = OK + b"Content-Length: " + length
    for ended in (True, False):
        assert probe_program.is_whole(head, b"hello", ended) is None
    assert probe_protocol.probe_outcome(Probe("127.0.0.1", 80, "/"), ["0", "1", "2"], head + b"\r\n\r\nhello")["whole"] is None


def test_a_body_of_known_length_that_stays_out_is_no_answer_in_time() -> None:
    def stall(near: socket.socket) -> None:
        near.recv(4096)
        near.sendall(OK + b"Server: slow\r\nContent-Length: 9\r\n\r\nhello")
        near.recv(1)        # until the other side leaves

    with backend_listeners.run_listener(stall) as port:
        found = probe(port, timeout=0.8)
    assert (found["error"], found["phase"], found["status"], found["whole"]) == ("timeout", "body", None, None)
    assert "Server: slow" in found["head"] and found["ms"] >= 700


def test_one_that_is_whole_is_not_waited_for_longer() -> None:
    def keep_open(near: socket.socket) -> None:
        near.recv(4096)
        near.sendall(OK + b"Content-Length: 5\r\n\r\nhello")
        near.recv(1)

    with backend_listeners.run_listener(keep_open) as port:
        found = probe(port, timeout=5.0)
    assert (found["whole"], found["error"]) == (True, None)


def test_an_answer_that_is_not_over_yet_may_still_come_to_its_end() -> None:
    with backend_listeners.run_listener(backend_listeners.drip_forever) as port:
        assert probe(port, timeout=0.8)["whole"] is None
    half = OK + b"Content-Length: 9\r\n\r\nhello"
    assert probe_protocol.probe_outcome(Probe("127.0.0.1", 80, "/"), ["124", "1", "2"], half)["whole"] is None


def test_what_an_answer_holds() -> None:
    with backend_listeners.run_listener(backend_listeners.answer) as port:
        found = probe(port)
    assert found["head"].splitlines()[:2] == ["HTTP/1.1 203 Odd", "Server: contract"]
    assert found["body"] == "ok"
    assert found["ms"] > 0


@pytest.mark.parametrize("said", [b"cat: -: Connection reset by peer\n", b"nc: read: Connection reset\n", b""])
def test_a_reset_after_the_answer_does_not_hide_it(said: bytes) -> None:
    data = said + b"HTTP/1.1 502 Bad Gateway\r\nServer: nginx\r\n\r\nx"
    found = probe_protocol.probe_outcome(Probe("127.0.0.1", 80, "/"), ["1", "1", "2"], data)
    assert (found["status"], found["error"], found["head"]) == (502, None, "HTTP/1.1 502 Bad Gateway\r\nServer: nginx")


def test_reset_has_its_errno() -> None:
    with backend_listeners.run_listener(backend_listeners.reset) as port:
        assert probe(port)["errno"] == 104


def test_nobody_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        found = probe(taken.getsockname()[1])
    assert (found["error"], found["errno"], found["phase"]) == ("refused", 111, "connect")


def test_a_backlog_that_nobody_accepts_from_connects_and_then_times_out() -> None:
    with socket.socket() as stopped:
        stopped.bind(("127.0.0.1", 0))
        stopped.listen(8)
        port = stopped.getsockname()[1]
        assert probe(port, None)["error"] is None
        found = probe(port, timeout=0.4)
    assert (found["error"], found["phase"]) == ("timeout", "head")


def test_a_name_that_does_not_resolve() -> None:
    assert probe(1, host="no-such-name.invalid")["error"] == "unresolved"


def test_the_request_is_plain_and_says_who_asks() -> None:
    with backend_listeners.run_listener(backend_listeners.echo_request) as port:
        lines = probe(port, "/a?b=c", host_header="shop.example")["body"].splitlines()
    assert lines[0] == "GET /a?b=c HTTP/1.1"
    assert "Host: shop.example" in lines
    assert f"User-Agent: badgateway/{__version__}" in lines
    assert "Referer: http://shop.example/badgateway" in lines     # what nginx's error log shows of us
    assert "Connection: close" in lines
    assert not [line for line in lines if line.lower().startswith(("cookie", "content-length"))]


def test_uwsgi_is_spoken_with_the_variables_that_nginx_would_send(tmp_path) -> None:
    with backend_listeners.run_listener(backend_listeners.echo_uwsgi_variables, str(tmp_path / "s")):
        found = probe(0, "/caf%C3%A9%%4?b=c", unix=str(tmp_path / "s"), host_header="shop.example:81", uwsgi=True)
    assert (found["status"], found["error"], found["phase"]) == (200, None, "done")
    first, *lines = found["body"].split("\r\n")
    assert first == "modifiers 0 0"
    said = dict(line.split("=", 1) for line in lines)
    assert (said["REQUEST_METHOD"], said["REQUEST_URI"], said["QUERY_STRING"]) == ("GET", "/caf%C3%A9%%4?b=c", "b=c")
    assert said["PATH_INFO"].encode("latin-1").decode() == "/café%%4"
    assert (said["HTTP_HOST"], said["SERVER_NAME"]) == ("shop.example:81", "shop.example")
    assert said["HTTP_REFERER"] == "http://shop.example:81/badgateway"


@pytest.mark.parametrize(("behave", "error"), [
    (backend_listeners.close_at_once, "closed"), (backend_listeners.reset, "reset"), (backend_listeners.stay_silent, "timeout"),
])
def test_uwsgi_without_an_answer(behave, error) -> None:
    with backend_listeners.run_listener(behave) as port:
        found = probe(port, uwsgi=True, timeout=0.5)
    assert (found["error"], found["status"], found["phase"]) == (error, None, "head")


def test_a_block_that_uwsgi_cannot_hold_is_not_sent() -> None:
    with backend_listeners.run_listener(backend_listeners.echo_request) as port:
        assert probe(port, "/" + "x" * 70000, uwsgi=True)["error"].startswith("invalid")
        assert probe(port, "/x\r\ny", uwsgi=True)["error"].startswith("invalid")


@pytest.mark.parametrize("how", ["bash", "nc"])
def test_plain_tools_only_connect_to_what_speaks_uwsgi(how) -> None:
    found = plainly(how, backend_listeners.stay_silent, uwsgi=True)
    assert (found["error"], found["status"], found["phase"]) == (None, None, "done")


def test_a_request_cannot_be_split_by_its_slots() -> None:
    with backend_listeners.run_listener(backend_listeners.echo_request) as port:
        assert probe(port, "/x\r\nHost: evil")["error"].startswith("invalid")
        assert probe(port, "/", host_header="a\r\nX: y")["error"].startswith("invalid")


def test_proxy_protocol_comes_first() -> None:
    with backend_listeners.run_listener(backend_listeners.echo_request) as port:
        body = probe(port, proxy_protocol=True)["body"]
    assert body.startswith("PROXY TCP4 127.0.0.1 127.0.0.1 ")


def test_unix_sockets(tmp_path) -> None:
    path = str(tmp_path / "s")
    with backend_listeners.run_listener(backend_listeners.answer, path):
        assert probe(0, unix=path)["status"] == 203
    assert probe(0, unix=path)["error"] == "refused"
    assert probe(0, unix=str(tmp_path / "none"))["error"] == "no-socket"


def test_tls_is_spoken_unverified_with_sni(tmp_path) -> None:
    cert, key = tmp_path / "c", tmp_path / "k"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
         "-subj", "/CN=self"], check=True, capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    names = []
    context.sni_callback = lambda sock, name, ctx: names.append(name)

    def serve(conn: socket.socket) -> None:
        with context.wrap_socket(conn, server_side=True) as tls:
            backend_listeners.answer(tls)

    with backend_listeners.run_listener(serve) as port:
        assert probe(port, tls=True, sni="shop.example")["status"] == 203
    assert names == ["shop.example"]
    with backend_listeners.run_listener(backend_listeners.speak_something_else) as port:
        assert (probe(port, tls=True)["error"], probe(port, tls=True)["phase"]) == ("tls", "tls")


@pytest.mark.parametrize(("sni", "codec"), [("shop.example", False), ("", False), ("sh\u00f6p.example", True)])
def test_a_plain_name_is_sent_without_the_codec_of_other_names(sni: str, codec: bool) -> None:
    """Its import takes as long as a dozen of our modules."""
    program = (f"import sys; sys.argv = ['-c']; sys.path.insert(0, {str(Path(probe_program.__file__).parent)!r}); import probe_program as p, socket; "
               f"a, b = socket.socketpair(); b.close()\ntry: p._wrap_tls(a, {sni!r})\nexcept OSError: pass\n"
               "print('encodings.idna' in sys.modules)")
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said == f"{codec}\n"


@pytest.mark.parametrize("sni", ["a..b", f"{'a' * 64}.example"])
def test_a_name_that_nobody_can_send_is_said_to_be_invalid(sni: str) -> None:
    with backend_listeners.run_listener(backend_listeners.speak_something_else) as port:
        assert str(probe(port, tls=True, sni=sni)["error"]).startswith("invalid: ")


def busy(at_once: list[int]):
    """A backend that answers after a moment, and notes how many requests it had at the same time."""
    lock, now = threading.Lock(), [0]

    def behave(conn: socket.socket) -> None:
        with lock:
            now[0] += 1
            at_once.append(now[0])
        time.sleep(0.05)
        backend_listeners.answer(conn)
        with lock:
            now[0] -= 1
    return behave


def test_attempts_of_one_request_are_made_in_a_row() -> None:
    at_once: list[int] = []
    with backend_listeners.run_listener(busy(at_once)) as port:
        queries = [Probe("127.0.0.1", port, "/", attempt=n) for n in range(1, 9)]
        answers = LocalAsker().ask(queries)
    assert {json.loads(answers[query].data)["status"] for query in queries} == {203}
    assert at_once == [1] * 8


def test_attempts_are_made_in_a_row_also_where_the_time_of_the_look_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left of it was part of each request, and differed: 39 requests came at once, on a host that was slow."""
    monkeypatch.setattr(look_budget, "LOOK_SECONDS", 4.0)
    at_once: list[int] = []
    with backend_listeners.run_listener(busy(at_once)) as port, look_budget.one_look():
        LocalAsker().ask([Probe("127.0.0.1", port, "/", attempt=n) for n in range(1, 9)])
    assert at_once == [1] * 8


@pytest.mark.parametrize("beside", [0, 1])
def test_attempts_end_when_their_seconds_are_over(beside: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_program, "SERIES_SECONDS", 0.2)
    with backend_listeners.run_listener(busy([])) as port:
        queries = [Probe("127.0.0.1", port, "/", attempt=n) for n in range(1, 30)]
        others = [Probe("127.0.0.1", port, f"/{n}") for n in range(beside)]
        answers = LocalAsker().ask([*queries, *others])
    made = [query for query in queries if answers[query].status == "ok"]
    assert made == queries[: len(made)] and 1 < len(made) < 10
    assert all(answers[query].message.startswith("not asked again") for query in queries[len(made):])
    assert all(answers[query].status == "ok" for query in others)


def test_the_plain_tools_of_a_node_make_attempts_in_a_row_too() -> None:
    at_once: list[int] = []
    with backend_listeners.run_listener(busy(at_once)) as port:
        lane = round_script._probe_lane([Probe("127.0.0.1", port, "/", attempt=n) for n in range(1, 7)])
        script = 'T="timeout -k 1" N=n; have() { [ "$1" = bash ]; }; item() { :; }\n' + lane
        said = subprocess.run(["sh", "-c", script], capture_output=True, check=True).stdout
    assert said.count(b"203 Odd") == 6 and at_once == [1] * 6


def test_many_probes_take_as_long_as_the_slowest() -> None:
    with backend_listeners.run_listener(backend_listeners.stay_silent) as port:
        queries = [Probe("127.0.0.1", port, f"/{n}", timeout=0.5) for n in range(30)]
        started = time.monotonic()
        answers = LocalAsker().ask(queries)
    assert time.monotonic() - started < 3
    assert {json.loads(answers[q].data)["error"] for q in queries} == {"timeout"}
