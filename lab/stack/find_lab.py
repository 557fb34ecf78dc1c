"""Labs by name: an id, the scenario with which a lab was started, or the person of a class."""

from __future__ import annotations

import difflib
from pathlib import Path

from lab.errors import UsageError
from lab.paths import extra_scenarios_root, state_label, use_extra_scenarios
from lab.scenario.catalog import is_scenario_or_alias, scenario_folders
from lab.stack import lab_records
from lab.stack.docker_command import existing_lab_ids, require_docker, state_folders_of_labs
from lab.stack.docker_host_rules import lab_ids_in, read_all_rules
from lab.stack.lab_parts import part_names
from lab.stack.lab_records import LabRecord
from lab.stack.running_lab import SEAT_KEY, Lab


def find_lab(word: str = "") -> Lab:
    """Return the one lab that a word names, or the only one that is up if there is no word.
    For none or several, raise UsageError with the choices."""
    found = _match_lab(word) if word else _only_lab()
    if found.record.beside and extra_scenarios_root() is None:
        use_extra_scenarios(found.record.beside)
        scenario_folders.cache_clear()
    return found


def find_lab_and_part(first: str, second: str) -> tuple[Lab, str]:
    """Return lab and part for `LAB PART`, `LAB`, `PART` or nothing: without a lab, the only one that is up."""
    records = list(lab_records.all_records())
    if first and not second and len(records) == 1 and _means_a_part(records[0], first):
        return find_lab(), first
    return find_lab(first), second


def _means_a_part(record: LabRecord, word: str) -> bool:
    """Return whether a word is no name of the lab: neither its id nor what it was started with. A word that is almost
    the id is a misspelt id, unless a part is called so: many applications give their lab its name."""
    if word == record.id or is_scenario_or_alias(word) or _matches_record(record, word):
        return False
    return not difflib.get_close_matches(word, [record.id], 1) or word in part_names(Lab(record))


def _only_lab() -> Lab:
    require_docker()
    records = list(lab_records.all_records())
    if len(records) == 1:
        return Lab(records[0])
    if not records:
        raise UsageError("no lab is up", "start one: lab up wrong-port; `lab list` shows all scenarios")
    raise UsageError(f"{len(records)} labs are up: {', '.join(kept.id for kept in records)}", "name one by its id")


def _match_lab(word: str) -> Lab:
    require_docker()
    record = lab_records.load_record(word) if word and "/" not in word else None
    if record is not None:
        return Lab(record)
    found = [kept for kept in lab_records.all_records() if _matches_record(kept, word)]
    if len(found) == 1:
        return Lab(found[0])
    if found:
        listed = ", ".join(f"{kept.id} ({kept.stack})" for kept in found)
        raise UsageError(f"{len(found)} labs of {word} are up: {listed}", "name one by its id")
    ids = [kept.id for kept in lab_records.all_records()]
    if is_scenario_or_alias(word):
        raise UsageError(f"no lab of {word} is up", f"start one: lab up {word}")
    near = difflib.get_close_matches(word, ids, 1)
    raise UsageError(f"no lab is called {word!r}", _suggestion_text(near, ids))


def find_id(word: str) -> str:
    """Return the id for `down`, which also removes labs without a record."""
    require_docker()
    if word in existing_lab_ids() or (lab_records.load_record(word) is None and word in lab_ids_in(read_all_rules())):
        return word
    return find_lab(word).id


def all_lab_ids() -> tuple[str, ...]:
    """Return every lab of this state folder of which anything is left (containers, networks, a record),
    and every lab without a record anywhere. Labs of other users of the engine are not included."""
    require_docker()
    mine = state_label()
    owners = state_folders_of_labs()
    left = {lab_id for lab_id, state in owners.items() if state == mine or _is_unrecorded(lab_id, state)}
    return tuple(sorted({*left, *lab_records.record_ids()}))


def labs_with_only_rules() -> tuple[str, ...]:
    """Return the labs of which only a rule in the Docker host's packet filter is left."""
    known = {*state_folders_of_labs(), *lab_records.record_ids()}
    return tuple(sorted(lab_ids_in(read_all_rules()) - known))


def _is_unrecorded(lab_id: str, state: str) -> bool:
    """Return whether its record, or the record's folder, is missing. An unreadable one belongs to somebody."""
    if not state:
        return False
    try:
        Path(state, "records", f"{lab_id}.json").stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _matches_record(record: LabRecord, word: str) -> bool:
    if word == record.extra.get(SEAT_KEY, {}).get("person"):
        return True
    return word in (record.asked, record.scenario, record.variant, f"{record.scenario}/{record.variant}")


def _suggestion_text(near: list[str], ids: list[str]) -> str:
    if near:
        return f"did you mean {near[0]}?"
    return f"up now: {', '.join(ids)}" if ids else "no lab is up; `lab list` shows the scenarios"
