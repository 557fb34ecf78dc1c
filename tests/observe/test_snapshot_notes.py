"""Tests of fixer/observe/snapshot_notes.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.model.query import (
    CUT_OFF,
    NOT_ASKED,
    TOO_LONG,
    Answer,
    Command,
    ListProcesses,
    ReadFile,
    unanswered,
)
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.evidence_bundle import pack_bundle, unpack_bundle
from fixer.observe.snapshot_notes import cut_text, snapshot_notes
from tests.causes.snapshot_builders import container
from tests.observe.capture_builders import capture, node

# A container whose processes nobody here can list: that is said, and nothing is said of what runs there.
SITE = "server { listen 80; location / { proxy_pass http://127.0.0.1:9000; } }"
UNSEEN = Answer("no-tool", message="the container has no shell, and only root sees it")


def test_it_is_a_note() -> None:
    seen, unseen = (capture(node(answers, site=SITE, kind="container", name="web")) for answers in ({}, {ListProcesses(): UNSEEN}))
    assert build_snapshot(seen).notes == ()
    assert build_snapshot(unseen).notes == ("web: the container has no shell, and only root sees it",)


@pytest.mark.parametrize(("status", "code", "condition", "noted"), [
    ("exited", 0, "service_completed_successfully", False), ("exited", 1, "service_completed_successfully", True),
    ("exited", 0, "service_started", True), ("paused", 0, "service_completed_successfully", True),
])
def test_a_job_that_others_wait_for_may_have_ended(status: str, code: int, condition: str, noted: bool) -> None:
    """It prepares the project and ends: that is no more of a note than the web server's start."""
    job = container("setup", status=status, exit_code=code)
    app = container("app", labels=(("com.docker.compose.depends_on", f"db:service_started:false,setup:{condition}:false"),))
    gone = replace(node(), name="setup", answers={}, unreachable=f"container p-setup-1 is {status}")
    assert list(snapshot_notes(capture(gone), {}, (), (job, app))) == ([f"setup: {gone.unreachable}"] if noted else [])


NFT, LOG, HOSTS = Command("nft-rules"), Command("kernel-log"), ReadFile("/srv/app/.env")


def test_a_sentence_for_each_limit_and_none_without() -> None:
    seen = node(site="server { listen 80; }")
    assert cut_text(seen) == ""
    own = {NFT: Answer("timeout", message="nft timed out")}     # its own limit
    assert cut_text(replace(seen, answers=own)) == ""
    cut = {NFT: unanswered(NFT, "timeout", CUT_OFF), LOG: unanswered(LOG, "timeout", NOT_ASKED), HOSTS: unanswered(HOSTS, "timeout", NOT_ASKED)}
    said = "2 questions were not asked and 1 question was not answered in time: one look takes at most 10 s"
    assert cut_text(replace(seen, answers=cut)) == said
    again = unpack_bundle(pack_bundle(capture(replace(seen, answers={**seen.answers, **cut}))))
    assert build_snapshot(again).is_cut and not build_snapshot(capture(seen)).is_cut
    late = replace(seen, name="late", answers={}, unreachable=f"docker: {CUT_OFF}")
    assert build_snapshot(capture(seen, late)).is_cut
    assert cut_text(again.nodes[0]) == said
    long = {NFT: Answer("failed", message=f"nft: {TOO_LONG}")}
    assert cut_text(replace(seen, answers=long)) == "1 answer was too long to be read: one look takes at most 200 MB"
    assert cut_text(replace(seen, answers={**long, LOG: cut[LOG]})).endswith("at most 10 s and 200 MB")
