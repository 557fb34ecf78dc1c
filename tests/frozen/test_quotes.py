"""A quote that stands elsewhere is noticed, and `script/same --captures` fails for it."""

from __future__ import annotations

import re

import pytest

from fixer.model.facts import Evidence
from tests.frozen import captures, quotes, same
from tests.frozen.quotes import misplaced


@pytest.mark.parametrize(("shown", "is_placed"), [
    (Evidence("file", "/etc/rc.local:2", "exec  start &"), True), (Evidence("file", "web:/etc/rc.local:2", "start"), True),
    (Evidence("file", "/etc/rc.local:1", "start"), False), (Evidence("file", "/etc/rc.local:9", "start"), False),
    (Evidence("file", "/etc/rc.local:2", "exec [masked 4] &"), True), (Evidence("file", "/etc/rc.local:2", "[masked 4] stop"), False),
    (Evidence("nginx-test", "/etc/rc.local:2", "unknown directive"), True), (Evidence("file", "/etc/other:2", "x"), True),
    (Evidence("probe", "127.0.0.1:8000", "connect: refused"), True),
])
def test_a_text_that_stands_elsewhere_is_noticed(shown: Evidence, is_placed: bool) -> None:
    assert (misplaced({"/etc/rc.local": [b"#!/bin/sh\nexec start &\n"]}, shown) == "") is is_placed


def test_a_quote_of_a_real_deployment_is_compared_with_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """One capture is replayed with its files as they are, and with an empty line before each."""
    ((key, bundle),) = captures.unpacked(wanted=lambda place, name: place == 0)
    right = captures.replay(bundle)
    assert right.quotes > 0 and same.answers_of({key: right}) == {key: right.answer}
    files_in = quotes.files_in
    monkeypatch.setattr(quotes, "files_in", lambda capture: {
        path: [b"\n" + data for data in contents] for path, contents in files_in(capture).items()})
    wrong = captures.replay(bundle)
    assert (wrong.answer, wrong.quotes, len(wrong.misplaced)) == (right.answer, right.quotes, right.quotes)
    with pytest.raises(same.ReplayFailed, match=re.escape(f"{key}: {wrong.misplaced[0]}")):
        same.answers_of({key: wrong})
