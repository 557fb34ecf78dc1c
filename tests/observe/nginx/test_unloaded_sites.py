"""Sites beside the configuration that no include matches."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.model.nginx_config import UnloadedSite
from fixer.model.query import FileAnswer, ReadTree
from fixer.observe.build_snapshot import build_snapshot
from tests.observe.capture_builders import capture, file, link, node, stat

TREE = ReadTree("/etc/nginx")
SITE = "server {{ listen 80; server_name {0}; location / {{ proxy_pass http://127.0.0.1:{1}; }} }}\n"
CONF = b"events {}\nhttp {\n    include sites/*;\n    include conf.d/*.conf;\n}\n"
AVAILABLE = "/etc/nginx/sites-available/other"


def left_out(*more: FileAnswer, site: str = SITE.format("a.example", 8999)) -> tuple[UnloadedSite, ...]:
    made = node(site=site)
    tree = made.answers[TREE]
    files = (replace(f, data=CONF) if f.path == "/etc/nginx/nginx.conf" else f for f in tree.files)
    seen = replace(made, answers={**made.answers, TREE: replace(tree, files=(*files, *more))})
    return build_snapshot(capture(seen)).nginxes[0].unloaded_sites


def test_a_site_that_is_not_linked_is_told_with_its_name_and_address() -> None:
    (found,) = left_out(file(AVAILABLE, SITE.format("b.example www.b.example", 8123)))
    assert (found.file, found.line, found.names) == (AVAILABLE, 1, ("b.example", "www.b.example"))
    assert (found.host, found.port, found.unix, found.pattern) == ("127.0.0.1", 8123, None, "")


def test_a_file_that_the_pattern_misses_is_told_with_it_and_once_by_its_link() -> None:
    real = file(AVAILABLE, SITE.format("b.example", 8123))
    missed = FileAnswer("/etc/nginx/conf.d/other", "ok", stat("link", link=AVAILABLE, real=AVAILABLE, target=stat()),
                        real.data)
    (found,) = left_out(real, missed)
    assert (found.file, found.pattern) == ("/etc/nginx/conf.d/other", "/etc/nginx/conf.d/*.conf")


def test_upstreams_and_sockets_of_it_are_followed() -> None:
    text = "upstream b { server unix:/run/b.sock; server 10.0.0.7:81; }\nserver { listen 80; location / { proxy_pass http://b; } }\n"
    found = left_out(file(AVAILABLE, text))
    assert {(x.unix, x.host, x.port) for x in found} == {("/run/b.sock", "", 0), (None, "10.0.0.7", 81)}


@pytest.mark.parametrize("data", ["# proxy_pass http://127.0.0.1:8123;\n", "server { listen 81; return 204; }\n", "{{{ proxy_pass x"])
def test_what_hands_nothing_on_is_none(data: str) -> None:
    assert left_out(file(AVAILABLE, data)) == ()


def test_what_a_loaded_link_leads_to_is_loaded() -> None:
    assert left_out() == () and left_out(link("/etc/nginx/sites-enabled/dead", "/nowhere")) == ()
