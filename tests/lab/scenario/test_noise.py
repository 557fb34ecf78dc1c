"""Noise: drawn from the seed, as much as asked, and nothing of the rest of a draw changes with it."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from lab.scenario.catalog import all_scenarios, scenario_named
from lab.scenario.complete import complete_parameters
from lab.scenario.deployment_fields import Deployment
from lab.scenario.draw import draw, noise_level
from lab.scenario.noise import NOISE_KINDS, SCAN_REQUESTS, send_scan
from lab.scenario.render import render
from lab.scenario.scenario_file import STACKS, Stack

IMAGES = {"web": "web", "app": "app", "machine": "machine", "combined": "combined"}


def drawn(stack: Stack, level: int, seed: int = 3) -> Deployment:
    found = scenario_named("healthy")
    return draw(found, found.variants[0], stack, seed, noise=level)


@pytest.mark.parametrize("stack", STACKS)
def test_as_much_as_asked(stack: Stack) -> None:
    quiet = drawn(stack, 0).template_values()
    assert not any(quiet[kind] for kind in NOISE_KINDS[stack] if kind.startswith("noise"))
    for level in range(1, len(NOISE_KINDS[stack]) + 1):
        loud = drawn(stack, level).template_values()
        assert sum(bool(loud[kind]) for kind in NOISE_KINDS[stack] if not quiet[kind]) in (level, level - 1)
        assert drawn(stack, level).template_values() == loud
        same = {key: value for key, value in loud.items() if key not in (*NOISE_KINDS[stack], "listen")}
        assert same == {key: quiet[key] for key in same}


@pytest.mark.parametrize("stack", STACKS)
def test_all_noise_is_rendered(stack: Stack) -> None:
    quiet, loud = (complete_parameters(drawn(stack, level), "name-1a2b", IMAGES) for level in (0, 5))
    more = set(render(loud).files) - set(render(quiet).files)
    for kind, word in (("noise_site", loud.noise_name), ("noise_listener", loud.noise_listener_name),
                       ("noise_job", loud.noise_job_name)):
        assert kind not in NOISE_KINDS[stack] or any(word in path for path in more), word


@pytest.mark.parametrize("stack", STACKS)
def test_who_comes_by_the_address_gets_the_office(stack: Stack) -> None:
    for seed in range(20):
        loud = complete_parameters(drawn(stack, 5, seed), "name-1a2b", IMAGES)
        site = render(loud).files[loud.site]
        assert b"default_server" in getattr(site, "data", b"")


def test_ports_do_not_meet() -> None:
    for found in all_scenarios().values():
        for variant in found.variants:
            for stack in variant.stacks:
                loud = draw(found, variant, stack, 2, noise=5).template_values()
                ports = [loud[key] for key in ("port", "second_port", "neighbour_port", "tempting_port", "noise_port")]
                assert len(set(ports)) == len(ports)


def test_seeds_draw_different_levels() -> None:
    levels = {noise_level("wrong-port", "wrong-port", "host", seed) for seed in range(60)}
    assert levels == set(range(6))


def test_a_scan_sends_all_and_waits_for_nobody() -> None:
    heard: list[bytes] = []
    server = socket.create_server(("127.0.0.1", 0))

    def listen() -> None:
        for _ in SCAN_REQUESTS:
            connection, _ = server.accept()
            with connection:
                heard.append(connection.recv(4096))

    thread = threading.Thread(target=listen)
    thread.start()
    loud = drawn("host", 5)
    start = time.monotonic()
    send_scan(f"http://127.0.0.1:{server.getsockname()[1]}", loud)
    thread.join(10)
    assert len(heard) == len(SCAN_REQUESTS)
    assert any(loud.noise_host.encode() in words for words in heard)
    assert not any(b"{host}" in words or b"{noise}" in words for words in heard)
    server.close()
    send_scan("http://127.0.0.1:9", loud)
    assert time.monotonic() - start < 60
