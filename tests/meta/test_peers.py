"""The comparison with other tools: its hosts, and the judge, on outputs whose meaning a person can see."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.peers.judge import (
    PASSAGE,
    PeerHost,
    names_cause,
    peer_hosts,
    quotes_log,
    shows_place,
    with_values,
)
from benchmarks.peers.results import host_table, peer_table, run_table, with_found
from benchmarks.peers.tools import all_tools, values_of
from lab.random_hosts.draw_host import draw_host
from lab.random_hosts.host_spec import fill
from lab.random_hosts.ledger import SeedRange, ledger_path, read_ledger

ROOT = Path(__file__).resolve().parents[2]
HOSTS = {one.fault: one for one in peer_hosts()}


def cause_of(fault: str) -> tuple[str, ...]:
    return with_values(HOSTS[fault].cause, draw_host(HOSTS[fault].seed).fill)


def test_the_hosts_are_ten_faults_and_a_healthy_one() -> None:
    assert len(HOSTS) == 11 and "" in HOSTS
    for fault, host in HOSTS.items():
        assert bool(host.cause) is bool(fault)


@pytest.mark.parametrize("host", peer_hosts(), ids=lambda host: host.fault or "healthy")
def test_a_seed_is_the_first_published_one_that_fits(host: PeerHost) -> None:
    first = min(int(run["seeds"]["first"]) for run in read_ledger(ledger_path()))
    last = max(SeedRange(run["seeds"]["first"], run["seeds"]["count"]).seeds[-1] for run in read_ledger(ledger_path()))
    assert first <= host.seed <= last

    def fits(seed: int) -> bool:
        spec = draw_host(seed)
        if (spec.choices["kind"], spec.choices["distribution"]) != ("machine", "debian-13"):
            return False
        return [one.name for one in spec.faults] == ([host.fault] if host.fault else []) and (
            bool(host.fault) or spec.choices["noise"] == "none")

    assert next(seed for seed in range(first, host.seed + 1) if fits(seed)) == host.seed


@pytest.mark.parametrize("host", peer_hosts(), ids=lambda host: host.fault or "healthy")
def test_every_pattern_can_be_filled_and_read(host: PeerHost) -> None:
    for pattern in with_values((*host.cause, *host.place), draw_host(host.seed).fill):
        assert "{{" not in pattern
        re.compile(pattern)


# what a person would write about the fault, in words of no tool, and what only repeats its symptom
@pytest.mark.parametrize(("fault", "said", "symptom"), [
    ("nginx-stopped", "nginx is not running", "connect to 127.0.0.1 port 80: refused; is nginx installed? yes"),
    ("name-unknown", "the name backend-1.internal cannot be resolved", "backend-1.internal is in your upstream"),
    ("service-disabled", "the unit intake@main is inactive", "intake answers 502"),
    ("port-taken", "another program holds port 9202", "connection to 127.0.0.1:9202 was closed early"),
    ("folder-missing", "/opt/ledger/current-2 does not exist", "ledger.service failed"),
    ("route-wrong-port", "nginx asks 7585, the application listens on 3557", "connect() failed to 127.0.0.1:7585, refused"),
    ("nginx-not-reloaded", "nginx was not reloaded after its files changed", "nginx: reload failed"),
    ("route-speaks-tls", "nginx speaks TLS, the backend plain HTTP", "SSL_do_handshake() failed: wrong version number"),
    ("port-dropped", "a rule of the firewall drops packets to 4904", "upstream timed out while connecting to 4904"),
    ("login-ends-process", "the worker ended with SIGABRT", "upstream prematurely closed connection"),
])
def test_a_cause_counts_and_its_symptom_does_not(fault: str, said: str, symptom: str) -> None:
    assert names_cause(said, cause_of(fault))
    assert not names_cause(symptom, cause_of(fault))


def test_the_words_stand_in_one_statement_and_frames_and_colours_do_not_count() -> None:
    cause = cause_of("route-wrong-port")
    apart = "nginx asks 7585\n" + "something else\n" * (PASSAGE - 1) + "the application listens on 3557\n"
    assert not names_cause(apart, cause)
    assert names_cause(apart.replace("something else\n", "", 1), cause)
    assert names_cause("┃ asks \x1b[31m7585\x1b[0m ┃\n┠───┨\n│ listens on │\n\n│ 3557 │", cause)
    assert not names_cause("17585 35570", cause), "a part of a number is another number"
    assert not names_cause("anything", ()), "a healthy host has no cause"


def test_a_line_of_a_file_counts_if_that_line_shows_the_cause() -> None:
    files = {"/etc/nginx/sites-available/a": "server {\n  listen 80;\n  proxy_pass http://127.0.0.1:7585;\n}"}
    place = with_values(HOSTS["route-wrong-port"].place, draw_host(HOSTS["route-wrong-port"].seed).fill)
    assert shows_place("wrong: /etc/nginx/sites-available/a:3 proxy_pass …", place, files)
    assert shows_place('in file "/etc/nginx/sites-available/a", line 3', place, files)
    assert not shows_place("hidden version: /etc/nginx/sites-available/a:2", place, files)
    assert not shows_place("/etc/nginx/sites-available/a:9 and /etc/other:3", place, files)


def test_a_log_line_counts_if_its_message_is_quoted() -> None:
    logged = ('2026/03/01 10:00:00 [error] 71#71: *9 connect() failed (111: Connection refused) while connecting to upstream, '
              'client: 127.0.0.1, server: _\nMar 01 10:00:00 web archive[12]: OSError: [Errno 98] Address already in use: 9202\nshort\n')
    assert quotes_log("error.log, 3 times   connect() failed (111: Connection\n   refused) while connecting", logged)
    assert quotes_log("archive: OSError: [Errno 98] Address already in use: 9202", logged)
    assert not quotes_log("the connection was refused (111), short", logged)


def result(named: bool, **more: object) -> dict[str, object]:
    return {"alarm": True, "named": named, "evidence": named, "code": 1, "ms": 10.0, "cpu_ms": 4.0, **more}


def test_the_table_counts_over_the_broken_hosts_and_repairs_over_those_that_can_be() -> None:
    names = [tool.name for tool in all_tools()]
    hosts = {str(one.seed): {"fault": one.fault, "tools": {name: result(name == "fixer" and bool(one.fault), lasts=True)
                                                            for name in names}} for one in peer_hosts()}
    hosts["215"]["tools"]["fixer"] |= {"named": False, "ms": 99.0}
    hosts["181"]["tools"]["fixer"] |= {"alarm": False}
    results = {"date": "2026-01-01", "cores": 2, "load": 0.4, "versions": {"fixer": "1.2"}, "hosts": hosts}
    rows = {row[0]: row[1:] for row in peer_table(results)}
    assert list(rows) == names
    purpose = next(tool.purpose for tool in all_tools() if tool.name == "fixer")
    assert rows["fixer"] == ("1.2", purpose, "10 of 10", "9 of 10", "10 of 10", "9 of 9", "0 of 1", "10", "4")
    assert rows["logwatch"][2:] == ("no verdict", "0 of 10", "0 of 10", "looks only", "no verdict", "10", "4")
    by_host = {row[0]: row[1:] for row in host_table(results)}
    assert by_host["215"][1] == "none" and by_host["320"][1] == "fixer" and len(by_host) == 10
    assert by_host["233"][2] == "a person must" and "monit" in by_host["320"][2]
    assert list(run_table(results)) == [("2026-01-01", "2", "0.4", "10", "1")]
    assert list(peer_table({})) == list(host_table({})) == list(run_table({})) == []


def test_every_tool_looks_or_repairs_and_its_files_can_be_filled() -> None:
    for tool in all_tools():
        assert tool.look or tool.repair
        re.compile(tool.alarm)
        for peer in peer_hosts():
            values = values_of(draw_host(peer.seed), tool)
            for text in (tool.look, tool.repair, *tool.files.values()):
                assert "{{" not in fill(text, values)


def test_versions_of_the_image_are_pinned() -> None:
    folder = ROOT / "benchmarks/peers/image"
    recipe = "\n".join((folder / name).read_text("utf-8") for name in ("Dockerfile", "python-tools.txt"))
    for name in ("monit", "goss", "logwatch", "sosreport", "monitoring-plugins-basic", "ansible-core", "gixy-ng", "nginx-lens",
                 "deploydoctor", "binnacle"):
        assert re.search(rf"\b{name}={{1,2}}[0-9][\w.:+-]*", recipe), name


def test_a_run_of_some_tools_keeps_what_is_known_of_the_others() -> None:
    first = with_found({}, "name-unknown", {"fixer": {"named": True}, "goss": {"named": False}}, "a" * 40)
    second = with_found(first, "name-unknown", {"goss": {"named": True}}, "b" * 40)
    assert second["tools"] == {"fixer": {"named": True, "commit": "a" * 8}, "goss": {"named": True, "commit": "b" * 8}}
