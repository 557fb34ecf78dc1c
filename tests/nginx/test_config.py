"""Golden configurations: routes, spans, problems; the cases lie in `cases/`, what is expected beside them."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from fixer.model.nginx_config import NginxConfig
from fixer.nginx.config import read_config
from tests.nginx import golden_cases
from tests.nginx.config_builders import read


@pytest.mark.parametrize("case", sorted(golden_cases.CASES.glob("*.conf")), ids=lambda case: case.stem)
def test_golden(case):
    files = golden_cases.files_of(case)
    config = read_config(files, golden_cases.MAIN)
    assert golden_cases.lines_of(config) == golden_cases.expected_file(case).read_text(encoding="utf-8").split("\n")[:-1]
    for span, text in golden_cases.spans_of(config):
        data = files[span.file]
        assert data[span.start : span.end].decode("utf-8", "backslashreplace") == text
        assert data.count(b"\n", 0, span.start) + 1 == span.line


def test_main_file_that_was_not_read():
    config = read_config({}, "/opt/nginx.conf")
    assert (config.missing, config.routes, config.problems, config.files) == (("/opt/nginx.conf",), (), (), ())


def test_blocks_nested_without_end_do_not_exhaust_the_stack():
    assert read(b"server {" + b"location /a {" * 30_000).routes == ()
    nested = b"server {" + b"location /a {" * 55 + b"proxy_pass http://127.0.0.1:1;" + b"}" * 56
    assert len(read(nested).routes) <= 1


def test_problems_stand_in_the_order_in_which_nginx_reads():
    config = read(b"include a.conf;\nfirst_unknown x;\nserver {\nlisten 80 80 {", **{"a.conf": b"zeroth_unknown x;"})
    assert [p.message.split()[0:3] for p in config.problems[:2]] == [
        ["unknown", "directive", '"zeroth_unknown"'], ["unknown", "directive", '"first_unknown"']]


def test_what_follows_a_break_in_a_file_is_not_noted():
    config = read(b'server { listen 80; } } ; nonsense x;\nlisten 1 2 3;')
    assert len(config.problems) == 1


@pytest.mark.parametrize("name", [b"js_import", b"status_zone", b"more_set_headers", b"access_by_lua_file", b"sticky"])
def test_directives_of_modules_and_other_versions_are_no_certain_problem(name):
    config = read(b"server { " + name + b" x; }")
    assert not any(problem.fatal for problem in config.problems)


def test_a_loaded_module_makes_unknown_names_doubtful():
    files = {golden_cases.MAIN: b"load_module m.so; events {} http { frobnicate on; listen 80; server { } }"}
    config = read_config(files, golden_cases.MAIN)
    assert {problem.kind: problem.fatal for problem in config.problems} == {"unknown-directive": False, "not-allowed": False}


def test_stream_and_mail_are_left_alone():
    files = {golden_cases.MAIN: b"events {} stream { what ever; server { listen 1; proxy_pass x; } } http { }"}
    assert read_config(files, golden_cases.MAIN).problems == ()


@pytest.mark.parametrize("value", ["on", "off", "1 2"])
def test_flag_arguments(value):
    wrong = value == "1 2"
    assert bool(read(f"server {{ tcp_nopush {value}; }}".encode()).problems) == wrong


@pytest.mark.parametrize(("text", "seconds"), [("1", 1), ("90s", 90), ("1m30s", 90), ("2h", 7200), ("250ms", 0.25), ("x", 60),
                                               ("1d", 86400), ("", 60), ("9" * 40, 0)])
def test_timeouts(text, seconds):
    config = read(f'server {{ proxy_read_timeout "{text}"; location / {{ proxy_pass http://127.0.0.1:1; }} }}'.encode())
    assert config.routes[0].read_timeout == seconds


def test_span_inside_a_word_with_escapes_is_still_exact():
    text = b'server { location / { proxy_pass "http://127.0.0.1:8000/\\"x"; } }'
    config = read(text)
    span = config.routes[0].servers[0].span
    data = b"events {}\nhttp {\n" + text
    assert data[span.start : span.end] == b"127.0.0.1:8000"


def test_span_of_an_address_written_with_escapes_is_the_whole_word():
    text = b'server { location / { proxy_pass "http://a\\\\b"; } }'
    config = read(text)
    server = config.routes[0].servers[0]
    data = b"events {}\nhttp {\n" + text
    assert data[server.span.start : server.span.end] == b"http://a\\\\b"
    assert server.port_span is None


def test_comment_between_name_and_value():
    text = b"server { location / { proxy_pass # http://127.0.0.1:1;\n http://127.0.0.1:1; } }"
    config = read(text)
    span = config.routes[0].servers[0].span
    assert (span.line, (b"events {}\nhttp {\n" + text)[span.start - 8 : span.end]) == (4, b" http://127.0.0.1:1"[-len(b"127.0.0.1:1") - 8 :])


def test_unknown_parameters_and_odd_upstreams_are_silent():
    config = read(b"upstream u { server a:1 weight=x fail_timeout=zz slow_start=3 route=b; zone z 1m; }"
                  b"upstream v { state /x; } upstream; upstream w x { }")
    assert {problem.kind for problem in config.problems} == {"arguments", "unexpected"}


def test_a_named_location_and_return_text():
    config = read(b'server { location @n { return "text"; } location /x { return 9999; } location /y { return; } }')
    assert [static.returns for static in config.statics] == [302, 302]


def test_a_range_of_characters_that_is_none_matches_nothing():
    config = read(b"include [z-a].conf; include [b-].conf; include [^a].conf;", **{"b.conf": b"server { listen 7; }"})
    assert config.files.count("/etc/nginx/b.conf") == 1
    assert config.missing == ("/etc/nginx/[z-a].conf",)


def test_a_swallowed_directive_without_an_end_is_told_once():
    config = read(b"server { listen 1 2 3; proxy_read_timeout 1 2")
    assert [problem.fatal for problem in config.problems] == [False, True]


def test_map_blocks_hold_no_blocks_and_odd_maps_are_skipped():
    config = read(b"map $a $b { default { } } map $c { } map $d e { } server { location / { proxy_pass http://$e; } }")
    assert ("unexpected", 'unexpected "{"') in [(p.kind, p.message) for p in config.problems]
    assert config.routes[0].servers[0].variable == "e"


def test_many_words_are_fine():
    names = b" ".join(b"n%d.example" % n for n in range(60))
    assert read(b"server { server_name " + names + b"; }").problems == ()


def test_the_collector_is_left_as_it_was():
    import gc

    gc.disable()
    try:
        read(b"")
        assert not gc.isenabled()
    finally:
        gc.enable()
    read(b"")
    assert gc.isenabled()


@pytest.mark.parametrize(("text", "variable"), [("http://$-x", "$-x"), ("$", "$"), ("unix:$x", "unix:$x"), ("http://$x.example", "x")])
def test_odd_variables(text, variable):
    route = read(f"server {{ location / {{ proxy_pass {text}; }} }}".encode()).routes[0]
    assert [server.variable for server in route.servers] == [variable]


@pytest.mark.parametrize("text", [
    "upstream u { server unix:///run/a.sock; } server { location / { uwsgi_pass u; } }",      # as uWSGI's guide writes it
    "server { location / { proxy_pass http://unix:///run/a.sock:/x; } }",
    "server { location / { proxy_pass http://unix:/run/a.sock; } }",
])
def test_a_socket_is_its_path_however_many_slashes_begin_it(text):
    assert read(text.encode()).routes[0].servers[0].unix == "/run/a.sock"


def test_a_variable_whose_text_has_another_variable_inside_is_unknown():
    route = read(b'server { set $a "x$host"; set $b $a; location / { proxy_pass http://$b:1; } }').routes[0]
    assert (route.servers[0].variable, route.servers[0].port) == ("b", 1)


@pytest.mark.parametrize(("data", "kinds"), [
    (b"\x00" * 50, ["unknown-directive", "unexpected"]),
    (b"http { server { listen; location { proxy_pass; set; map; return; } } upstream; }",
     ["arguments", "arguments", "arguments", "arguments", "not-allowed", "arguments", "unexpected"]),
    (b"http{upstream u{server;}}", ["arguments"]),
])
def test_rubbish_is_a_list_of_problems_and_no_route(data, kinds):
    config = read_config({golden_cases.MAIN: data}, golden_cases.MAIN)
    assert ([problem.kind for problem in config.problems], config.routes) == (kinds, ())
    assert all(problem.fatal and (problem.file, problem.line) == (golden_cases.MAIN, 1) for problem in config.problems)


def test_a_listen_over_several_lines_is_fine():
    assert read(b"server { listen 443\n ssl\n http2\n default_server; }").problems == ()


def test_an_upstream_whose_servers_were_not_read_is_not_called_empty():
    config = read(b"upstream u { include /etc/nginx/pool/*.conf; }")
    assert (config.problems, config.missing) == ((), ("/etc/nginx/pool/*.conf",))


@pytest.mark.parametrize(("server", "path"), [
    (b"location / { try_files $uri @app; }", "/-"),                       # as the servers' own manuals write it
    (b"try_files $uri $uri/ @app;", "/-"),
    (b"location /shop { try_files $uri/index.html $uri @app; }", "/shop/-"),
    (b"location / { root /srv/www; error_page 403 404 = @app; }", "/-"),
    (b"location / { proxy_pass http://127.0.0.1:2; error_page 404 502 = @app; }", None),      # only once that fails
    (b"location / { try_files /closed.html $uri @app; }", "/-"),          # a page that may be there for all
    (b"location / { return 410; try_files $uri @app; }", None),
    (b"location / { try_files $uri @other; }", None),
])
def test_a_named_location_is_reached_by_a_path_that_is_no_file(server, path):
    config = read(b"server { %b location @app { proxy_pass http://127.0.0.1:1; } }" % server)
    assert [route.path for route in config.routes if route.location == "@app"] == [path]
    assert [route.shadowed for route in config.routes if route.location == "@app"] == [b"/closed.html" in server]


@pytest.mark.parametrize(("outer", "inner", "upgrades"), [
    (b"", b"proxy_set_header Upgrade $http_upgrade;", True),
    (b"proxy_set_header upgrade $http_upgrade;", b"", True),
    (b"proxy_set_header Upgrade $http_upgrade;", b"proxy_set_header Host $host;", False),   # none is taken from above
    (b"", b'proxy_set_header Upgrade "";', False),
    (b"", b"proxy_set_header Upgrade;", False),
])
def test_what_hands_on_a_change_of_protocol(outer, inner, upgrades):
    config = read(b"server { %b location / { %b proxy_pass http://127.0.0.1:1; } }" % (outer, inner))
    assert [route.upgrades for route in config.routes] == [upgrades]


@pytest.mark.parametrize(("outer", "inner", "said"), [
    (b"", b"", ""),
    (b"", b"proxy_next_upstream off;", "proxy_next_upstream off"),
    (b"proxy_next_upstream off;", b"proxy_next_upstream error timeout;", ""),
    (b"proxy_next_upstream http_502 http_503;", b"", "proxy_next_upstream http_502 http_503"),
    (b"", b"proxy_next_upstream_tries 1;", "proxy_next_upstream_tries 1"),
    (b"proxy_next_upstream_tries 2;", b"grpc_next_upstream off;", ""),      # that is of another kind of route
])
def test_what_keeps_nginx_from_asking_another_server(outer, inner, said):
    config = read(b"server { %b location / { %b proxy_pass http://127.0.0.1:1; } }" % (outer, inner))
    assert config.routes[0].one_try.partition(",")[0] == said


@pytest.mark.parametrize("block", [
    b'split_clients "${remote_addr}x" $back { 20% 127.0.0.1:8001; * 127.0.0.1:8000; }',
    b"geo $back { ranges; default 127.0.0.1:8001; 10.0.0.0-10.0.0.9 127.0.0.1:8000; proxy 192.0.2.1; }",
    b"geo $http_x $back { default 127.0.0.1:8001; 10.0.0.0/8 127.0.0.1:8000; }",
])
def test_what_visitors_are_shared_out_to_is_read_like_a_map(block: bytes):
    config = read(block + b" server { location / { proxy_pass http://$back; } }")
    assert config.problems == ()
    assert [(server.host, server.port) for server in config.routes[0].servers] == [("127.0.0.1", 8001), ("127.0.0.1", 8000)]


@pytest.mark.parametrize(("outer", "inner", "said"), [
    (b"", b"", ""), (b"error_page 502 /50x.html;", b"", ""), (b"error_page 404 =200 /a;", b"", ""),
    (b"error_page 500 502 =200 /sorry.html;", b"", "error_page 500 502 =200 /sorry.html"),
    (b"error_page 504 = @other;", b"", "error_page 504 = @other"), (b"error_page 502 @other;", b"", ""),
    (b"error_page 502 https://status.example;", b"", "error_page 502 https://status.example"),
    (b"error_page 502 =503 /sorry.html;", b"", ""),
    (b"error_page 502 =200 /sorry.html;", b"error_page 404 /x;", ""),        # none is taken from above
    (b"error_page 502 /x;", b"error_page 502 =200 /y;", "error_page 502 =200 /y"),
])
def test_an_error_page_that_gives_another_status(outer, inner, said):
    config = read(b"server { %b location / { %b proxy_pass http://127.0.0.1:1; } }" % (outer, inner))
    assert config.routes[0].masked_by.partition(",")[0] == said


def test_what_is_asked_before_a_request_is_let_in():
    config = read(b"""server { listen 80; auth_request /_check;
      location / { proxy_pass http://127.0.0.1:1; }
      location /open { auth_request off; proxy_pass http://127.0.0.1:2; }
      location /own { auth_request /_own; proxy_pass http://127.0.0.1:3; }
      location = /_check { internal; auth_request off; proxy_pass http://127.0.0.1:4; }
      location = /_other { internal; proxy_pass http://127.0.0.1:5; } }
      server { listen 81; location = /_check { proxy_pass http://127.0.0.1:6; } }""")
    told = {r.pass_text[-1]: (r.auth, r.asked_first) for r in config.routes}
    assert told == {"1": ("/_check", False), "2": ("", False), "3": ("/_own", False), "4": ("", True),
                    "5": ("/_check", False), "6": ("", False)}


@pytest.mark.parametrize(("second", "upstream"), [(b"a_pool", "a_pool"), (b"b_pool", ""), (b"127.0.0.1:3", "")])
def test_values_that_lead_to_several_groups_are_none(second: bytes, upstream: str):
    config = read(b"map $host $pool { default a_pool; b.ex " + second + b"; }\nupstream a_pool { server 127.0.0.1:1; }\n"
                  b"upstream b_pool { server 127.0.0.1:2; }\nserver { location / { proxy_pass http://$pool; } }")
    route = config.routes[0]
    assert (route.upstream, route.servers[0].group) == (upstream, "a_pool")


@pytest.mark.parametrize(("rules", "closed"), [
    (b"deny all;", True), (b"deny 10.0.0.1; deny all; allow 10.0.0.2;", True), (b"allow 10.0.0.1; deny all;", False),
    (b"deny 10.0.0.1;", False), (b"satisfy any; deny all;", False), (b"", False),
])
def test_a_location_that_lets_nobody_in(rules: bytes, closed: bool):
    inner = read(b"server { location /a { " + rules + b" proxy_pass http://127.0.0.1:1; } }").routes[0]
    above = read(b"server { " + rules + b" location /a { proxy_pass http://127.0.0.1:1; } }").routes[0]
    opened = read(b"server { deny all; location /a { allow all; " + rules + b" proxy_pass http://127.0.0.1:1; } }").routes[0]
    assert (inner.denies_all, above.denies_all, opened.denies_all) == (closed, closed, False)
    assert (inner.path is None, above.path is None) == (closed, closed)


@pytest.mark.parametrize(("above", "outer", "inner", "included"), [
    (b"", b"", b"ssi on;", True), (b"", b"ssi on;", b"", True), (b"ssi on;", b"", b"", True),
    (b"", b"", b"add_after_body /part;", True),
    (b"", b"", b"", False), (b"", b"", b"ssi off;", False),
    (b"", b"ssi on;", b"mirror /part;", False),         # what it answers nobody sees
])
def test_an_internal_location_that_is_a_part_of_pages(above: bytes, outer: bytes, inner: bytes, included: bool):
    config = read(above + b"server { listen 80; " + outer + b" location / { " + inner + b" proxy_pass http://127.0.0.1:1; }\n"
                  b"location = /part { internal; proxy_pass http://127.0.0.1:2; } }\n"
                  b"server { listen 81; location = /part { internal; proxy_pass http://127.0.0.1:3; } }")
    assert [r.included for r in config.routes] == [False, included, bool(above)]


@pytest.mark.parametrize(("first", "second", "expected"), [
    ("listen 80 proxy_protocol;", "listen 80;", (False, True)), ("listen 443 ssl;", "listen 443;", (True, False)),
    ("listen [::]:443 ssl proxy_protocol;", "listen [::]:443;", (True, True)), ("listen 80 proxy_protocol;", "", (False, True)),
    ("listen 127.0.0.1:80 proxy_protocol;", "listen 80;", (False, False)),        # another address is another socket
    ("listen 443 quic;", "listen 443;", (False, False)),                            # and so is UDP
    ("listen unix:/run/front.sock proxy_protocol;", "listen unix:/run/front.sock;", (False, True)),
])
@pytest.mark.parametrize("turned", [False, True])
def test_how_an_address_is_spoken_to_holds_for_every_server_there(first, second, expected, turned):
    """nginx itself: "protocol options redefined", and the options of both hold."""
    pair = [f"server {{ {listen} location / {{ proxy_pass http://127.0.0.1:{port}; }} }}" for listen, port in ((first, 1), (second, 2))]
    text = f"events {{}} http {{ {' '.join(reversed(pair) if turned else pair)} }}"
    found = read_config({"/n.conf": text.encode()}, "/n.conf")
    (listen,) = next(route for route in found.routes if route.pass_text.endswith(":2")).listens
    assert (listen.tls, listen.proxy_protocol) == expected


# Configurations that no person wrote: what reading them may cost, and that what was not read is not called absent.
MAIN = "/etc/nginx/nginx.conf"


def config_limits_read(data: bytes) -> NginxConfig:
    return read_config({MAIN: data}, MAIN)


def test_the_first_of_very_many_problems_are_kept_and_cost_no_more_each_than_the_first() -> None:
    began = time.process_time()
    config = config_limits_read(b"a;" * 50_000)
    assert time.process_time() - began < 3        # each looked through the whole line: 50,000 times 100,000 bytes
    assert 1 <= len(config.problems) <= 1000 and config.problems[0].message == 'unknown directive "a"'
    assert not config.cut


def test_what_nginx_comes_to_first_is_kept_though_it_was_noted_last() -> None:
    late = b"http { server { location / { return 200; } location / { return 200; } " + b"nonsense a;\n" * 2000 + b"} }"
    assert config_limits_read(late).problems[0].kind == "duplicate-location"


def test_very_many_names_that_a_module_may_bring_do_not_hide_what_is_certain() -> None:
    config = config_limits_read(b"load_module a.so;\n" + b"nonsense a;\n" * 3000 + b"include gone.conf;\n")
    assert [problem.kind for problem in config.problems if problem.fatal] == ["missing-include"]


@pytest.mark.parametrize(("head", "unit", "foot"), [
    (b"", b"a;", b""), (b"", b'"a";', b""), (b"", b"a ", b""), (b"", b"a{", b""), (b"http{map $a $b{", b"a b;", b"}}"),
    (b"http{server{", b"location /a{proxy_pass http://a;}", b"}}"), (b"http{", b"server{}", b"}"),
], ids=["directives", "quoted", "words", "blocks", "map", "locations", "servers"])
def test_more_than_can_be_held_is_cut_and_said(head: bytes, unit: bytes, foot: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fixer.nginx.include.MOST_WORDS", 20_000)
    monkeypatch.setattr("fixer.nginx.proxied_locations.MOST_LOCATIONS", 2_000)
    tracemalloc.start()
    config = config_limits_read(head + unit * 30_000 + foot)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert config.cut and peak < 24 << 20
    assert not config_limits_read(head + unit * 20 + b"}" * (20 if unit == b"a{" else 0) + foot).cut
