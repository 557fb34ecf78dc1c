"""Rules in the Docker host's packet filter: which are one lab's own, and that they go with it, whatever ended it."""

from __future__ import annotations

import ipaddress
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.errors import UnexpectedState
from lab.stack.docker_command import docker
from lab.stack.docker_host_rules import (
    CHAIN,
    LabNetworks,
    lab_ids_in,
    mark_of,
    pair_addresses,
    read_all_rules,
    read_rules,
    rules_of_lab,
)
from lab.stack.images import tags

LAB = str(Path(sys.executable).with_name("lab"))
OWN = LabNetworks("badgateway.lab=desk-1a2b", (ipaddress.IPv4Network("172.30.0.0/16"),), ("br-0123456789ab",))
MINE = '-p tcp -m tcp --dport 8000 -m comment --comment "badgateway.lab=desk-1a2b" -j DROP'


def test_a_rule_between_two_containers_needs_a_network_of_both() -> None:
    network = "0123456789ab" * 5
    web, backend = ("172.30.0.3", network), ("172.30.0.2", network)
    assert pair_addresses([web], [backend], "desk-1a2b") == ("172.30.0.3", "172.30.0.2", "br-0123456789ab")
    with pytest.raises(UnexpectedState, match="nginx and backend share none"):      # the application has the host's network
        pair_addresses([web], [], "desk-1a2b")


@pytest.mark.parametrize("rule", [
    MINE,
    "-d 172.30.0.2/32 -p tcp -m tcp --dport 8000 -j ACCEPT",
    "-s 172.30.0.0/24 -j ACCEPT",
    "-i br-0123456789ab -o br-0123456789ab -p tcp -m tcp --dport 8000 -j ACCEPT",
])
def test_what_is_about_the_lab_only_goes_with_it(rule: str) -> None:
    assert rules_of_lab([rule, "-j RETURN"], OWN) == [rule]
    assert rules_of_lab([rule, "-j RETURN"], OWN, before=[rule]) == []


@pytest.mark.parametrize("rule", [
    "-j RETURN",
    "-s 172.16.0.0/12 -j DROP",                          # wider than the lab's network
    "! -d 172.30.0.2/32 -j DROP",
    "! -i br-0123456789ab -j DROP",
    "-i br-0123456789ac -j DROP",
    '-m comment --comment "badgateway.lab=desk-1a2b2" -j DROP',
    '-m comment --comment "about badgateway.lab=desk-1a2b" -j DROP',
    "-d fe80::1/128 -j DROP",
])
def test_what_is_about_others_too_stays(rule: str) -> None:
    assert rules_of_lab([rule], OWN) == []


def test_the_comment_names_its_lab() -> None:
    assert lab_ids_in([MINE, "-j RETURN", '-m comment --comment "shop-1a2b" -j DROP']) == {"desk-1a2b"}
    assert mark_of("desk-1a2b") == OWN.mark


@pytest.fixture
def strangers() -> Iterator[str]:
    """Somebody's own rule in the same chain, about addresses that nobody has."""
    words = ["-s", "192.0.2.7/32", "-d", "198.51.100.7/32", "-m", "comment", "--comment", f"ours{os.getpid()}", "-j", "DROP"]
    helper = ["run", "--rm", "--network", "host", "--cap-add", "NET_ADMIN", "--entrypoint", "iptables", tags()["machine"], "-w", "5"]
    docker(*helper, "-A", CHAIN, *words)
    yield " ".join(words)
    docker(*helper, "-D", CHAIN, *words)


@pytest.mark.docker
@pytest.mark.timeout(200)
def test_a_rule_in_the_hosts_input_goes_with_its_lab(tmp_path: Path) -> None:
    env = {**os.environ, "BADGATEWAY_LAB_STATE": str(tmp_path)}
    up = subprocess.run([LAB, "up", "firewall-reject/docker-host-input-block", "--seed", "2"], env=env,
                        capture_output=True, text=True, check=False)
    made = {path.stem for path in tmp_path.glob("records/*.json")}
    there = lab_ids_in(read_rules(chain="INPUT"))
    down = subprocess.run([LAB, "down", "--all"], env=env, capture_output=True, text=True, check=False)
    assert (up.returncode, down.returncode) == (0, 0), (up, down)
    assert len(made) == 1 and made <= there
    assert not made & lab_ids_in(read_all_rules())


@pytest.mark.docker
@pytest.mark.timeout(200)
def test_a_rule_of_a_lab_that_was_killed_is_found_by_its_comment(tmp_path: Path, strangers: str) -> None:
    """kill -9 of `lab up` once the rule stands, and its record is gone: `down --all` takes the rule, and no other."""
    env = {**os.environ, "BADGATEWAY_LAB_STATE": str(tmp_path)}
    up = subprocess.Popen([LAB, "up", "firewall-reject/docker-user-chain-block", "--seed", "2"], env=env,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    made: set[str] = set()
    while not made & lab_ids_in(read_rules()):
        assert time.monotonic() < deadline and up.poll() is None
        made = {path.stem for path in tmp_path.glob("records/*.json")}
    up.send_signal(signal.SIGKILL)
    up.wait()
    before = set(read_rules())
    for path in tmp_path.glob("records/*"):
        path.unlink()
    down = subprocess.run([LAB, "down", "--all"], env=env, capture_output=True, text=True, check=False)
    assert down.returncode == 0 and made <= set(down.stderr.split()), down
    now = set(read_rules())
    assert not made & lab_ids_in(now) and strangers in now
    assert all(lab_ids_in([rule]) for rule in before - now)      # others' labs come and go meanwhile
