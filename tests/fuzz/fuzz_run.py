"""One input after another, the same for the same seed; what fails is named by target and number, and can be had again."""

from __future__ import annotations

import signal
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from random import Random
from types import FrameType

from tests.fuzz.fuzz_targets import BY_NAME, TARGETS, FuzzTarget
from tests.fuzz.mutate_bytes import mutate

LONGEST = 5.0      # seconds of the processor for one input


class TooLong(Exception):
    """One input took more than its time."""


@dataclass(slots=True)
class FuzzResult:
    """What came of a run. `found`: a place in the code -> the first input that failed there."""

    tried: Counter[str] = field(default_factory=Counter)
    found: dict[str, tuple[str, int, bytes]] = field(default_factory=dict)
    failures: int = 0
    slowest: tuple[float, str, int] = (0.0, "", 0)


@cache
def seeds_of(name: str) -> list[bytes]:
    """The seeds of a target."""
    return BY_NAME[name].seeds()


def input_of(seed: int, number: int) -> tuple[FuzzTarget, bytes, Random]:
    """Which target the input is for, its bytes, and the random numbers for the rest."""
    random = Random(f"{seed}:{number}")
    (target,) = random.choices(TARGETS, [target.share for target in TARGETS])
    return target, mutate(random, seeds_of(target.name)), random


@contextmanager
def time_limit() -> Iterator[None]:
    """No input may take long; counted is the processor's time, so a busy machine makes none slow."""
    def ring(number: int, frame: FrameType | None) -> None:
        raise TooLong(f"more than {LONGEST:g} s")

    old = signal.signal(signal.SIGPROF, ring)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, old)


def run_once(target: FuzzTarget, data: bytes, random: Random) -> None:
    """Try one input, inside `bounded`."""
    signal.setitimer(signal.ITIMER_PROF, LONGEST)
    try:
        target.run(data, random)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def run_inputs(inputs: Iterator[int], seed: int, figures: FuzzResult, seconds: float = 0.0) -> FuzzResult:
    """Try these numbers, for that long at most."""
    began = time.monotonic()
    with time_limit():
        for number in inputs:
            if seconds and time.monotonic() - began > seconds:
                break
            target, data, random = input_of(seed, number)
            started = time.process_time()
            try:
                run_once(target, data, random)
            except Exception as error:  # noqa: BLE001  any is a find
                figures.failures += 1
                figures.found.setdefault(location_of(target, error), (target.name, number, data))
            figures.tried[target.name] += 1
            spent = time.process_time() - started
            if spent > figures.slowest[0]:
                figures.slowest = (spent, target.name, number)
    return figures


def location_of(target: FuzzTarget, error: BaseException) -> str:
    """The line of fixer in which it failed, so that one weakness is one find."""
    frames = traceback.extract_tb(error.__traceback__)
    inner = [f for f in frames if "/fixer/" in f.filename] or list(frames)
    last = inner[-1]
    return f"{target.name}: {type(error).__name__} {last.filename.rpartition('/fixer/')[2]}:{last.lineno} {last.line} ({str(error)[:120]})"
