"""docker inspect and docker logs, real and damaged; journals and plain logs."""

from __future__ import annotations

import json

import pytest

from fixer.model.query import Answer
from fixer.model.query import Answer as Said
from fixer.observe.view.docker_inspect import host_path, inspect_environment, inspect_objects, parse_inspect

ITEM = {
    "Id": "abc", "Name": "/shop-api-1", "Path": "uvicorn", "Args": ["a:b"], "RestartCount": 3,
    "State": {"Status": "exited", "ExitCode": 137, "OOMKilled": True, "Error": "e", "Pid": 0, "Health": {"Status": "unhealthy"},
              "StartedAt": "2026-11-24T15:34:34.25Z", "FinishedAt": "2026-11-24T16:34:35+01:00"},
    "HostConfig": {"RestartPolicy": {"Name": "always"}},
    "Config": {"Image": "api", "User": "app", "Env": ["A=1", "B=x=y", "C"], "Labels": {
        "com.docker.compose.service": "api", "com.docker.compose.project": "shop", "n": 5}},
    "NetworkSettings": {"Networks": {"front": {"IPAddress": "10.1.0.2", "Aliases": ["api", "api"], "DNSNames": ["abc"]}},
                        "Ports": {"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18000"}], "9/udp": None, "x": [{}]}},
    "Mounts": [{"Type": "bind", "Source": "/srv/site", "Destination": "/etc/nginx/conf.d", "RW": False},
               {"Type": "bind", "Source": "/srv/one.conf", "Destination": "/etc/nginx/conf.d/one.conf", "RW": True},
               {"Type": "volume", "Source": "v", "Destination": "/v"}],
}


def answer(value: object) -> Answer:
    return Answer("ok", json.dumps(value).encode())


def test_a_container() -> None:
    (found,) = parse_inspect(answer([ITEM]))
    assert (found.name, found.service, found.project, found.argv) == ("shop-api-1", "api", "shop", ("uvicorn", "a:b"))
    assert (found.status, found.exit_code, found.oom_killed, found.health) == ("exited", 137, True, "unhealthy")
    assert found.finished_at - found.started_at == pytest.approx(0.75)
    assert found.env_names == ("A", "B", "C") and inspect_environment(ITEM) == {"A": "1", "B": "x=y"}  # type: ignore[arg-type]
    assert found.networks == (("front", "10.1.0.2", ("api", "abc")),)
    assert found.published == (("127.0.0.1", 18000, 8000),)
    assert found.label("com.docker.compose.service") == "api" and found.label("n") is None
    assert not found.is_machine and len(found.mounts) == 2


def test_the_addresses_that_were_chosen_for_a_container() -> None:
    networks = {"front": {"IPAddress": "10.1.0.9", "IPAMConfig": {"IPv4Address": "10.1.0.9", "IPv6Address": "fd00::9"}},
                "back": {"IPAddress": "10.2.0.2", "IPAMConfig": None}, "old": {"IPAMConfig": {}}}
    (found,) = parse_inspect(answer([{**ITEM, "NetworkSettings": {"Networks": networks}}]))
    assert found.fixed_addresses == (("front", ("10.1.0.9", "fd00::9")),)


def test_what_must_be_there_when_a_container_starts() -> None:
    """The source of a short volume is made where it is gone; that of a mount is not, unless it is told so."""
    mounts = [{"Type": "bind", "Source": "/srv/key.txt", "Target": "/run/secrets/key", "ReadOnly": True},
              {"Type": "bind", "Source": "/srv/made", "Target": "/x", "BindOptions": {"CreateMountpoint": True}},
              {"Type": "volume", "Source": "v", "Target": "/v"}]
    host = {**ITEM["HostConfig"], "Binds": ["/srv/site:/site"], "Mounts": mounts}   # type: ignore[dict-item]
    (found,) = parse_inspect(answer([{**ITEM, "HostConfig": host}]))
    assert (found.sources, found.missing_sources) == (("/srv/key.txt",), ())


def test_what_a_container_alone_calls_others() -> None:
    """`links:` on a network of its own, `--link` on the default bridge."""
    ends = {"front": {"IPAddress": "10.1.0.2", "Links": ["shop-api-1:backend", "shop-api-1:shop-api-1", "odd"]}}
    (found,) = parse_inspect(answer([{**ITEM, "NetworkSettings": {"Networks": ends},
                                      "HostConfig": {"Links": ["/db:/shop-api-1/database", 7]}}]))
    assert found.links == (("shop-api-1", "backend"), ("shop-api-1", "shop-api-1"), ("db", "database"))
    assert parse_inspect(answer([ITEM]))[0].links == ()


def test_the_ipv6_addresses_of_a_container() -> None:
    networks = {"front": {"IPAddress": "10.1.0.9", "GlobalIPv6Address": "fd00:5::9"}, "back": {"GlobalIPv6Address": ""}}
    (found,) = parse_inspect(answer([{**ITEM, "NetworkSettings": {"Networks": networks}}]))
    assert found.ipv6 == (("front", "fd00:5::9"),) and found.addresses == {"10.1.0.9", "fd00:5::9"}


def test_all_addresses_of_the_networks_of_a_container() -> None:
    networks = {"front": {"IPAddress": "10.1.37.9", "IPPrefixLen": 20}, "back": {"IPAddress": "10.2.0.2", "IPPrefixLen": 24},
                "old": {"IPAddress": "", "IPPrefixLen": 0}, "odd": {"IPAddress": "10.2.0.x", "IPPrefixLen": 99}}
    (found,) = parse_inspect(answer([{**ITEM, "NetworkSettings": {"Networks": networks}}]))
    assert found.subnets == (("front", "10.1.32.0/20"), ("back", "10.2.0.0/24"))


@pytest.mark.parametrize(("config", "may"), [
    ({}, False), ({"CapAdd": ["SYS_PTRACE"]}, False), ({"CapAdd": ["NET_ADMIN"]}, True), ({"CapAdd": ["CAP_NET_ADMIN"]}, True),
    ({"CapAdd": ["ALL"]}, True), ({"Privileged": True}, True),
])
def test_who_may_change_the_packet_filter_of_its_network(config: dict[str, object], may: bool) -> None:
    (found,) = parse_inspect(answer([{**ITEM, "HostConfig": config}]))
    assert found.net_admin is may


@pytest.mark.parametrize("data", [b"", b"{", b"[1, null, {}]", b'{"Id": 5}', b'"x"', b"\xff"])
def test_what_is_no_container(data: bytes) -> None:
    assert parse_inspect(Answer("ok", data)) == ()


def test_an_empty_object_is_a_container_with_nothing_known() -> None:
    (found,) = parse_inspect(answer({"Id": "x", "Config": None, "State": [], "Mounts": {}, "NetworkSettings": {"Networks": []}}))
    assert (found.name, found.status, found.argv, found.mounts, found.started_at) == ("", "", ("",), (), 0.0)
    assert inspect_objects(None) == []


def test_a_machine_in_a_container() -> None:
    (found,) = parse_inspect(answer({"Id": "x", "Path": "/lib/systemd/systemd"}))
    assert found.is_machine


@pytest.mark.parametrize(("path", "expected"), [
    ("/etc/nginx/conf.d/a.conf", ("/srv/site/a.conf", False)), ("/etc/nginx/conf.d/one.conf", ("/srv/one.conf", True)),
    ("/etc/nginx/nginx.conf", None), ("/etc/nginx/conf.d2/a", None),
])
def test_paths_on_the_host(path: str, expected: tuple[str, bool] | None) -> None:
    assert host_path(parse_inspect(answer([ITEM]))[0], path) == expected


def test_the_last_words_of_a_health_check_and_the_ports_that_an_image_names() -> None:
    said = "OCI runtime exec failed: exec failed: unable to start container process: exec: \"curl\": not found: unknown"
    log = [{"ExitCode": 0, "Output": "old"}, {"ExitCode": -1, "Output": f"first\n{said}\n"}]
    item = {"Id": "a" * 64, "Name": "/a", "State": {"Health": {"Status": "unhealthy", "Log": log}},
            "Config": {"ExposedPorts": {"5432/tcp": {}, "53/udp": {}, "x/tcp": {}}}}
    (found,) = parse_inspect(Answer("ok", json.dumps([item]).encode()))
    assert (found.health_output, found.health_exit, found.exposes) == ('exec: "curl": not found: unknown', -1, (5432,))


@pytest.mark.parametrize(("host", "expected"), [
    ('"NanoCpus": 50000000, "ReadonlyRootfs": true, "Ulimits": [{"Name": "nofile", "Soft": 48, "Hard": 48}]', (0.05, True, 48)),
    ('"CpuQuota": 5000', (0.05, False, 0)), ('"CpuQuota": 5000, "CpuPeriod": 50000', (0.1, False, 0)), ("", (0.0, False, 0)),
])
def test_limits_of_a_container(host: str, expected: tuple[float, bool, int]) -> None:
    (found,) = parse_inspect(Said("ok", f'[{{"Id": "x", "HostConfig": {{{host}}}}}]'.encode()))
    assert (found.cpu_limit, found.read_only, found.nofile_limit) == (pytest.approx(expected[0]), *expected[1:])


@pytest.mark.parametrize(("word", "hosts"), [
    ("VIRTUAL_HOST=shop.example.org,www.shop.example.org", ("shop.example.org", "www.shop.example.org")), ("VIRTUAL_HOST=*.Example.org", ("*.example.org",)),
    ("DB_HOST=db", None), ("HOST=0.0.0.0", None), ("API_HOST=https://a.example", None), ("KEY=shop.example.org", None), ("VIRTUAL_HOST=", None),
    ("SMTP_HOST=a:secret@mail.example", None),
])
def test_the_names_of_sites_in_variables(word: str, hosts: tuple[str, ...] | None) -> None:
    (made,) = parse_inspect(Answer("ok", json.dumps([{"Id": "a", "Name": "/a", "Config": {"Env": [word]}}]).encode()))
    assert made.host_variables == (((word.partition("=")[0], hosts),) if hosts else ())
