"""Options of an observation, stored with the capture so that a replay sees the same."""

from __future__ import annotations

from collections.abc import Iterable

from fixer.lazy.dataclass import dataclass

PROBE_SECONDS = 2.0
MOST_PROBES = 50


@dataclass(frozen=True, slots=True)
class ObserveOptions:
    """`probe`: make probes. `wait`: seconds for one probe (at least 2). `url` is probed first. `repeat`: most attempts
    for a route that fails at times. `requests`: attempts for every route, 0 if nobody asked for that. `quiet`: seconds
    since the last repair changed something, 0 if none did: older log lines are history."""

    probe: bool = True
    url: str | None = None
    wait: float = 0.0
    repeat: int = 40
    requests: int = 0
    learned: str = ""      # the file in which `learn` remembers a machine
    quiet: float = 0.0

    @property
    def timeout(self) -> float:
        """Return the seconds that one probe may take."""
        return max(PROBE_SECONDS, self.wait)

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Return the options as a capture stores them."""
        return (("probe", "yes" if self.probe else "no"), ("url", self.url or ""), ("wait", str(self.wait)),
                ("repeat", str(self.repeat)), ("requests", str(self.requests)), ("learned", self.learned),
                ("quiet", str(self.quiet)))


def options_from(pairs: Iterable[tuple[str, str]]) -> ObserveOptions:
    """Return the options of a capture; an unreadable value becomes its default."""
    values = dict(pairs)
    try:
        wait, repeat = float(values.get("wait", "0")), int(values.get("repeat", "40"))
        requests, quiet = int(values.get("requests", "0")), float(values.get("quiet", "0"))
    except ValueError:
        wait, repeat, requests, quiet = 0.0, 40, 0, 0.0
    return ObserveOptions(values.get("probe", "yes") == "yes", values.get("url") or None, wait, repeat, requests,
                          values.get("learned", ""), quiet)
