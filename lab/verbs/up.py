"""`lab up`: draw a lab, build the images that are missing for it, and start it."""

from __future__ import annotations

import time
from collections.abc import Callable

from lab.errors import UsageError
from lab.languages.translate import scenario_text
from lab.scenario.catalog import Choice, Wish, choose, extra_folder_of
from lab.scenario.complete import complete_parameters
from lab.scenario.draw import draw
from lab.scenario.scenario_file import Stack
from lab.stack import images, lab_records
from lab.stack.break_steps import DRAWN_KEY
from lab.stack.compose_overlays import with_certificate, with_own_ports
from lab.stack.docker_command import existing_lab_ids, require_docker
from lab.stack.lab_parts import listed_parts, needed_images, part_name
from lab.stack.lab_records import LabRecord
from lab.stack.running_lab import SEAT_KEY
from lab.stack.seat import Seat, seat_values, seated
from lab.verbs.orientation import up_text
from lab.verbs.start_lab import StartedLab, start_and_break

ProgressCallback = Callable[[str], None]


def lab_up(word: str, stack: Stack | None, seed: int, say: ProgressCallback, *, chosen_seed: bool = True,
           noise: int = 0, wish: Wish | None = None) -> StartedLab:
    """Start a new lab, broken as its scenario says. Leave nothing on an early end."""
    choice = choose(word, stack, seed, wish)
    require_docker()
    with lab_records.claim_start(f"{word} {choice.stack} {seed if chosen_seed else ''}") as is_claimed:
        if not is_claimed:
            raise UsageError(f"another lab up starts {word} on the {choice.stack} stack right now",
                             "lab status shows it when it is up; for another one: --seed N")
        _refuse_duplicate(word, choice, stack, seed, chosen_seed)
        fresh = draw_record(word, choice, seed, noise, say, chosen_seed=chosen_seed)
        say("✔ images ready")
        return start_and_break(fresh, choice.variant, say)


def _refuse_duplicate(word: str, choice: Choice, stack: Stack | None, seed: int, chosen_seed: bool) -> None:
    """Raise UsageError for a duplicate lab; another stack or a chosen seed makes a different lab."""
    def is_same(found: LabRecord) -> bool:
        same_seed = found.seed == seed if chosen_seed else not found.chosen_seed
        return found.asked == word and same_seed and (stack is None or found.stack == choice.stack) and found.ready

    twins = [found for found in lab_records.all_records() if is_same(found)]
    running = existing_lab_ids() if twins else ()
    for found in twins:
        if found.id in running:
            raise UsageError(
                f"{word} is already up on the {found.stack} stack: {found.id}",
                f"for another one: --seed N; to start over: lab reset {found.id}; to remove it: lab down {found.id}",
            )


def draw_record(word: str, choice: Choice, seed: int, noise: int, say: ProgressCallback, *, chosen_seed: bool,
                lab_id: str = "", seat: Seat | None = None) -> LabRecord:
    """Draw, build the images that are missing for it, and return the record of the draw; start nothing yet.
    With a seat it is the closed machine of a person in a class."""
    drawn = with_own_ports(draw(choice.scenario, choice.variant, choice.stack, seed, noise))
    tags = images.ensure(say, needed_images(choice.variant, choice.stack, drawn), drawn.nginx)
    drawn = with_certificate(drawn, tags["machine"])
    known = lab_id or lab_records.new_id(drawn.word)
    if seat is not None:
        images.ensure(say, ["app"])  # the door's
        drawn, tags = seated(drawn, tags, known, say)
    extra = {DRAWN_KEY: drawn.template_values(), **({SEAT_KEY: seat_values(seat)} if seat else {})}
    return LabRecord(
        id=known, asked=word, scenario=choice.scenario.name, variant=choice.variant.name, stack=choice.stack,
        seed=seed, parameters=complete_parameters(drawn, known, tags).template_values(), chosen_seed=chosen_seed,
        started=time.time(), noise=noise, extra=extra,
        beside=extra_folder_of(choice.scenario.name),
    )


def started_text(risen: StartedLab) -> str:
    """Return the text for a lab that is up."""
    lab = risen.lab
    story = scenario_text(lab.record.scenario, "story", risen.variant.story, risen.variant.name)
    return up_text(lab, story, [part_name(lab, one) for one in listed_parts(lab)])
