"""A visitor's browser: redirects are seen, the session is kept, and no answer is a word and no exception."""

from __future__ import annotations

import socket

from lab.oracle.browser import Browser
from lab.oracle.types import Site
from tests.lab.oracle.back_office import OfficeRequest, Reply, html_reply, serve_office


def test_a_redirect_is_an_answer() -> None:
    with serve_office() as site:
        answer = Browser(site).get("/dashboard")
    assert (answer.status, answer.location, answer.error) == (303, "/login", "")


def test_the_session_of_a_login_stays_in_its_browser() -> None:
    with serve_office() as site:
        ann, stranger = Browser(site), Browser(site)
        assert ann.log_in().status == 303 and ann.cookies.keys() == {"session"}
        assert (ann.get("/dashboard").text, stranger.get("/dashboard").status) == ("<b>ann</b>", 303)


def test_a_wrong_password_gives_no_session() -> None:
    with serve_office() as site:
        browser = Browser(site)
        assert (browser.log_in(password="wrong").status, browser.cookies) == (401, {})


def test_the_name_of_the_site_and_the_words_of_a_request_are_sent() -> None:
    seen: list[OfficeRequest] = []

    def note(ask: OfficeRequest) -> Reply:
        seen.append(ask)
        return html_reply("ok")

    with serve_office(note) as site:
        browser = Browser(site)
        assert browser.get("/a", nonce="x y").kind == "text/html"
        browser.log_in(note="n" * 3)
    assert (seen[0].method, seen[0].query) == ("GET", {"nonce": ["x y"]})
    assert (seen[1].method, seen[1].path, seen[1].form) == ("POST", "/api/login", {"user": "ann", "password": "secret", "note": "nnn"})


def test_nobody_answers() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert Browser(Site(url)).get("/").error.startswith("no answer: ")
        silent.listen()
        slow = Browser(Site(url), patience=0.2).get("/")
    assert (slow.status, slow.error) == (0, "no answer in 0.2 s")


def test_an_address_that_is_none_is_no_exception() -> None:
    assert Browser(Site("http://127.0.0.1:99999999")).get("/").status == 0
