"""Values that a variable can have: `set`, `map`, `geo`, `split_clients`."""

from __future__ import annotations

import pytest

from fixer.nginx.expansions import Expansion, expansions
from fixer.nginx.tree import parse
from fixer.nginx.variables import Variables, path_captures, read_map
from tests.nginx.config_builders import read


def test_map_blocks_hold_no_blocks_and_odd_maps_are_skipped():
    config = read(b"map $a $b { default { } } map $c { } map $d e { } server { location / { proxy_pass http://$e; } }")
    assert ("unexpected", 'unexpected "{"') in [(p.kind, p.message) for p in config.problems]
    assert config.routes[0].servers[0].variable == "e"


def test_a_variable_whose_text_has_another_variable_inside_is_unknown():
    route = read(b'server { set $a "x$host"; set $b $a; location / { proxy_pass http://$b:1; } }').routes[0]
    assert (route.servers[0].variable, route.servers[0].port) == ("b", 1)


@pytest.mark.parametrize("block", [
    b'split_clients "${remote_addr}x" $back { 20% 127.0.0.1:8001; * 127.0.0.1:8000; }',
    b"geo $back { ranges; default 127.0.0.1:8001; 10.0.0.0-10.0.0.9 127.0.0.1:8000; proxy 192.0.2.1; }",
    b"geo $http_x $back { default 127.0.0.1:8001; 10.0.0.0/8 127.0.0.1:8000; }",
])
def test_what_visitors_are_shared_out_to_is_read_like_a_map(block: bytes):
    config = read(block + b" server { location / { proxy_pass http://$back; } }")
    assert config.problems == ()
    assert [(server.host, server.port) for server in config.routes[0].servers] == [("127.0.0.1", 8001), ("127.0.0.1", 8000)]


def known(variables: Variables, name: bytes) -> list[Expansion]:
    """What a variable stands for, without what the files do not say."""
    node = parse(b"x $" + name + b";").directives[0]
    return [made for made in expansions(node, 1, 0, variables) if b"$" not in made.text]


def texts(variables: Variables, name: bytes) -> list[bytes]:
    return [made.text for made in known(variables, name)]


def chosen(made: list[Expansion]) -> list[str]:
    return [one.chosen_by(0, len(one.text)) for one in made]


def within(text: bytes, outer: Variables | None = None) -> Variables:
    return (outer or Variables({}, {})).within(parse(text).directives)


def test_a_later_set_replaces_an_earlier_one() -> None:
    assert texts(within(b"set $a one; set $a two;"), b"a") == [b"two"]


def test_a_set_inside_an_if_only_may_run() -> None:
    assert texts(within(b"set $a one; if ($host) { set $a two; }"), b"a") == [b"one", b"two"]


def test_a_set_of_the_location_hides_the_map_and_the_server() -> None:
    name, values = read_map(parse(b"map $host $a { default mapped; }").directives[0]) or (b"", ())
    server = within(b"set $b outer;", Variables({name: values}, {}))
    inner = within(b"set $a own; set $b inner;", server)
    assert (texts(server, b"a"), texts(inner, b"a"), texts(inner, b"b")) == ([b"mapped"], [b"own"], [b"inner"])
    assert texts(server, b"b") == [b"outer"]       # what is outside stays as it is


def test_a_block_without_set_changes_nothing() -> None:
    outer = within(b"set $a one;")
    assert within(b"listen 80;", outer) is outer and outer.within(None) is outer


@pytest.mark.parametrize(("text", "expected"), [
    (b"set $a $b; set $b x;", [b"x"]), (b"set $a ${b}; set $b x;", [b"x"]),
    (b"set $a $b;", []), (b"set $a http://$b; set $b x;", [b"http://x"]), (b"set $a '';", [b""]),
    (b"set $a $b; set $b $a;", []),                                   # a circle ends
])
def test_what_leads_on_to_other_variables(text: bytes, expected: list[bytes]) -> None:
    assert texts(within(text), b"a") == expected


def test_many_values_are_bounded() -> None:
    body = b"".join(b"k%d v%d;" % (n, n) for n in range(100))
    name, values = read_map(parse(b"map $host $a {" + body + b"}").directives[0]) or (b"", ())
    assert len(values) == 100 and len(texts(Variables({name: values}, {}), b"a")) == 64


@pytest.mark.parametrize(("text", "expected"), [
    (b"map $host $a { hostnames; volatile; default x; b.ex y; include more.map; }", (b"a", [b"x", b"y"])),
    (b"geo $a { default x; proxy 192.0.2.1; delete 10.0.0.1; 10.0.0.0/8 y; }", (b"a", [b"x", b"y"])),
    (b"map $a { default x; }", None), (b"map $host a { default x; }", None), (b"geo $a $b $c { default x; }", None),
    (b"map $host $a;", (b"a", [])),
])
def test_what_a_map_can_give(text: bytes, expected: tuple[bytes, list[bytes]] | None) -> None:
    made = read_map(parse(text).directives[0])
    assert (made if made is None else (made[0], [value.text for value in made[1]])) == expected


def choosers(text: bytes, name: bytes = b"a", outer: Variables | None = None) -> list[str]:
    made = read_map(parse(text).directives[0])
    assert made is not None
    return chosen(known((outer or Variables({}, {}))._replace(maps={made[0]: made[1]}), name))


@pytest.mark.parametrize(("text", "expected"), [
    (b"map $host $a { default x; b.ex y; }", ["config", "config"]), (b"map $uri $a { ~^/x y; }", ["config"]),
    (b"map $cookie_canary $a { default x; 1 y; }", ["config", "request"]), (b"map $arg_v $a { 2 y; }", ["request"]),
    (b'map "$host $http_x_beta" $a { "b 1" y; }', ["request"]), (b"map $http_host $a { b.ex y; }", ["config"]),
    (b"split_clients $remote_addr $a { 0% x; 0.0% y; 0.5% z; * w; }", ["never", "never", "config", "config"]),
    (b"geo $a { default x; 10.0.0.0/8 y; }", ["config", "config"]),
])
def test_what_makes_a_request_choose_a_value(text: bytes, expected: list[str]) -> None:
    assert choosers(text) == expected


def test_a_host_that_never_gets_there_chooses_nothing() -> None:
    text = b"map $host $a { default x; b.ex y; c.ex z; *.d.ex w; }"
    assert choosers(text, outer=Variables({}, {}, frozenset({b"b.ex"}))) == ["config", "config", "never", "config"]


def test_a_set_inside_an_if_is_chosen_by_its_condition() -> None:
    made = within(b'set $a one; if ($http_beta) { set $a two; } if ($uri ~ ^/x) { set $a three; }')
    assert chosen(known(made, b"a")) == ["config", "request", "config"]


def test_known_values_stay_known_beside_an_unknown_one() -> None:
    made = within(b"set $a one; if ($host) { set $a $arg_to; }")
    node = parse(b"x $a;").directives[0]
    assert [(one.text, one.open_name(0, 9)) for one in expansions(node, 1, 0, made)] == [(b"one", b""), (b"$arg_to", b"a")]


@pytest.mark.parametrize(("pattern", "names"), [
    (b"^/api(/.*)$", {b"1"}), (b"^/(a)(?:/x)(/.+)?$", {b"2"}), (b"^(?<rest>/.*)", {b"1", b"rest"}), (b"^(?P<r>/)", {b"1", b"r"}),
    (b"^[(](/x)", {b"1"}), (b"\\((/x)", {b"1"}), (b"^/(.*)$", set()), (b"(/a|b)", set()), (b"(\\/.*)", {b"1"}), (b"(", set()),
])
def test_groups_that_hold_the_rest_of_a_path(pattern: bytes, names: set[bytes]) -> None:
    assert path_captures(pattern) == names
