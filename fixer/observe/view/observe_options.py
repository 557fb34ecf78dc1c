"""How to observe: what the command line asked for, kept with the capture so that a replay sees the same."""

from __future__ import annotations

from collections.abc import Iterable

from fixer.lazy.dataclass import dataclass

PROBE_SECONDS = 2.0
MOST_PROBES = 50


@dataclass(frozen=True, slots=True)
class ObserveOptions:
    """`probe` False asks nothing of nginx or backends. `wait` seconds a probe may take (at least 2). `url` is asked
    first. `repeat` is how often a route is asked at most when its failures come and go. `quiet` are the seconds since a
    repair changed something, 0 where none did: what logs say of the time before is history."""

    probe: bool = True
    url: str | None = None
    wait: float = 0.0
    repeat: int = 8
    learned: str = ""      # the file in which `learn` keeps what it remembers of a machine
    quiet: float = 0.0

    @property
    def timeout(self) -> float:
        """How long one probe may take."""
        return max(PROBE_SECONDS, self.wait)

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """As a capture keeps them."""
        return (("probe", "yes" if self.probe else "no"), ("url", self.url or ""), ("wait", str(self.wait)),
                ("repeat", str(self.repeat)), ("learned", self.learned), ("quiet", str(self.quiet)))


def options_from(pairs: Iterable[tuple[str, str]]) -> ObserveOptions:
    """The options that a capture was taken with; what cannot be read is the default."""
    values = dict(pairs)
    try:
        wait, repeat = float(values.get("wait", "0")), int(values.get("repeat", "8"))
        quiet = float(values.get("quiet", "0"))
    except ValueError:
        wait, repeat, quiet = 0.0, 8, 0.0
    return ObserveOptions(values.get("probe", "yes") == "yes", values.get("url") or None, wait, repeat,
                          values.get("learned", ""), quiet)
