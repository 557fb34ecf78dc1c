"""Which lab a word means: an id, or the scenario it was brought up as."""

from __future__ import annotations

import difflib

from lab import records
from lab.catalog import is_word
from lab.engine import labs_running, require_docker
from lab.errors import UsageError
from lab.records import Record
from lab.stack import Lab


def find_lab(word: str) -> Lab:
    """The one lab that a word means; none or several are a mistake with the choices named."""
    require_docker()
    record = records.load(word) if word and "/" not in word else None
    if record is not None:
        return Lab(record)
    found = [kept for kept in records.every() if _means(kept, word)]
    if len(found) == 1:
        return Lab(found[0])
    if found:
        listed = ", ".join(f"{kept.id} ({kept.stack})" for kept in found)
        raise UsageError(f"{word} is up {len(found)} times: {listed}", "name one by its id")
    ids = [kept.id for kept in records.every()]
    if is_word(word):
        raise UsageError(f"no lab of {word} is up", f"lab up {word}")
    near = difflib.get_close_matches(word, ids, 1)
    raise UsageError(f"no lab is called {word!r}", _help(near, ids))


def find_id(word: str) -> str:
    """The same for `down`, which also removes what has no record any more."""
    require_docker()
    return word if word in labs_running() else find_lab(word).id


def all_ids() -> tuple[str, ...]:
    """Every lab of which anything is left: containers, networks, or a record."""
    require_docker()
    return tuple(sorted({*labs_running(), *(kept.id for kept in records.every())}))


def _means(record: Record, word: str) -> bool:
    return word in (record.asked, record.scenario, f"{record.scenario}/{record.variant}")


def _help(near: list[str], ids: list[str]) -> str:
    if near:
        return f"did you mean {near[0]}?"
    return f"up now: {', '.join(ids)}" if ids else "nothing is up; `lab list` shows what can be"
