"""Hints are true for every seed: what they name is in the stack that this seed renders and breaks.

The breaks are followed on paper: ten seeds of all variants on both stacks are a thousand labs.
By day each variant has four of its ten, drawn from the commit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import combinations

import pytest

from lab.scenario import catalog
from lab.scenario.complete import complete_parameters
from lab.scenario.deployment_fields import with_values
from lab.scenario.draw import draw
from lab.scenario.render import File, render
from lab.scenario.scenario_file import Scenario, Stack, Table, Variant
from lab.scenario.templates import Value, fill, fill_deep
from lab.stack import compose_overlays
from tests.crash.crash_draw import draw_by_day
from tests.lab.scenario.test_render import IMAGES as SOME_IMAGES

SEEDS = range(1, 11)
IMAGES = {**SOME_IMAGES, "database": "badgateway/database:1"}
LAB_ID = "name-1a2b"
BRIDGE = "172.17.0.1"       # of the engine; a free address of the stack's network is drawn below it
FREE_ADDRESS = "172.18.255.249"
CASES = [pytest.param(found, variant, stack, id=f"{found.name}-{variant.name}-{stack}")
         for found in catalog.all_scenarios().values() for variant in found.variants for stack in variant.stacks]
# Of every machine and image: no seed draws them.
EVERYWHERE = {"127.0.0.1", "0.0.0.0", "/etc/resolv.conf", "/etc/hosts", "/etc/nginx", "/etc/nginx/nginx.conf", "/var/lib/nginx",
              "/etc/nftables.conf", "/etc/iptables/rules.v4", "/var/log"}


class PaperLab:
    """A lab that is rendered and broken on paper."""

    def __init__(self, found: Scenario, variant: Variant, stack: Stack, seed: int) -> None:
        self.stack, self.where = stack, f"{found.name}/{variant.name} on {stack}, seed {seed}"
        self.drawn = compose_overlays.with_own_ports(draw(found, variant, stack, seed))
        if stack == "containers":
            self.drawn = replace(self.drawn, certificate="C", certificate_key="K")
        self.further: list[str] = []      # what steps do that change no rendered file
        self.removed: list[str] = []
        self._render()
        for step in variant.steps_on(stack):
            self._follow(step)

    def _render(self) -> None:
        complete = complete_parameters(self.drawn, LAB_ID, IMAGES)
        self.full = complete.template_values()
        rendering = render(complete)
        entries = {**rendering.initial, **rendering.files}
        self.files = {path: entry.data.decode() if isinstance(entry, File) else entry.target for path, entry in entries.items()}

    def _follow(self, step: Table) -> None:
        key, _, wanted = str(step.get("when", "")).partition("=")
        word = self.full.get(key)
        if key and (str(word).lower() if isinstance(word, bool) else str(word)) not in wanted.split("|"):
            return
        filled = fill_deep(dict(step), self.full, self.where)
        assert isinstance(filled, dict)
        if "set" in filled:
            self.drawn = with_values(self.drawn, filled["set"])
            self._render()
        elif "address" in filled:
            self.drawn = with_values(self.drawn, {str(filled["address"]): FREE_ADDRESS})
            self._render()
        else:
            self.further.append(" ".join(map(str, filled.values())))

    @property
    def text(self) -> str:
        """Everything that somebody can meet in the stack: paths, contents, names of containers, what the breaks did."""
        services = [f"{LAB_ID}-{name}-1" for name in re.findall(r"(?m)^  (\S+):$", self.files["compose.yaml"])]
        mounts = re.findall(r"(?m)^      - \./(\S+?):(/[^:\s]+)", self.files["compose.yaml"])
        inside = [to + path.removeprefix(source) for source, to in mounts for path in self.files if path.startswith(source)]
        return "\n".join([*self.files, *self.files.values(), *inside, *services, *self.further, f"{LAB_ID}_inside"])

    def hints(self, variant: Variant) -> Iterator[tuple[str, str]]:
        """Each hint as written, and as this lab gives it."""
        for number, hint in enumerate(variant.hints):
            yield hint, fill(hint, self.full, f"{self.where}: hints[{number}]")


@pytest.fixture(autouse=True)
def bridge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compose_overlays, "_bridge_address", lambda: BRIDGE)


def names_in(hint: str) -> list[str]:
    return re.findall(r"\{\{([a-z][a-z0-9_]*)\}\}", hint)


def check_names(paper: PaperLab, hint: str, filled: str) -> None:
    """What a hint names is in the stack."""
    text, where = paper.text, f"{paper.where}: {filled}"
    for name in names_in(hint):
        assert str(paper.full[name]) in text, f"{where}: {name}"
    for path in re.findall(r"(?<![\w.…])/(?:etc|run|srv|var|opt|usr|home|tmp)/[\w./@-]*\w", filled):
        assert path in text or path in EVERYWHERE or any(known.startswith(path) for known in paper.files), f"{where}: {path}"
    for address in re.findall(r"\b\d+\.\d+\.\d+\.\d+\b", filled):
        assert address in text or address in EVERYWHERE, f"{where}: {address}"
    for service in re.findall(r"of service (\S+?)(?: in| of|:|,|\.)(?= )", filled):
        assert f"\n  {service}:\n" in paper.files["compose.yaml"], f"{where}: {service}"
    for unit in [*re.findall(r"([\w@-]+)\.service\b", filled), *re.findall(r"systemctl cat ([\w@-]+)", filled)]:
        assert f"{unit}.service" in text, f"{where}: {unit}"


def check_ports(paper: PaperLab, hint: str, filled: str) -> None:
    """Two ports of a hint are two: `listens on 8028 and 8028` was said where the application had been moved."""
    ports = {name: paper.full[name] for name in names_in(hint) if name.endswith("port")}
    for one, other in combinations(ports, 2):
        assert ports[one] != ports[other], f"{paper.where}: {filled}"


def listening_ports(paper: PaperLab) -> set[str]:
    """The ports that the application's own command names, wherever this structure keeps it."""
    full: Mapping[str, Value] = paper.full
    if full["unix"]:
        return set()
    command = str(full["command"]) + " " + "\n".join(
        text for path, text in paper.files.items() if path in ("compose.yaml", full.get("envfile")) or path.endswith("/serve"))
    return set(re.findall(r"(?:--port[ =]|--bind \S*:|PORT[:=] ?\"?|ListenStream=\S*:)(\d+)", command)) | (
        {str(full["port"])} if full["activation"] or full["mate_unit"] else set())


def check_owners(paper: PaperLab, filled: str) -> None:
    """A port that a hint ascribes to somebody is theirs."""
    routes = "\n".join(text for path, text in paper.files.items() if "nginx" in path or path.endswith(".conf"))
    for port in re.findall(r"(?:application|\w+-1) listens on (?:port )?(\d+)", filled):
        assert port in listening_ports(paper), f"{paper.where}: {filled}"
    for port in re.findall(r"nginx asks (?:for )?(?:port )?(\d+)", filled):
        assert re.search(rf"[: ]{port}['\";/ ]", routes), f"{paper.where}: {filled}"
        assert port not in listening_ports(paper), f"{paper.where}: {filled}"


@pytest.mark.parametrize(("found", "variant", "stack"), CASES)
def test_hints_are_true_for_every_seed(found: Scenario, variant: Variant, stack: Stack) -> None:
    for seed in draw_by_day(SEEDS, f"hints {found.name}/{variant.name} {stack}", 4):
        paper = PaperLab(found, variant, stack, seed)
        for hint, filled in paper.hints(variant):
            check_names(paper, hint, filled)
            check_ports(paper, hint, filled)
            check_owners(paper, filled)


def test_a_hint_that_is_false_for_one_seed_is_found() -> None:
    """Four seeds move the application: what was its port before is nginx's then."""
    found = catalog.scenario_named("wrong-port")
    old = "The application listens on one of the ports {{port}} and {{other_port}}, nginx asks the other."
    with pytest.raises(AssertionError, match=r"ports (\d+) and \1,"):
        for seed in SEEDS:
            for stack in found.stacks:
                paper = PaperLab(found, found.variants_on(stack)[0], stack, seed)
                check_ports(paper, old, fill(old, paper.full, "old"))
