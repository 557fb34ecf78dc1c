"""Which lab a word means: an id, or the scenario it was brought up as."""

from __future__ import annotations

import difflib
from pathlib import Path

from lab.errors import UsageError
from lab.paths import further_scenarios, state_label, use_scenarios_beside
from lab.scenario.catalog import folders, is_word
from lab.stack import lab_records
from lab.stack.docker_command import labs_running, owners_of_labs, require_docker
from lab.stack.docker_user_rules import ids_in, rules_now
from lab.stack.lab_records import Record
from lab.stack.running_lab import Lab


def find_lab(word: str) -> Lab:
    """The one lab that a word means; none or several are a mistake with the choices named."""
    found = _found(word)
    if found.record.beside and further_scenarios() is None:
        use_scenarios_beside(found.record.beside)
        folders.cache_clear()
    return found


def _found(word: str) -> Lab:
    require_docker()
    record = lab_records.load(word) if word and "/" not in word else None
    if record is not None:
        return Lab(record)
    found = [kept for kept in lab_records.every() if _means(kept, word)]
    if len(found) == 1:
        return Lab(found[0])
    if found:
        listed = ", ".join(f"{kept.id} ({kept.stack})" for kept in found)
        raise UsageError(f"{word} is up {len(found)} times: {listed}", "name one by its id")
    ids = [kept.id for kept in lab_records.every()]
    if is_word(word):
        raise UsageError(f"no lab of {word} is up", f"lab up {word}")
    near = difflib.get_close_matches(word, ids, 1)
    raise UsageError(f"no lab is called {word!r}", _help(near, ids))


def find_id(word: str) -> str:
    """The same for `down`, which also removes what has no record any more."""
    require_docker()
    if word in labs_running() or (lab_records.load(word) is None and word in ids_in(rules_now())):
        return word
    return find_lab(word).id


def all_ids() -> tuple[str, ...]:
    """Every lab of this state folder of which anything is left (containers, networks, a record), and every one that
    nobody has a record of any more. Others may share the engine: theirs are not touched."""
    require_docker()
    mine = state_label()
    owners = owners_of_labs()
    left = {lab_id for lab_id, state in owners.items() if state == mine or _is_nobodys(lab_id, state)}
    return tuple(sorted({*left, *lab_records.ids()}))


def rules_of_nobody() -> tuple[str, ...]:
    """Labs of which a rule in the Docker host's packet filter is all that is left."""
    known = {*owners_of_labs(), *lab_records.ids()}
    return tuple(sorted(ids_in(rules_now()) - known))


def _is_nobodys(lab_id: str, state: str) -> bool:
    """True where the folder of its record is gone, or the record in it. What cannot be looked at is somebody's."""
    if not state:
        return False
    try:
        Path(state, "records", f"{lab_id}.json").stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _means(record: Record, word: str) -> bool:
    return word in (record.asked, record.scenario, f"{record.scenario}/{record.variant}")


def _help(near: list[str], ids: list[str]) -> str:
    if near:
        return f"did you mean {near[0]}?"
    return f"up now: {', '.join(ids)}" if ids else "nothing is up; `lab list` shows what can be"
