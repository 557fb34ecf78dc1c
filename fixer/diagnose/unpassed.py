"""Answers that nginx lately could not pass on for paths that were not asked here: the page that was asked is well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from fixer.analysis.case import Case
from fixer.analysis.route_verdict import FRESH, fresh_events
from fixer.lazy.regex import regex
from fixer.model.facts import Known

# What such an answer holds is the application's: no restart heals it, so a line of the last minute is of the present.
_UNPASSED = regex(r"^upstream sent (?:too big header|invalid header|duplicate header line|invalid status|"
                  r'(?:invalid|unknown) "|"Content-Length" and)')
_PLAIN = regex(r"/[\w./~-]{0,80}")
_WORDS = 120


def unpassed(case: Case, well: Collection[str]) -> Iterator[str]:
    """One note an nginx, about routes that answer; `well` are their numbers."""
    for nginx in case.snapshot.nginxes:
        errors = nginx.errors.value if isinstance(nginx.errors, Known) else ()
        if not any(_UNPASSED.match(event.message) for event in errors):
            continue
        routes = tuple(j.facts for j in case.judged.values() if j.facts.route.id in well and nginx.serves(j.facts))
        events = [e for e in fresh_events(nginx, routes, case.snapshot) if _UNPASSED.match(e.message)]
        if not events:
            continue
        paths = Counter(word.partition("?")[0] for e in events for word in e.request.split(" ")[1:2])
        path = next((p for p, _ in paths.most_common() if _PLAIN.fullmatch(p)), "")
        ask = f" for {path}" if path else ""
        yield (f"nginx could not pass on an answer {len(events)} times within {FRESH:.0f} s{ask}: "
               f"{events[-1].message[:_WORDS]}{f' while {events[-1].phase}' if events[-1].phase else ''} "
               "(--url with that page asks for it)")
