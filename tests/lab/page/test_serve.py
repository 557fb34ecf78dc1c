"""Tests of lab/page/serve.py; the page itself in a browser: test_page_browser.py."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from lab.classroom.class_page import Place
from lab.classroom.class_record import classes_folder
from lab.errors import UsageError
from lab.page import serve
from lab.stack.authority import Certificate
from lab.stack.lab_records import LabRecord
from lab.stack.running_lab import Lab


@pytest.mark.parametrize(("place", "said"), [
    (Place("127.0.0.1", 1), "for this machine only"), (Place("192.0.2.1", 1), "in plain text"),
    (Place("192.0.2.1", 1, (Path("a"), Path("b"))), "who reaches 192.0.2.1, encrypted")])
def test_what_is_exposed_is_said(place: Place, said: str) -> None:
    assert said in serve.exposed_text(place, "shop-3f2a")


def test_a_port_that_is_taken_is_named(record: LabRecord) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(UsageError, match="nothing can listen"):
        serve.serve_lab(Lab(record), "127.0.0.1", other.getsockname()[1], print, plain=False)


def test_missing_packages_are_named(record: LabRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "missing_packages", lambda: ("starlette",))
    with pytest.raises(UsageError, match="the page needs starlette"):
        serve.serve_lab(Lab(record), "127.0.0.1", 0, print, plain=False)


def test_with_tls_it_names_its_authority_until_ctrl_c(record: LabRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it nobody could tell this page from another one's. Ctrl-C leaves no certificate behind."""
    monkeypatch.setattr(serve.images, "ensure", lambda *words: None)
    monkeypatch.setattr(serve, "new_certificate", lambda address: Certificate("authority", "own", "key"))
    monkeypatch.setattr(serve, "_listener", lambda bind, port: socket.create_server(("127.0.0.1", port)))
    said, seen = list[str](), list[str]()

    def run(*words: object) -> None:
        seen.append(Path(said[-1].rpartition(" ")[2]).read_text("ascii"))
        raise KeyboardInterrupt

    monkeypatch.setattr(serve, "_run", run)
    serve.serve_lab(Lab(record), "192.0.2.1", 0, said.append, plain=False)
    assert seen == ["authority"] and "encrypted" in said[0] and list(classes_folder().glob("*.pem")) == []


def test_it_ends_when_the_lab_is_gone(record: LabRecord, capsys: pytest.CaptureFixture[str]) -> None:
    """The lab has no record: it is gone at once."""
    serve.serve_lab(Lab(record), "127.0.0.1", 0, print, plain=False)
    assert capsys.readouterr().out.splitlines()[1].startswith("http://127.0.0.1:")
