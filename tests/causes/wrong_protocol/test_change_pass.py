"""The pass becomes one of the backend's protocol, or a person edits it."""

from __future__ import annotations

import pytest

from tests.causes.snapshot_builders import (
    SITE,
    finding_of,
    log_lines,
)
from tests.causes.wrong_protocol.wrong_protocol_builders import CAUSE, MISREAD, judged, written


@pytest.mark.parametrize(("uid", "text", "risk"), [
    (1000, "location / { PASS; }\n", "disruptive"), (0, "location / { PASS; }\n", "safe"),
    (1000, "location / { PASS; }\nproxy_ssl_verify on;\n", "manual"),
])
def test_a_server_that_a_user_started_gets_the_requests_in_its_protocol_if_it_could_have_them_anyway(
    uid: int, text: str, risk: str,
) -> None:
    found = finding_of(judged(uid=uid, text=text, unit=None, manager="none"), CAUSE)
    assert found.repairs[0].risk == risk and bool(found.repairs[0].steps) is (risk != "manual")
    assert found.confidence == ("likely" if uid else "certain")


@pytest.mark.parametrize(("page", "address", "becomes"), [
    ("http://$where", "127.0.0.1:8000", "uwsgi_pass $where;"), ("http://${where}", "[::1]:8000", "uwsgi_pass ${where};"),
    ("http://$where", "unix:/run/shop/s.sock", "uwsgi_pass $where;"), ("http://$where", "127.0.0.1:8000/app", ""),
    ("http://$where/", "127.0.0.1:8000", ""), ("http://$where:8000", "127.0.0.1", ""), ("$where", "http://127.0.0.1:8000", ""),
    ("http://$a$b", "127.0.0.1:8000", ""),
])
def test_a_variable_goes_along_where_each_of_its_values_is_an_address(page: str, address: str, becomes: str) -> None:
    first = finding_of(judged(page=page, written=address, log=log_lines(MISREAD)), CAUSE).repairs[0]
    assert (first.risk == "safe") is bool(becomes)
    assert not becomes or becomes in (first.steps[0].after or b"").decode()      # type: ignore[union-attr]


@pytest.mark.parametrize(("value", "goes"), [("unix:/run/shop/s.sock", True), ("unix:/run/shop/s.sock:/page", False)])
def test_a_value_goes_along_if_it_ends_with_its_address(value: str, goes: bool) -> None:
    """As nginx's file is read: the address is written without `unix:`, and a page may follow it."""
    text, path = f"set $where {value};\nlocation / {{ PASS; }}\n", "/run/shop/s.sock"
    at = text.index(path)
    end = {"unix": path, "file": SITE, "start": at, "end": at + len(path)}
    first = finding_of(judged(page="http://$where", text=text, written=path, end=end, log=log_lines(MISREAD)), CAUSE).repairs[0]
    assert (first.risk == "safe") is goes


def test_what_another_location_of_the_file_includes_is_not_its_own() -> None:
    other = "location /api { include uwsgi_params; uwsgi_pass 127.0.0.1:9000; }\nlocation / { PASS; }\n"
    assert "location / { include uwsgi_params; uwsgi_pass 127.0.0.1:8000; }" in written(judged(text=other, log=log_lines(MISREAD)))
    above = "uwsgi_param QUERY_STRING $query_string;\nlocation / { PASS; }\n"
    assert "location / { uwsgi_pass 127.0.0.1:8000; }" in written(judged(text=above, log=log_lines(MISREAD)))


@pytest.mark.parametrize("page", ["http://127.0.0.1:8000/api/", "http://127.0.0.1:8000$request_uri"])
def test_hit_a_pass_that_says_more_is_a_persons_to_edit(page: str) -> None:
    first = finding_of(judged(page=page), CAUSE).repairs[0]
    assert (first.risk, first.steps) == ("manual", ()) and "uwsgi_pass" in first.manual
