"""Tests of fixer/observe/docker/compose_settings.py."""

from __future__ import annotations

import pytest

from tests.observe.docker.compose_service_builders import shop

UVICORN = ["uvicorn", "a:b", "--port", "8000"]


@pytest.mark.parametrize(("listed", "left"), [
    ("    extra_hosts:\n      - api:10.0.0.9\n      - \"db=10.0.0.8\"  # the old one\n", "    extra_hosts:\n      - \"db=10.0.0.8\"  # the old one\n"),
    ("    extra_hosts:\n      db: 10.0.0.8\n      api: 10.0.0.9\n", "    extra_hosts:\n      db: 10.0.0.8\n"),
    ("    extra_hosts:\n      - api:10.0.0.9\n", ""), ("    extra_hosts: [\"api:10.0.0.9\"]\n", ""),
    ("    extra_hosts: {api: 10.0.0.9}  # moved\n", ""), ("    extra_hosts: [\"api:10.0.0.9\", \"db:10.0.0.8\"]\n", None),
    ("    extra_hosts:\n      - api:${OLD}\n", None),
])
def test_an_entry_of_extra_hosts_goes_with_its_whole_lines(listed: str, left: str | None) -> None:
    body = f"    image: img\n{listed}    cpus: 1\n"
    given = next(s for s in shop(body, argv=UVICORN).compose_settings if s.key == "extra_hosts.api")
    text = f"services:\n  api:\n{body}"
    if left is None:
        assert given.start is None
    else:
        assert given.value == "10.0.0.9" and given.start is not None and given.end is not None
        assert text[:given.start] + text[given.end:] == text.replace(listed, left)


@pytest.mark.parametrize(("listed", "target"), [
    ("      - ./code:/srv/app:ro\n", "/srv/app"), ("      - \"data:/srv/app\"\n", "/srv/app"),
    ("      - {type: bind, source: ./code, target: /srv/app}\n", "/srv/app"), ("      - ${CODE}:/srv/app\n", None),
    ("      - ./c\u00f6de:/srv/app\n", "/srv/app"),
])
def test_where_a_mount_is_inside_is_the_setting(listed: str, target: str | None) -> None:
    body = f"    image: img\n    volumes:\n{listed}"
    (given,) = [s for s in shop(body, argv=UVICORN).compose_settings if s.key == "volumes./srv/app"]
    data = f"services:\n  api:\n{body}".encode()
    assert (given.value, given.line) == ("/srv/app", 5)
    assert (None if given.start is None else data[given.start:given.end].decode()) == target


def test_what_mounts_nothing_of_the_host_is_no_such_setting() -> None:
    body = "    image: img\n    volumes:\n      - /var/cache\n      - {type: tmpfs}\n"
    assert not [s for s in shop(body, argv=UVICORN).compose_settings if s.key.startswith("volumes.")]


def test_a_name_that_two_files_give_is_not_taken_out_of_one() -> None:
    entry = "    extra_hosts: [\"api:10.0.0.9\"]\n"
    both = shop(f"    image: img\n{entry}", argv=UVICORN, more=f"services:\n  api:\n{entry}")
    assert [s.start for s in both.compose_settings if s.key == "extra_hosts.api"] == [None]


@pytest.mark.parametrize(("body", "more", "expected"), [
    ("    image: x\n", "", [("shop_default", ())]),
    ("    networks: [back]\n", "", [("shop_back", ())]),
    ("    networks:\n      back: {aliases: [api.internal, $A]}\n      far:\n", "networks:\n  far: {name: wide}\n",
     [("shop_back", ("api.internal", "b")), ("wide", ())]),
    ("    networks: [far]\n", "networks:\n  far: {external: true}\n", [("far", ())]),
    ("    network_mode: host\n", "", []),
])
def test_the_networks_of_the_files(body: str, more: str, expected: list[tuple[str, tuple[str, ...]]]) -> None:
    found = shop(body, argv=UVICORN, more=more, files={"/srv/shop/.env": "A=b\n"})
    assert [(n.name, n.aliases) for n in found.compose_networks] == expected


def test_the_addresses_that_the_files_choose_on_a_network() -> None:
    body = "    networks:\n      front: {ipv4_address: $AT, ipv6_address: \"fd00::9\"}\n      back: {aliases: [a]}\n"
    found = shop(body, argv=UVICORN, files={"/srv/shop/.env": "AT=10.1.0.9\n"})
    assert [(n.name, n.addresses) for n in found.compose_networks] == [("shop_front", ("10.1.0.9", "fd00::9")), ("shop_back", ())]


def test_settings_of_a_compose_service_with_their_places() -> None:
    body = "    image: img\n    cpus: 0.05\n    ulimits:\n      nofile: 48\n    tmpfs: [/a, /b]\n"
    found = shop(body, argv=["uvicorn", "a"])
    assert {s.key: s.value for s in found.compose_settings} == {
        "cpus": "0.05", "ulimits.nofile": "48", "tmpfs": "/a /b", "tmpfs.last": "/b"}
    text = f"services:\n  api:\n{body}"
    places = {s.key: text[s.start:s.end] for s in found.compose_settings if s.start is not None}
    assert places == {"cpus": "0.05", "ulimits.nofile": "48", "tmpfs.last": "/b"}
    assert found.setting_slot is not None and found.setting_slot.template == "\n    {name}: {value}"
    assert text[found.setting_slot.offset:] == "\n"
    flow = shop("    {image: img, cpus: 1}\n", argv=["uvicorn", "a"])
    assert flow.setting_slot is None
