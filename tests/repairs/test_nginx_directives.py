"""Tests of fixer/repairs/nginx_directives.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.model.facts import Known
from fixer.model.nginx_config import Listen, ServerBlock, Span
from fixer.repairs.file_edits import NotEditable
from fixer.repairs.nginx_directives import DirectiveEdit, DirectiveValue, remove_argument, set_directives
from tests.causes.snapshot_builders import SITE, file, healthy_scene
from tests.causes.timeout_too_short.timeout_too_short_builders import found, late
from tests.causes.tls_mismatch_builders import told


@pytest.mark.parametrize("before", [True, False])
def test_values_of_one_location_are_set_together_wherever_they_stand(before: bool) -> None:
    """What stands before the pass becomes longer, and the pass moves with it."""
    old, pass_line = b"proxy_buffers 4 4k; proxy_buffer_size 4k;", b"proxy_pass http://127.0.0.1:8000;"
    first, second = (old, pass_line) if before else (pass_line, old)
    data = b"server {\n location / {\n  " + first + b"\n  " + second + b"\n }\n}\n"
    scene = healthy_scene()
    snapshot = replace(scene.snapshot(), files=(file(SITE, data),))
    route = snapshot.routes[0].route
    route = replace(route, source=replace(route.source, start=data.index(b"proxy_pass")))
    wishes = [DirectiveValue(route, "proxy_buffer_size", "16k"), DirectiveValue(route, "proxy_buffers", "8 16k"),
              DirectiveValue(route, "proxy_busy_buffers_size", "32k")]
    made = set_directives(snapshot, snapshot.nginxes[0], wishes, "s")
    assert not isinstance(made, NotEditable)
    after = made.step.after or b""
    assert b"proxy_buffers 8 16k; proxy_buffer_size 16k;" in after and b"proxy_busy_buffers_size 32k;" in after


@pytest.mark.parametrize(("line", "after"), [
    (b"server a:1 down;", b"server a:1;"), (b"server a:1  down max_fails=2;", b"server a:1 max_fails=2;"),
    (b"server a:1\n\t\tdown\n;", b"server a:1\n\n;"), (b"server 'a:1' down;", b"server 'a:1';"),
    (b"server a:1; # down", None), (b'server a:1 "down";', None), (b"server a:1 down=1;", None),
])
def test_one_argument_is_removed_and_nothing_else(line: bytes, after: bytes | None) -> None:
    data = b"upstream u {\n    server b:1 down;\n    " + line + b"\n}\n"
    made = remove_argument(data, data.index(b"a:1"), b"down")
    assert isinstance(made, NotEditable) if after is None else made == data.replace(line, after)


TEXT = "server {{\n    location / {{\n        {0}proxy_pass http://127.0.0.1:8000;\n    }}\n}}\n"


@pytest.mark.parametrize(("text", "want"), [
    (TEXT.format(""), "proxy_pass http://127.0.0.1:8000;\n        proxy_read_timeout 60s;"),
    (TEXT.format("proxy_read_timeout 2s; "), "proxy_read_timeout 60s; proxy_pass"),
    ("proxy_pass http://127.0.0.1:8000;\n", "proxy_pass http://127.0.0.1:8000;\nproxy_read_timeout 60s;"),
])
def test_a_directive_is_set_beside_the_pass(text: str, want: str) -> None:
    made = edit(text)
    assert isinstance(made, DirectiveEdit) and want in (made.step.after or b"").decode()


@pytest.mark.parametrize("text", [
    TEXT.format("proxy_read_timeout 60s; "), TEXT.format("if ($x) { ").replace(";\n    }", "; }\n    }"),
    "server { location / { proxy_pass http://127.0.0.1:8000",
])
def test_where_it_cannot_be_set(text: str) -> None:
    assert isinstance(edit(text), NotEditable)


def test_files_that_are_not_at_hand_or_not_one() -> None:
    scene = late()
    scene.files.clear()
    repair = found(scene).repairs[0]
    assert repair.risk == "manual" and "proxy_read_timeout 60s" in repair.manual
    snapshot = late().snapshot()
    route = snapshot.routes[0].route
    other = replace(route, source=replace(route.source, file="/x"))
    wishes = [DirectiveValue(route, "proxy_read_timeout", "1s"), DirectiveValue(other, "proxy_read_timeout", "1s")]
    assert isinstance(set_directives(snapshot, snapshot.nginxes[0], wishes, ""), NotEditable)


def edit(text: str) -> DirectiveEdit | NotEditable:
    scene = late()
    scene.files[0] = file(SITE, text)
    at = text.index("proxy_pass")
    scene.route[0]["source"] = Span(SITE, 3, at, at + 10)
    snapshot = scene.snapshot()
    wish = DirectiveValue(snapshot.routes[0].route, "proxy_read_timeout", "60s")
    return set_directives(snapshot, snapshot.nginxes[0], [wish], "wait longer")


@pytest.mark.parametrize("old", [b"TLSv1.1", b"TLSv1 TLSv1.1 TLSv1.2", b"TLSv1 TLSv1.1"])
def test_a_list_of_another_length_is_replaced_where_it_stands(old: bytes) -> None:
    """nginx refuses a directive that stands twice."""
    data = b"server {\n location / {\n  proxy_ssl_protocols " + old + b";\n  proxy_pass https://127.0.0.1:8000;\n }\n}\n"
    snapshot = replace(told().snapshot(), files=(file(SITE, data),))
    route = snapshot.routes[0].route
    route = replace(route, source=replace(route.source, start=data.index(b"proxy_pass")))
    made = set_directives(snapshot, snapshot.nginxes[0], [DirectiveValue(route, "proxy_ssl_protocols", "TLSv1.2 TLSv1.3")], "x")
    assert not isinstance(made, NotEditable) and made.step.after == data.replace(old, b"TLSv1.2 TLSv1.3")


MAIN, SNIPPET = "/etc/nginx/nginx.conf", "/etc/nginx/snippets/proxy.conf"
LOCATION = "    location {} {{\n        include snippets/proxy.conf;\n        {}\n    }}\n"
PASS, LIMIT = "proxy_pass http://127.0.0.1:8000;", "proxy_read_timeout 5s;"


def edit_included(site: str, snippet: str) -> DirectiveEdit | NotEditable:
    """Set a limit of the location / of a server whose locations include a snippet."""
    scene = late()
    scene.files = [file(MAIN, "http {\n    include sites-enabled/*;\n}\n"), file(SITE, site), file(SNIPPET, snippet)]
    origin = next(f for f in scene.files if b"proxy_pass" in f.data)
    start = origin.data.index(b"proxy_pass")
    span = Span(SITE, 1, 0, 6)
    config = scene.snapshot().nginxes[0].config
    assert isinstance(config, Known)
    server = ServerBlock((Listen("0.0.0.0", 80, False, False, False, span),), (), span, None)
    scene.nginx["config"] = Known(replace(config.value, servers=(server,), files=(MAIN, SITE, SNIPPET)))
    line = origin.data[:start].count(b"\n") + 1
    scene.route[0] = {"source": Span(origin.path, line, start, start + 10), "location": "/"}
    snapshot = scene.snapshot()
    return set_directives(snapshot, snapshot.nginxes[0],
                          [DirectiveValue(snapshot.routes[0].route, "proxy_read_timeout", "60s")], "wait longer")


@pytest.mark.parametrize(("near", "snippet", "path"), [
    (PASS, f"proxy_buffering off;\n{LIMIT}\n", SNIPPET),      # the location includes the directive
    (LIMIT, f"{PASS}\n", SITE),                              # the location includes the pass
    (PASS, "proxy_buffering off;\n", SITE),                  # it is set nowhere yet
])
def test_a_directive_is_changed_in_the_file_that_sets_it(near: str, snippet: str, path: str) -> None:
    """nginx refuses it twice in one location, wherever it is written."""
    made = edit_included(f"server {{\n{LOCATION.format('/', near)}}}\n", snippet)
    assert isinstance(made, DirectiveEdit) and made.step.path == path
    assert (made.step.after or b"").count(b"proxy_read_timeout 60s;") == 1 and b" 5s" not in (made.step.after or b"")


def test_a_file_that_several_locations_include_is_left_to_a_person() -> None:
    two = LOCATION.format("/", PASS) + LOCATION.format("/api", PASS.replace("8000", "8001"))
    made = edit_included(f"server {{\n{two}}}\n", f"{LIMIT}\n")
    assert isinstance(made, NotEditable)
    assert made.reason == f"{SNIPPET}:1 sets proxy_read_timeout, and several places include that file: take it out there, and set it in each of them"


def test_a_directive_that_is_changed_is_named_by_its_own_line() -> None:
    made = edit_included(f"server {{\n{LOCATION.format('/', LIMIT + chr(10) + '        ' + PASS)}}}\n", "proxy_buffering off;\n")
    assert isinstance(made, DirectiveEdit) and made.where == (f"{SITE}:4",)
