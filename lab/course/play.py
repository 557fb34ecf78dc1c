"""`lab play`: begin a lesson, judge it, and the prompt of a terminal between the two."""

from __future__ import annotations

import difflib
import getpass
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from fixer.render.terminal_text import pad
from lab.course.attempts import add_attempt, attempts_of, save_attempt
from lab.course.fixer_view import VIEW_KEY, look_with_fixer, view_text
from lab.course.lesson import Attempt, is_right, minutes_text, next_difficulty, points_of, time_limit
from lab.errors import LabError, UsageError
from lab.languages.translate import filled, say
from lab.scenario.catalog import ANY, Wish, choose, scenario_named
from lab.scenario.scenario_file import Stack, Variant
from lab.stack.fixer_command import cause_catalogue
from lab.stack.lab_records import load_record, save_record
from lab.stack.running_lab import Lab
from lab.verbs.check import ask_oracle, verdict_text
from lab.verbs.debrief import debrief_text
from lab.verbs.down import lab_down
from lab.verbs.hint import next_hint
from lab.verbs.shell import recorded_shell
from lab.verbs.up import lab_up, started_text

ProgressCallback = Callable[[str], None]
_TRIES = 50  # seeds until a scenario comes that the person has not met
PROMPT = "play> "
WORDS = "shell [PART], tools [PART], hint, check, time, cause ID, done, give-up, quit"


@dataclass(frozen=True, slots=True)
class Course:
    """Whose course it is, and what it is about. What is None follows from the person's attempts."""

    person: str
    difficulty: int | None = None
    family: str = ""
    stack: Stack | None = None
    seed: int | None = None


def own_name() -> str:
    """Return the name of the user, for a course without another name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"


def open_attempt(person: str) -> Attempt | None:
    """Return the person's lesson that runs; one whose lab was removed meanwhile is given up."""
    for attempt in attempts_of(person):
        if attempt.is_open and load_record(attempt.lab_id) is not None:
            return attempt
        if attempt.is_open:
            save_attempt(replace(attempt, ended=time.time(), gave_up=True))
    return None


def begin(course: Course, say: ProgressCallback) -> tuple[Attempt, str]:
    """Start the next lesson; return the attempt and what the person reads."""
    before = attempts_of(course.person)
    wish = Wish(course.difficulty or next_difficulty(before), course.family)
    seed = course.seed if course.seed is not None else _new_seed(course, wish, {one.scenario for one in before})
    risen = lab_up(ANY, course.stack, seed, say, wish=wish)
    record = risen.lab.record
    say("✔ fixer has looked: its view comes with the debrief")
    record.extra[VIEW_KEY] = look_with_fixer(risen.lab)
    save_record(record)
    level = risen.variant.difficulty
    attempt = add_attempt(Attempt(0, course.person, record.id, record.scenario, record.variant, record.stack, seed,
                                  level, time.time(), time_limit(level)))
    return attempt, f"{_head_text(attempt, len(before) + 1)}\n{started_text(risen)}"


def _head_text(attempt: Attempt, number: int) -> str:
    rules = (
        say("console/lesson", "Lesson {number} of {person}, difficulty {level}: {minutes} minutes. Each hint costs a "
            "tenth of the points.", number=number, person=attempt.person, level=attempt.difficulty,
            minutes=minutes_text(attempt.limit)),
        say("console/judged-apart", "The repair and the cause that you name are judged apart."))
    return "\n".join(line for rule in rules for line in filled(rule))


def _new_seed(course: Course, wish: Wish, met: set[str]) -> int:
    """Return a seed, if possible of a scenario that the person has not met."""
    for _ in range(_TRIES):
        seed = secrets.randbelow(100000)
        if choose(ANY, course.stack, seed, wish).scenario.name not in met:
            break
    return seed


def lab_of(attempt: Attempt) -> Lab:
    """Return the lab of a lesson that runs."""
    record = load_record(attempt.lab_id)
    if record is None:
        raise LabError(f"{attempt.lab_id} is not up any more", "begin another lesson: lab play")
    return Lab(record)


def waits_text(attempt: Attempt) -> str:
    """Return where the lab of a lesson that runs is."""
    return say("console/lab-waits", "{lab} waits: {url}", lab=attempt.lab_id, url=f"{lab_of(attempt).url}/login")


def end_text() -> str:
    """Return how a lesson without a prompt is ended."""
    return say("console/end-lesson", "When it is repaired: lab play --cause ID. To give up: lab play --give-up.")


def name_cause(attempt: Attempt, named: str) -> Attempt:
    """Keep the cause that the person names. Whether it is right comes with the debrief.
    Raise UsageError for a word that is no cause and no variant."""
    known = cause_catalogue()
    words = {*known, *(variant for one in known.values() for variant in one.get("variants", ()))}
    if named not in words:
        near = difflib.get_close_matches(named, words, 1)
        raise UsageError(f"no cause is called {named!r}",
                         f"did you mean {near[0]}?" if near else "`fixer causes` lists them")
    attempt = replace(attempt, cause=named)
    save_attempt(attempt)
    return attempt


def finish(attempt: Attempt, *, give_up: bool = False) -> tuple[Attempt, str]:
    """Ask the oracle. If the page is well, or the person gives up, end the lesson: return it and the debrief.
    Else return it as it was, and what still fails."""
    lab = lab_of(attempt)
    verdict = ask_oracle(lab)
    if not verdict.is_well and not give_up:
        return attempt, verdict_text(verdict, restarted=False, wanted_restart=False)
    now = time.time()
    variant = _variant_of(attempt)
    right, hints = is_right(variant.expect, attempt.cause), lab.record.hints_given
    late = now - attempt.started > attempt.limit
    points = 0 if give_up else points_of(attempt.difficulty, fixed=True, cause_right=right, hints=hints, late=late)
    attempt = replace(attempt, ended=now, hints=hints, cause_right=right, fixed=verdict.is_well, gave_up=give_up,
                      points=points)
    view = view_text(lab.record.extra.get(VIEW_KEY, {}))
    text = result_text(attempt, variant, debrief_text(lab, restarted=True, stays=False), view)
    save_attempt(attempt)
    lab_down(lab.id)
    return attempt, text


def _variant_of(attempt: Attempt) -> Variant:
    return scenario_named(attempt.scenario).variant(attempt.variant)


def result_text(attempt: Attempt, variant: Variant, lesson: str, view: str) -> str:
    """Return the end of a lesson: repair and cause, each with its own verdict, the debrief, and fixer's view."""
    expected = dict.fromkeys(filter(None, [variant.expect.cause, *variant.expect.mends]))
    accepted = say("console/or", " or ").join(expected)
    repair = say("console/repair-well", "the repair: the page is well") if attempt.fixed else say(
        "console/repair-broken", "the repair: the page is broken")
    cause = say("console/cause-named", "the cause: you named {cause}", cause=attempt.cause) if attempt.cause else say(
        "console/cause-unnamed", "the cause: you named none")
    if not attempt.cause_right:
        cause += say("console/cause-was", "; it was {causes}", causes=accepted)
    lines = [f"{'✔' if attempt.fixed else '✘'} {repair}", f"{'✔' if attempt.cause_right else '✘'} {cause}",
             f"  {_points_text(attempt)}"]
    nexts = ((say("console/next-lesson", "next lesson"), "lab play"),
             (say("console/all-results", "all results"), "lab scores"))
    return "\n".join([*lines, "", lesson, "", view, "", *(f"{pad(what, 14)} {command}" for what, command in nexts)])


def _points_text(attempt: Attempt) -> str:
    late = say("console/late", ", after the clock") if attempt.seconds() > attempt.limit else ""
    given_up = say("console/given-up", " (given up)") if attempt.gave_up else ""
    hints = say("console/one-hint", "1 hint") if attempt.hints == 1 else say(
        "console/hints", "{number} hints", number=attempt.hints)
    return say("console/points", "{minutes} minutes{late}, {hints}: {points} points{given_up}", late=late, hints=hints,
               minutes=minutes_text(attempt.seconds()), points=attempt.points, given_up=given_up)


# The prompt of a terminal.


def prompt_loop(attempt: Attempt, ask: Callable[[str], str], show: Callable[[str], None],
                progress: ProgressCallback) -> None:
    """Carry out what the person types until the lesson ends or the person leaves it; its lab stays up then."""
    show(_words_text())
    while attempt.is_open:
        try:
            typed = ask(PROMPT).split()
        except EOFError:
            typed = ["quit"]
        if typed[:1] in (["quit"], ["exit"], ["q"]):
            show(say("console/lesson-waits", "The lesson waits, and its clock goes on: lab play"))
            return
        try:
            attempt = _carry_out(attempt, typed, ask, show, progress)
        except LabError as error:
            show("\n  ".join(filter(None, [error.message, error.hint])))


def _carry_out(attempt: Attempt, typed: list[str], ask: Callable[[str], str], show: Callable[[str], None],
               progress: ProgressCallback) -> Attempt:
    word, rest = (typed or [""])[0], " ".join(typed[1:])
    lab = lab_of(attempt)
    match word:
        case "shell":
            recorded_shell(lab, rest, progress, tools=False)
        case "tools":
            recorded_shell(lab, rest, progress, tools=True)
        case "hint":
            show(next_hint(lab))
        case "check":
            show(verdict_text(ask_oracle(lab), restarted=False, wanted_restart=False))
        case "time":
            left = attempt.limit - attempt.seconds(time.time())
            show(say("console/time-left", "{minutes} minutes left", minutes=minutes_text(left)) if left > 0 else say(
                "console/time-over", "the time is over: points count half"))
        case "cause":
            return name_cause(attempt, rest)
        case "done":
            if not attempt.cause:
                asked = say("console/which-cause", "Which cause was it? (fixer causes lists them) ")
                attempt = name_cause(attempt, ask(asked).strip())
            attempt, text = finish(attempt)
            show(text)
        case "give-up":
            attempt, text = finish(attempt, give_up=True)
            show(text)
        case _:
            show(_words_text())
    return attempt


def _words_text() -> str:
    return say("console/type-words", "Type: {words}", words=WORDS)
