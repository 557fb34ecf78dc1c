"""Handshakes with a backend that fail for a reason which nginx's log names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from fixer.analysis.case import Case
from fixer.analysis.cause import conclude
from fixer.analysis.logged import by_log, is_failing
from fixer.analysis.route_verdict import Judged
from fixer.model.diagnosis import Finding, Verdict
from fixer.model.snapshot import ErrorEvent, Nginx

Kind: TypeAlias = Literal["untrusted", "no-version"]


def handshake_verdict(case: Case, want: Callable[[ErrorEvent], bool], kind: Kind) -> Verdict:
    """For every route with TLS that fails us, and about which nginx lately said so."""
    def found(nginx: Nginx, judged: Judged, events: tuple[ErrorEvent, ...], asked: bool) -> Finding | None:
        if not is_failing(judged) or judged.facts.route.scheme != "https":
            return None
        from fixer.findings.certificates import FINDINGS  # only where nginx says so

        return FINDINGS[kind](case, (nginx, judged, events), "certain" if asked else "likely")

    return conclude(*by_log(case, want, found))
