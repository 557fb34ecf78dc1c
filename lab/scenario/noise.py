"""Noise: unrelated activity of a real host, drawn from the seed, at the requested level."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from lab.http_get import unverified_tls_context
from lab.scenario.deployment_fields import Deployment, replace, with_values
from lab.scenario.scenario_file import Stack, Variant
from lab.scenario.word_lists import JOBS, WORDS

# last week's errors in the log; a site with its own fault; a listener that answers everything on a plausible port; a
# failed job; a scanner that sends all kinds of requests and forges what it can
NOISE_KINDS: Mapping[Stack, Sequence[str]] = {
    "host": ("old_log", "noise_site", "noise_listener", "noise_job", "noise_scan"),
    "containers": ("noise_site", "noise_listener", "noise_job", "noise_scan"),
    "all-in-one": ("noise_site", "noise_listener", "noise_scan"),
}
_TEMPTING = ("old_port", "neighbour", "stranger")  # a scenario that uses these needs them itself


def draw_noise(drawn: Deployment, variant: Variant, level: int, dice: random.Random) -> Deployment:
    """Return the draw with its noise; level 0 turns all off. A separate generator keeps the rest of the draw."""
    names = dice.sample([word for word in WORDS if word not in (drawn.word, drawn.second)], 2)
    job = dice.choice(JOBS)
    taken = drawn.taken_ports()
    port = dice.choice([port for port in range(9300, 9400) if port not in taken])
    drawn = replace(
        drawn, noise_name=names[0], noise_host=f"{names[0]}.{drawn.second_name.partition('.')[2]}",
        noise_listener_name=f"{names[1]}d", noise_job_name=f"{names[0]}-{job}", noise_port=port,
        tempting_port=drawn.old_port,
    )
    kinds = list(NOISE_KINDS[drawn.stack])
    if drawn.web_network == "host":
        kinds.remove("noise_site")  # it would listen on port 80 of the machine
    if any(word in repr((variant.breaks, variant.parameters)) for word in _TEMPTING):
        kinds.remove("noise_listener")
    drawn = with_values(drawn, dict.fromkeys(dice.sample(kinds, min(level, len(kinds))), True))
    if drawn.noise_site and drawn.listen == "80":
        return replace(drawn, listen="80 default_server")  # requests by address still reach the office
    return drawn


SCAN_REQUESTS = (
    b"GET /.env HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n",
    b"GET /cgi-bin/luci/;stok=/locale?form=country HTTP/1.0\r\n\r\n",
    b"GET /wp-login.php HTTP/1.1\r\nHost: {noise}\r\nConnection: close\r\n\r\n",
    b"GET /private/list HTTP/1.1\r\nHost: {noise}\r\nConnection: close\r\n\r\n",
    b"GET /api/feed HTTP/1.1\r\nHost: {noise}\r\nConnection: close\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\xa1\xb2\xc3\x1b[2J\x07",
    b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00",
    b"OPTIONS sip:nm SIP/2.0\r\nVia: SIP/2.0/TCP nm;branch=foo\r\n\r\n",
    b'GET /status", upstream: "http://127.0.0.1:22/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n',
    b'GET /login HTTP/1.1\r\nHost: {host}\r\nReferer: x", upstream: "http://10.9.8.7:4444/login\r\n'
    b"User-Agent: connect() failed (13: Permission denied) while connecting to upstream\r\nConnection: close\r\n\r\n",
    b"GET /login?x=[emerg]+bind()+to+0.0.0.0:80+failed+(98:+Address+already+in+use) HTTP/1.1\r\nHost: {host}\r\n"
    b"Connection: close\r\n\r\n",
)


def send_scan(url: str, deployment: Deployment) -> None:
    """Send one round of a port scanner's requests; ignore the answers."""
    place = urlsplit(url)
    name = deployment.server_name
    names = {b"{host}": b"127.0.0.1" if name == "_" else name.encode(), b"{noise}": deployment.noise_host.encode()}
    for words in SCAN_REQUESTS:
        for key, value in names.items():
            words = words.replace(key, value)  # noqa: PLW2901
        try:
            with socket.create_connection((place.hostname or "", place.port or 80), 2.0) as plain:
                plain.settimeout(1.0)
                connection = unverified_tls_context().wrap_socket(plain) if place.scheme == "https" else plain
                connection.sendall(words)
                connection.recv(4096)
        except OSError:
            continue


# Lines of last week in nginx's error log: a past fault, which is no evidence of a present one.


def old_error_log(full: Deployment, now: float, dice: random.Random) -> bytes:
    """Return some minutes of refused connections, six to eight days old, in nginx's format."""
    moment = now - dice.uniform(6.0, 8.0) * 86400
    lines = []
    for number in range(dice.randrange(5, 30)):
        moment += dice.uniform(0.2, 9.0)
        stamp = time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime(moment))
        path = dice.choice(["/login", "/", "/api/report", "/dashboard"])
        worker, client = dice.randrange(300, 330), f"10.0.0.{dice.randrange(2, 250)}"
        lines.append(
            f"{stamp} [error] {worker}#{worker}: *{number * 3 + 11} connect() failed (111: Connection refused) while "
            f"connecting to upstream, client: {client}, server: {full.server_name}, request: "
            f'"GET {path} HTTP/1.1", upstream: "http://127.0.0.1:{full.old_port}{path}", '
            f'host: "{full.word}.example.com"\n'
        )
    return "".join(lines).encode()
