"""The question in the other way of speaking."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from fixer.model.query import Answer, Probe
from fixer.observe.nginx.probe_follow_ups import swap_tls
from fixer.observe.view.node_view import View, view_of
from tests.observe.capture_builders import node

PLAIN = Probe("127.0.0.1", 8000, "/", host_header="shop.example")
TLS = replace(PLAIN, tls=True, sni="shop.example")
HTTPS_PORT = "<center>The plain HTTP request was sent to HTTPS port</center>"


def heard(probe: Probe, **outcome: Any) -> View:
    made = node()
    said = Answer("ok", json.dumps({"phase": "head", "ms": 1.0, **outcome}).encode())
    return view_of(replace(made, answers={**made.answers, probe: said}))


@pytest.mark.parametrize("outcome", [{"error": "closed"}, {"error": "reset"}, {"error": "not-http"},
                                     {"status": 400, "body": HTTPS_PORT}])
def test_what_hangs_up_on_plain_http_is_asked_with_tls(outcome: dict[str, Any]) -> None:
    assert swap_tls(PLAIN, heard(PLAIN, **outcome)) == TLS


def test_what_takes_no_tls_is_asked_plainly() -> None:
    assert swap_tls(TLS, heard(TLS, error="tls", phase="tls")) == replace(PLAIN, sni="")
    assert swap_tls(TLS, heard(TLS, error="timeout", phase="tls")) == replace(PLAIN, sni="")
    assert swap_tls(TLS, heard(TLS, error="timeout", phase="head")) is None
    assert swap_tls(TLS, heard(TLS, error="timeout", phase="connect")) is None


@pytest.mark.parametrize(("probe", "outcome"), [
    (PLAIN, {"status": 200}), (PLAIN, {"status": 400, "body": "bad request"}), (PLAIN, {"error": "refused"}),
    (TLS, {"status": 200}), (TLS, {"error": "closed"}),
    (replace(PLAIN, path=None), {"error": "closed"}), (replace(PLAIN, unix="/run/x", host="", port=0), {"error": "closed"}),
    (replace(PLAIN, proxy_protocol=True), {"error": "closed"}),
])
def test_nothing_else_is_asked_again(probe: Probe, outcome: dict[str, Any]) -> None:
    assert swap_tls(probe, heard(probe, **outcome)) is None


def test_what_was_not_answered_is_left_alone() -> None:
    assert swap_tls(PLAIN, view_of(node())) is None
