"""Source addresses, cycles and caches that nginx cannot use."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.model.diagnosis import RuledOut
from tests.causes.invalid_proxy_target.invalid_target_builders import (
    BIND,
    CACHE,
    CAUSE,
    CONNECT,
    CYCLE,
    diagnosed,
    found,
    refusing,
)
from tests.causes.snapshot_builders import SITE, file, roots, verdict_of


def test_hit_a_source_address_that_the_machine_lacks() -> None:
    scene = refusing(BIND, "proxy_bind 192.0.2.9;", errno=99, phase=CONNECT)
    first = found(scene)
    assert (first.variant, first.confidence, first.repairs[0].risk) == ("proxy-bind-unavailable", "certain", "manual")
    assert f"`proxy_bind 192.0.2.9;` at {SITE}:4" in first.repairs[0].manual and "(127.0.0.1)" in first.repairs[0].manual


def test_hit_a_source_address_of_the_server() -> None:
    scene = refusing(BIND, "", errno=99, phase=CONNECT)
    old = scene.files[0].data
    data = old.replace(b"    listen 80;\n", b"    listen 80;\n    proxy_bind [2001:db8::9]:0;\n")
    scene.files[0] = replace(scene.files[0], data=data)
    source = scene.route[0]["source"]
    shift = len(data) - len(old)
    scene.route[0]["source"] = replace(source, start=source.start + shift, line=source.line + 1)
    assert found(scene).evidence[0].where == f"{SITE}:3"


def test_miss_a_source_address_that_has_come_back() -> None:
    scene = refusing(BIND, "proxy_bind 192.0.2.9;", errno=99, phase=CONNECT)
    scene.node_changes["local"] = {"addresses": ("127.0.0.1", "192.0.2.9")}
    assert isinstance(verdict_of(diagnosed(scene), CAUSE), RuledOut)


@pytest.mark.parametrize("before", [
    "rewrite ^/(.*)$ /$1 last;", "rewrite ^/(.*)$ /$1;", "try_files $uri /index.html;", "error_page 404 /none.html;",
])
def test_hit_a_cycle(before: str) -> None:
    diagnosis = diagnosed(refusing(CYCLE, before))
    assert (roots(diagnosis), diagnosis.verdict) == ([CAUSE], "broken")
    first = diagnosis.findings[0]
    assert (first.variant, first.repairs[0].risk) == ("rewrite-cycle", "manual")
    assert before in first.repairs[0].manual


@pytest.mark.parametrize("before", ["rewrite ^/(.*)$ /$1 break;", "rewrite ^ https://example.org/ last;", "error_page 404 =200;"])
def test_miss_a_cycle_that_nothing_in_the_files_explains(before: str) -> None:
    assert isinstance(verdict_of(diagnosed(refusing(CYCLE, before)), CAUSE), RuledOut)


def test_hit_a_cache_that_no_file_defines() -> None:
    first = found(refusing(CACHE, "set $kept pages; proxy_cache $kept;"))
    assert (first.variant, first.repairs[0].risk) == ("cache-zone-variable-missing", "manual")
    assert "no file defines a cache" in first.repairs[0].manual and "set $kept pages;" in first.repairs[0].manual
    scene = refusing(CACHE, "set $kept pages; proxy_cache $kept;")
    scene.files.append(file("/etc/nginx/nginx.conf", "http { proxy_cache_path /var/x keys_zone=shelf:1m; }\n"))
    assert "(shelf)" in found(scene).repairs[0].manual


def test_miss_a_cache_without_a_variable() -> None:
    assert isinstance(verdict_of(diagnosed(refusing(CACHE, "proxy_cache pages;")), CAUSE), RuledOut)
