"""Tests of tests/trust/planted_capture.py: no drawn secret is in anything that fixer writes about a real deployment."""

from __future__ import annotations

import pytest

from fixer.observe.evidence_bundle import unpack_bundle
from tests.frozen import captures
from tests.trust.drawn_secrets import draw
from tests.trust.planted_capture import planted, written

# one deployment of each kind of finding that quotes much: files, logs, commands, containers
KEYS = ("backend-down/backend-not-running/", "crash-code-error/start-import-error/", "crash-missing-env/start-env-var-missing/", "unit-misconfigured/start-216-group/", "compound/database-stopped-and-wrong-port/")


@pytest.mark.slow
def test_nothing_that_is_written_holds_a_drawn_secret() -> None:
    found, tried = [], 0
    for key, bundle in captures.unpacked(wanted=lambda place, name: name.startswith(KEYS) and name.endswith("/broken")):
        tried += 1
        drawn = draw(200 + tried)
        for name, data in written(planted(unpack_bundle(bundle), drawn)).items():
            found += [f"{key} {name}: {secret.place}, {secret.name}, {secret.kind}" for secret, _, _ in drawn if any(form.encode() in data for form in secret.forms)]
    assert tried >= len(KEYS) and found == []
