"""The examples below each help of `lab`, and the commands that people mean by other words."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from fixer.command_words import ProposingGroup, by_synonym, examples
from fixer.lazy.lazy_imports import lazy_imports
from lab.errors import UsageError

with lazy_imports():
    from lab.scenario.catalog import is_scenario_or_alias  # reads the scenarios: for a wrong command only


class LabGroup(ProposingGroup):
    """The commands of `lab`, with a proposal for a word that is none of them."""

    synonyms = by_synonym({
        "up": "start run begin create launch",
        "replay": "playback watch recording record",
        "serve": "web page ui browser dashboard gui",
        "play": "course train learn lesson",
        "scores": "score results points",
        "down": "stop rm remove delete destroy kill clean cleanup prune",
        "status": "ps state running labs",
        "list": "ls scenarios catalog catalogue",
        "show": "describe info story explain",
        "logs": "log tail",
        "shell": "exec enter sh bash ssh attach login",
        "hint": "hints clue tip",
        "check": "verify test health diagnose validate-lab",
        "solve": "fix repair answer solution",
        "reset": "restart redo again reload",
        "new": "init add scaffold",
        "validate": "lint",
        "bench": "benchmark",
        "--version": "version",
        "--show-completion": "completion completions complete autocomplete",
    })
    usage_error = UsageError
    catalogue_package = "lab.languages"

    def line_without_command(self, word: str, rest: Sequence[str]) -> str:
        """Return `up` for the name of a scenario."""
        return shlex.join(("up", word)) if is_scenario_or_alias(word) else ""


EXAMPLES = {
    "": examples(
        "lab up wrong-port           start a broken stack, and read its story",
        "lab hint                    the next hint, from vague to exact",
        "lab check                   is it well now?",
        "lab down                    remove all that it made",
        "lab up any --difficulty 2   a fault that is not named",
    ),
    "list": examples("lab list", "lab list --json"),
    "show": examples("lab show wrong-port", "lab show wrong-port/container-wrong-port"),
    "up": examples("lab up wrong-port", "lab up wrong-port --stack host --seed 7", "lab up any --difficulty 2",
                   "lab up overload --noise 2"),
    "status": examples("lab status", "lab status --json"),
    "logs": examples("lab logs", "lab logs web", "lab logs shop-3f2a backend --no-follow"),
    "shell": examples("lab shell", "lab shell backend", "lab shell web --tools", "lab shell shop-3f2a web",
                      "lab shell --no-record"),
    "hint": examples("lab hint", "lab hint shop-3f2a"),
    "reset": examples("lab reset", "lab reset shop-3f2a"),
    "down": examples("lab down", "lab down shop-3f2a", "lab down shop-3f2a shop-91c0", "lab down --all"),
    "new": examples("lab new late-start", "lab --scenarios ./mine new late-start"),
    "validate": examples("lab validate", "lab --scenarios ./mine validate"),
    "check": examples("lab check", "lab check shop-3f2a --after-restart", "lab check --json"),
    "solve": examples("lab solve", "lab solve shop-3f2a", "lab solve --inside"),
    "matrix": examples("lab matrix --only 'wrong-port*' --jobs 2", "lab matrix --all --shard 1/10 --junit report.xml",
                       "lab matrix --only crash-oom --stack host --seeds 1-3", "lab matrix --github"),
    "class": examples("lab class up wrong-port --names roster.txt --ttl 2h", "lab class status", "lab class down"),
    "class up": examples("lab class up wrong-port --names roster.txt --ttl 2h",
                         "lab class up any --difficulty 2 --names roster.txt --bind 192.0.2.10"),
    "class status": examples("lab class status", "lab class status class-3f2a --json"),
    "class down": examples("lab class down", "lab class down --all"),
    "play": examples("lab play", "lab play --difficulty 2 --stack host", "lab play --cause wrong-port",
                     "lab play --give-up"),
    "replay": examples("lab replay", "lab replay shop-3f2a --speed 3", "lab replay --list",
                       "lab replay shop-3f2a --cast > shell.cast"),
    "serve": examples("lab serve", "lab serve shop-3f2a --port 8050", "lab serve --bind 192.0.2.10"),
    "scores": examples("lab scores", "lab scores --person Ada --json"),
    "bench": examples("lab bench --only 'wrong-port*'", "lab bench --solver fixer --solver './mine.sh {target} {url}'",
                      "lab bench --solver nothing --only wrong-port --json scores.json",
                      "lab bench --random 20 --seed 1 --jobs 2"),
}
