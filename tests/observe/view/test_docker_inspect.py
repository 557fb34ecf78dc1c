"""docker inspect and docker logs, real and damaged; journals and plain logs."""

from __future__ import annotations

import json

import pytest

from fixer.formats.service_log import days_from_epoch, parse_docker_logs, parse_journal, parse_log_file, parse_time
from fixer.model.facts import Known, Unknown
from fixer.model.query import Answer, FileAnswer
from fixer.observe.view.docker_inspect import host_path, inspect_environment, inspect_objects, parse_inspect
from tests.observe.capture_builders import file

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


PAINTED = (b'2026-11-27T12:00:00Z   File \x1b[35m"/code/main.py"\x1b[0m, line \x1b[35m2\x1b[0m, in \x1b[35m<module>\x1b[0m\r\n'
           b"2026-11-27T12:00:01Z \x1b[1;35mKeyError\x1b[0m: \x1b[35m'SECRET_KEY'\x1b[0m\r\n"
           b"2026-11-27T12:00:02Z \x1b]0;a title\x07INFO\r\n")


def test_words_that_a_program_painted_for_a_terminal() -> None:
    """Python 3.13 colours its tracebacks where it has a terminal: `tty: true` in a compose file is one."""
    found = parse_docker_logs(Answer("ok", PAINTED), "shop-api-1")
    assert isinstance(found, Known) and [line.text for line in found.value] == [
        '  File "/code/main.py", line 2, in <module>', "KeyError: 'SECRET_KEY'", "INFO"]


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


@pytest.mark.parametrize(("text", "epoch"), [
    ("1970-01-01T00:00:00Z", 0.0), ("2000-03-01T00:00:00Z", 951868800.0), ("2024-02-29T12:00:00.5Z", 1709208000.5),
    ("2026-11-24T01:30:00-02:00", 1795491000.0), ("0001-01-01T00:00:00Z", 0.0), ("soon", 0.0),
])
def test_times(text: str, epoch: float) -> None:
    assert parse_time(text) == epoch


def test_days() -> None:
    assert days_from_epoch(1970, 1, 1) == 0 and days_from_epoch(2100, 3, 1) - days_from_epoch(2100, 2, 28) == 1


def test_docker_logs_of_both_streams() -> None:
    said = Answer("ok", b"2026-11-24T15:34:34.2Z out\nno stamp\n", stderr=b"2026-11-24T15:34:34.1Z err\r\n")
    found = parse_docker_logs(said, "api")
    assert isinstance(found, Known) and [line.text for line in found.value] == ["no stamp", "err", "out"]
    assert parse_docker_logs(None, "api") == Unknown("not asked") and parse_docker_logs(Answer("failed"), "a") == Unknown("failed")


def test_a_journal() -> None:
    said = Answer("ok", b"-- Boot --\n1795533913.912829 host systemd[1]: Started.\n1795533914.0 host u[2]: a: b\ncontinued\n\xff\n")
    found = parse_journal(said, "u.service")
    assert isinstance(found, Known)
    assert [(line.at, line.text) for line in found.value] == [
        (1795533913.912829, "Started."), (1795533914.0, "a: b"), (1795533914.0, "continued"), (1795533914.0, "�")]
    assert parse_journal(None, "u") == Unknown("not asked")
    assert parse_journal(Answer("no-tool", message="no journalctl"), "u") == Unknown("no journalctl")


def test_a_log_file() -> None:
    whole = parse_log_file(Answer("ok", files=(file("/l", "a\n\nb\n"),)), "/l")
    assert isinstance(whole, Known) and [(line.at, line.text) for line in whole.value] == [(None, "a"), (None, "b")]
    cut = parse_log_file(Answer("ok", files=(FileAnswer("/l", "ok", None, b"alf a line\nb\n", True),)), "/l")
    assert isinstance(cut, Known) and [line.text for line in cut.value] == ["b"]
    assert parse_log_file(None, "/l") == Unknown("not asked")
    assert parse_log_file(Answer("denied", files=(FileAnswer("/l", "denied"),)), "/l") == Unknown("denied")


def test_the_last_words_of_a_health_check_and_the_ports_that_an_image_names() -> None:
    said = "OCI runtime exec failed: exec failed: unable to start container process: exec: \"curl\": not found: unknown"
    log = [{"ExitCode": 0, "Output": "old"}, {"ExitCode": -1, "Output": f"first\n{said}\n"}]
    item = {"Id": "a" * 64, "Name": "/a", "State": {"Health": {"Status": "unhealthy", "Log": log}},
            "Config": {"ExposedPorts": {"5432/tcp": {}, "53/udp": {}, "x/tcp": {}}}}
    (found,) = parse_inspect(Answer("ok", json.dumps([item]).encode()))
    assert (found.health_output, found.health_exit, found.exposes) == ('exec: "curl": not found: unknown', -1, (5432,))
