"""What the limits of a look cut is read from the answers: a bundle says what the look said."""

from __future__ import annotations

from dataclasses import replace

from fixer.model.query import CUT_OFF, NOT_ASKED, Answer, Command, ReadFile, unanswered
from fixer.observe.cut_answers import cut_text
from fixer.observe.evidence_bundle import pack_bundle, unpack_bundle
from tests.observe.capture_builders import capture, node

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
    assert cut_text(again.nodes[0]) == said
