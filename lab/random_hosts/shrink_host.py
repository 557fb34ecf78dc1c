"""`--shrink` on real hosts: judge, leave something out, judge again; the smallest that fails stays as a document."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.errors import UnexpectedState
from lab.random_hosts.figures import HostResult
from lab.random_hosts.host_document import write_host
from lab.random_hosts.host_spec import HostSpec
from lab.random_hosts.shrink import FAULT, TRIES, Shrunk, extras_of, reduced, shrink, way_of

Judge = Callable[[HostSpec, Path], HostResult]


def shrink_host(spec: HostSpec, judge: Judge, kept: Path, say: Callable[[str], None], tries: int = TRIES) -> str:
    """Return that the host was passed; else reduce it and raise UnexpectedState, which names the command that makes the
    reduced host. `judge` makes a host, writes what was seen to a folder, and returns its result."""
    first = judge(spec, kept / "whole")
    way = way_of(first)
    if not way:
        shutil.rmtree(kept)
        return f"seed {spec.seed} was passed: there is nothing to shrink"
    extras = extras_of(spec)
    say(f"fails with {way}; {len(extras)} choices and faults are not plain: {', '.join(extras)}")
    trial = _Trial(spec, way, judge, kept, say)
    shrunk = _reduce(extras, trial.fails, tries)
    document = kept / "host.json"
    write_host(document, reduced(spec, shrunk.left, str(document)) or spec)
    end = "nothing more could be left out" if shrunk.is_least else f"the limit of {tries} hosts ended the search"
    say(f"{shrunk.tries} hosts tried, {len(extras)} choices and faults reduced to {len(shrunk.left)} ({end}):")
    say("  " + (", ".join(shrunk.left) or "none: the plain host fails too"))
    raise UnexpectedState(f"seed {spec.seed} not passed: {way}; outputs are in {kept}",
                          f"make the reduced host: lab bench --random 1 --spec {document} --keep")


def _reduce(extras: Sequence[str], fails: Callable[[Sequence[str]], bool | None], tries: int) -> Shrunk:
    """Leave out faults, then choices: without its faults a host hardly ever fails in the same way."""
    faults = [one for one in extras if one.startswith(FAULT)]
    choices = [one for one in extras if not one.startswith(FAULT)]
    fewer = shrink(faults, lambda left: fails([*choices, *left]) if left else None, tries)
    least = shrink(choices, lambda left: fails([*left, *fewer.left]), tries - fewer.tries)
    return Shrunk((*least.left, *fewer.left), fewer.tries + least.tries, fewer.is_least and least.is_least)


@dataclass(slots=True)
class _Trial:
    spec: HostSpec
    way: str
    judge: Judge
    kept: Path
    say: Callable[[str], None]
    number: int = field(default=0)

    def fails(self, extras: Sequence[str]) -> bool | None:
        """Return whether the host with only these extras fails in the same way; None if they do not go together.
        Only the folders of hosts that did stay."""
        folder = self.kept / f"try-{self.number + 1}"
        small = reduced(self.spec, extras, str(folder / "host.json"))
        if small is None:
            return None
        self.number += 1
        way = way_of(self.judge(small, folder))
        self.say(f"try {self.number}, {len(extras)} left: {'fails the same' if way == self.way else way or 'passed'}")
        if way != self.way:
            shutil.rmtree(folder)
        return way == self.way
