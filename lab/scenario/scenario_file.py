"""Types and loader of scenario.toml: validated against the published schema, messages name file and key."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from lab.errors import ScenarioError
from lab.scenario.expand import expand, listed_symptoms, problems_of_expansion

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

Stack: TypeAlias = Literal["containers", "host", "all-in-one"]
RestartEffect: TypeAlias = Literal["cures", "hides", "fails"]
Role: TypeAlias = Literal["web", "backend", "second"]
Table: TypeAlias = Mapping[str, Any]
STACKS: tuple[Stack, ...] = ("containers", "host", "all-in-one")
EXPLAINED: tuple[Stack, ...] = ("containers", "host")  # a scenario that runs on one of them alone says why
SCHEMA = Path(__file__).with_name("scenario.schema.json")


@dataclass(frozen=True, slots=True)
class ExpectedRepair:
    """The risk of the expected repair, and the exit code of `repair --yes --max-risk disruptive` with the input.
    `cleared_by_restart`: the fault cannot return once the service was restarted, so undo is tried before.
    `heals_by_waiting`: nothing is changed, so there is nothing to undo; a restart starts the same wait again.
    `restart`: the effect of restarting everything, on all stacks or per stack; the default is no effect."""

    risk: str
    exit: int
    cleared_by_restart: bool = False
    heals_by_waiting: bool = False
    restart: RestartEffect | Mapping[Stack, RestartEffect] = "fails"

    def restart_on(self, stack: Stack) -> RestartEffect:
        """Return whether restarting every service there cures it, hides it until the next boot, or fails."""
        if self.cleared_by_restart:
            return "cures"
        return self.restart if isinstance(self.restart, str) else self.restart.get(stack, "fails")


@dataclass(frozen=True, slots=True)
class Expect:
    """The expected diagnosis: cause None is a healthy stack. `also` may be reported too,
    `mends` are the causes that the journal of the repair must name."""

    cause: str | None
    variant: str | None
    repair: ExpectedRepair
    also: tuple[str, ...] = ()
    mends: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Variant:
    """One exact way to break a stack. Tables are raw: they contain {{parameters}} until a lab fills them in."""

    name: str
    title: str
    story: str
    stacks: tuple[Stack, ...]
    parameters: Table
    breaks: tuple[Table, ...]
    symptoms: tuple[Table, ...]
    expect: Expect
    hints: tuple[str, ...]
    input: Mapping[str, str]
    load: Table | None
    debrief: str
    difficulty: int = 1
    ways: tuple[str, ...] = ()
    by_hand: tuple[Table, ...] = ()  # what a person does once fixer has named it
    again: tuple[Table, ...] = ()  # after a restart of everything, until the fault shows again
    why_not: Mapping[str, str] = field(default_factory=dict)  # reasons for excluded stacks, if given
    source: str = ""  # the public thread in which users met the fault

    def steps_on(self, stack: Stack) -> tuple[Table, ...]:
        """Return the break steps of a stack."""
        return tuple(step for step in self.breaks if stack in step.get("stacks", STACKS))

    def by_hand_on(self, stack: Stack) -> tuple[Table, ...]:
        """Return the manual steps of a stack."""
        return tuple(step for step in self.by_hand if stack in step.get("stacks", STACKS))

    def again_on(self, stack: Stack) -> tuple[Table, ...]:
        """Return the steps of a stack until the fault shows again."""
        return tuple(step for step in self.again if stack in step.get("stacks", STACKS))

    def symptom_on(self, stack: Stack) -> Table:
        """Return the expected symptom on a stack."""
        return next(found for found in self.symptoms if stack in found.get("stacks", STACKS))


@dataclass(frozen=True, slots=True)
class Scenario:
    """One folder of scenarios: a cause with its variants."""

    name: str
    folder: Path
    title: str
    story: str
    family: str
    difficulty: int
    stacks: tuple[Stack, ...]
    variants: tuple[Variant, ...]
    noise: tuple[str, ...] = ()
    why_not: Mapping[str, str] = field(default_factory=dict)

    def variant(self, name: str) -> Variant:
        """Return the variant of that name."""
        return next(found for found in self.variants if found.name == name)

    def variants_on(self, stack: Stack) -> tuple[Variant, ...]:
        """Return the variants that exist on a stack."""
        return tuple(found for found in self.variants if stack in found.stacks)


def load_scenario(folder: Path) -> Scenario:
    """Read and validate one scenario; raise the first mistake."""
    data = read_toml(folder / "scenario.toml")
    problems = problems_of(data, folder / "scenario.toml")
    if problems:
        raise ScenarioError(problems[0])
    return parse_scenario(folder, data)


def load_for_listing(folder: Path) -> Scenario:
    """Read one scenario for a list. Validate only if it cannot be parsed: that takes far longer."""
    data = read_toml(folder / "scenario.toml")
    try:
        return parse_scenario(folder, data)
    except (KeyError, TypeError, AttributeError, ValueError, OSError):
        return load_scenario(folder)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; if it is invalid, the message names file and line."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{_short_path(path)}: {error}") from error


def problems_of(data: Table, path: Path) -> list[str]:
    """Return every mistake of a scenario file, as `file: key: what is wrong`."""
    found = [
        f"{_short_path(path)}: {_key_text(error.absolute_path)}: {_error_text(error)}"
        for error in sorted(_validator().iter_errors(data), key=lambda error: list(map(str, error.absolute_path)))
    ]
    return found or [f"{_short_path(path)}: {problem}" for problem in (
        *problems_of_expansion(data, path.parent), *_consistency_problems(data))]


def _consistency_problems(data: Table) -> Iterable[str]:
    """Yield mistakes that a schema cannot express: stacks that disagree, a missing symptom for one."""
    on = {name: variant.get("stacks", data["stacks"]) for name, variant in data["variants"].items()}
    for stack in STACKS:
        said = stack in data.get("why_not", {})
        if stack in EXPLAINED and stack not in data["stacks"] and not said:
            yield f"why_not.{stack}: required, because the scenario does not run on {stack}"
        if said and all(stack in stacks for stacks in on.values()):
            yield f"why_not.{stack}: every variant runs on {stack}"
    for name, variant in data["variants"].items():
        key, stacks = f"variants.{name}", on[name]
        for stack in sorted(variant.get("why_not", {}).keys() & set(stacks)):
            yield f"{key}.why_not.{stack}: the variant runs on {stack}"
        for stack in stacks:
            if stack not in data["stacks"]:
                yield f"{key}.stacks: {stack} is not among the scenario's stacks"
            if not any(isinstance(one, str) or stack in one.get("stacks", STACKS) for one in listed_symptoms(variant)):
                yield f"{key}.symptom: no symptom for the {stack} stack"
    for stack in data["stacks"]:
        if not any(stack in stacks for stacks in on.values()):
            yield f"stacks: no variant runs on {stack}"


@cache
def _validator() -> Draft202012Validator:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


def _short_path(path: Path) -> str:
    return "/".join(path.parts[-3:])


def _key_text(path: Iterable[str | int]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "top level"


def _error_text(error: ValidationError) -> str:
    """Return the most helpful message: for a `oneOf`, of the branch that came closest."""
    if error.validator == "enum" and isinstance(error.validator_value, list):
        return _unknown_word(error.instance, error.validator_value)
    if error.validator != "oneOf" or not error.context:
        return error.message
    by_branch: dict[int, list[ValidationError]] = {}
    for inner in error.context:
        by_branch.setdefault(int(inner.schema_path[0]), []).append(inner)
    missing = {n for n, inner in by_branch.items() if any(e.validator == "required" for e in inner)}
    near = [inner for n, inner in by_branch.items() if n not in missing]
    if len(near) == 1:
        inner = near[0][0]
        path = _key_text(inner.relative_path)
        return _error_text(inner) if path == "top level" else f"{path}: {_error_text(inner)}"
    branches = error.validator_value if isinstance(error.validator_value, list) else []
    kinds = [str(branch["required"][0]) for branch in branches if "required" in branch]
    return f"{error.instance!r} is none of: {', '.join(kinds) or 'the allowed values'}"


def _unknown_word(word: object, known: list[object]) -> str:
    """Return the words that are allowed, and the one that is probably meant."""
    near = difflib.get_close_matches(str(word), [str(one) for one in known], 1)
    return f"{word!r} is none of {', '.join(map(str, known))}{f' (did you mean {near[0]}?)' if near else ''}"


def parse_scenario(folder: Path, data: Table) -> Scenario:
    """Return the scenario of a valid file."""
    data = expand(data, folder)
    variants = tuple(_parse_variant(name, table, data) for name, table in data["variants"].items())
    return Scenario(
        name=folder.name,
        folder=folder,
        title=data["title"],
        story=data["story"].strip(),
        family=data["family"],
        difficulty=data["difficulty"],
        stacks=tuple(data["stacks"]),
        variants=variants,
        noise=tuple(data.get("noise", ())),
        why_not={**(variants[0].why_not if "all-in-one" not in data["stacks"] else {}), **data.get("why_not", {})},
    )


def _parse_variant(name: str, table: Table, data: Table) -> Variant:
    """Return a variant, with defaults from its scenario."""
    stacks = tuple(table.get("stacks", data["stacks"]))
    reasons = {"all-in-one": _combined_reason(table, data), **data.get("why_not", {}), **table.get("why_not", {})}
    return Variant(
        name=name,
        title=table.get("title", data["title"]),
        story=table.get("story", data["story"]).strip(),
        stacks=stacks,
        parameters={**data.get("parameters", {}), **table.get("parameters", {})},
        breaks=tuple(table["breaks"]),
        symptoms=tuple(table["symptom"]),
        expect=_parse_expect(table["expect"]),
        hints=tuple(table.get("hints", data["hints"])),
        input={**data.get("input", {}), **table.get("input", {})},
        load=table.get("load", data.get("load")) or None,
        debrief=table.get("debrief", data["debrief"]).strip(),
        difficulty=table.get("difficulty", data["difficulty"]),
        ways=tuple(table.get("ways", data.get("ways", ()))),
        by_hand=tuple(table.get("by_hand", ())),
        again=tuple(table.get("again", ())),
        why_not={stack: reasons[stack] for stack in STACKS if stack not in stacks and stack in reasons},
        source=table.get("source", data.get("source", "")),
    )


# What a step or a parameter is about that one container with everything has not; the reason why it is not there.
_NOT_COMBINED: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"systemctl|/etc/systemd|journalctl|socket-activation|unit_extra|nohup|rc\.local|init\.d"),
     "its fault is one of systemd or of another manager of a machine, and none runs in such a container"),
    (re.compile(r"net_admin|sys_admin|own_mounts|'bpf'|iptables|\bnft\b"),
     "its container may not change the kernel's filters and mounts"),
    (re.compile(r"network|gateway|'icc'|resolver|published|\{\{backend\}\}-1"),
     "nginx and the application share one network there"),
    (re.compile(r"\bnode\b|app_certificate|certificate"), "its image holds neither node nor a second certificate"),
)


def _combined_reason(table: Table, data: Table) -> str:
    """Return why a variant that does not name the all-in-one stack is not on it."""
    said = str([table["breaks"], {**data.get("parameters", {}), **table.get("parameters", {})}])
    return next((reason for pattern, reason in _NOT_COMBINED if pattern.search(said)),
                "it says the same there as on a stack that it names")


def _parse_expect(table: Table) -> Expect:
    """Return the expectation. TOML has no null: an empty cause is a healthy stack."""
    also, mends = tuple(table.get("also", ())), tuple(table.get("mends", ()))
    return Expect(table["cause"] or None, table["variant"] or None, ExpectedRepair(**table["repair"]), also, mends)
