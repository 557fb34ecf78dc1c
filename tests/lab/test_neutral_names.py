"""No name, path, label, image tag, comment or unit description inside a stack gives the fault away.
By day each variant has two of its six seeds, drawn from the commit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache

import pytest

from lab.paths import compose_root
from lab.scenario import catalog
from lab.scenario.complete import complete_parameters
from lab.scenario.deployment_fields import CompleteDeployment, with_values
from lab.scenario.draw import draw
from lab.scenario.render import File, Link, render
from lab.scenario.scenario_file import Scenario, Stack, Variant
from lab.scenario.templates import fill_deep
from lab.stack.images import tags
from tests.crash.crash_draw import draw_by_day

GIVE_AWAY = re.compile(
    r"(?i)\b(?:\w*broken|break(?:s|ing)?|fault\w*|wrong(?!\ user or password)\w*|crash\w*|scenario\w*|oracle|hint\w*|"
    r"overload\w*|hung|hang\w*|stale|dead\w*|kill\w*|invalid\w*|oom|fixer|solution|squatt\w*|leftover\w*|sabotag\w*|"
    r"mistake\w*|bug\w*|misconfig\w*|missing|502|504|bad.?gateway(?!\.lab|/)|trap|decoy|stranger)\b"
)
DIGEST = re.compile(r"\b[0-9a-f]{32,}\b")      # one in some hundreds begins with "dead"
CASES = [
    pytest.param(found, variant, stack, id=f"{found.name}-{variant.name}-{stack}")
    for found in catalog.all_scenarios().values() for variant in found.variants for stack in variant.stacks
]


@cache
def image_tags() -> Mapping[str, str]:
    """Each reads every file of the images' contexts."""
    return tags()


@lru_cache(maxsize=4096)
def given_away(text: str) -> re.Match[str] | None:
    """Most files of a stack are the same for many seeds."""
    return GIVE_AWAY.search(text)


def everything_inside(scenario: Scenario, variant: Variant, stack: Stack, seed: int) -> Iterator[str]:
    """Paths and bytes of the stack when it is well, and again after each change that the break makes."""
    drawn = draw(scenario, variant, stack, seed, noise=seed)
    full = complete_parameters(drawn, "name-1a2b", image_tags())
    yield from _rendered(full)
    for step in variant.steps_on(stack):
        filled = fill_deep(dict(step), full.template_values(), "step")
        assert isinstance(filled, dict)
        yield from (str(filled[key]) for key in ("write", "text", "new", "link", "to") if key in filled)
        if "set" in filled:
            drawn = with_values(drawn, filled["set"])
            full = complete_parameters(drawn, "name-1a2b", image_tags())
            yield from _rendered(full)


def _rendered(full: CompleteDeployment) -> Iterator[str]:
    rendering = render(full)
    for entry in rendering.files.values():
        yield entry.path
        yield entry.target if isinstance(entry, Link) else entry.data.decode()
    yield from (entry.path for entry in rendering.initial.values() if isinstance(entry, File))


@pytest.mark.parametrize(("scenario", "variant", "stack"), CASES)
def test_nothing_inside_gives_it_away(scenario: Scenario, variant: Variant, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BADGATEWAY_LAB_STATE", "/srv/labs")      # a folder of the caller's, which may be called anything
    for seed in draw_by_day(range(6), f"names {scenario.name}/{variant.name} {stack}", 2):
        for text in everything_inside(scenario, variant, stack, seed):
            on_purpose = "return 502;" if variant.expect.cause is None else "\0"
            found = given_away(DIGEST.sub("", text.replace(on_purpose, "")))
            assert found is None, f"{found[0]!r} in: {text[max(0, found.start() - 60):found.end() + 40]}"


def test_the_test_sees_what_gives_away() -> None:
    for text in ("# wrong port here", "broken.conf", "/opt/crash/app", "badgateway", "image: lab/overload:1", "scenario"):
        assert GIVE_AWAY.search(text), text
    for text in ("badgateway.lab: shop-3f2a", "badgateway/web:1a2b", "wrong user or password"):
        assert GIVE_AWAY.search(text) is None, text


def test_images_give_nothing_away() -> None:
    for path in (compose_root() / "images").rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            assert GIVE_AWAY.search(path.read_text()) is None, path
