"""The generated tables of docs/: scenarios, what a scenario file may hold, nginx's messages, speed, random hosts.

`--check` exits 1 if a page is out of date."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = ROOT / "lab" / "scenario" / "scenario.schema.json"
SEED = 1


def scenario_rows() -> list[tuple[str, ...]]:
    """Return one row per scenario, by difficulty, then name."""
    entries = []
    for path in (ROOT / "scenarios").glob("*/scenario.toml"):
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        variants = ", ".join(f"`{name}`" for name in data.get("variants", {}))
        entries.append((data["difficulty"], path.parent.name, data["family"], variants, ", ".join(data["stacks"])))
    return [(f"`{name}`", family, variants, stacks, str(difficulty))
            for difficulty, name, family, variants, stacks in sorted(entries)]


def step_rows() -> list[tuple[str, ...]]:
    """Return one row per step of `breaks`, `by_hand` and `again`."""
    return [
        (f"`{step['required'][0]}`",
         ", ".join(_key_text(key, value) for key, value in step["properties"].items() if key not in ("stacks", "when")),
         step["description"])
        for step in _definitions()["step"]["oneOf"]
    ]


def key_rows(name: str) -> Callable[[], list[tuple[str, ...]]]:
    """Return what makes one row per key of a part of the schema."""
    def rows() -> list[tuple[str, ...]]:
        keys = {key: value for key, value in _definitions()[name]["properties"].items() if key != "stacks"}
        keys |= {f"{key}.{inner}": what for key, value in keys.items()
                 for inner, what in value.get("properties", {}).items()}
        return [(_key_text(key, value), value.get("description", "")) for key, value in keys.items()]
    return rows


def macro_rows() -> list[tuple[str, ...]]:
    """Return one row per macro of steps."""
    table = tomllib.loads((SCHEMA.parent / "macros.toml").read_text(encoding="utf-8"))
    rows = []
    for name, macro in table.items():
        defaults = macro.get("defaults", {})
        keys = [f"`{key}`" + (f" (else `{defaults[key]}`)" if key in defaults else "") for key in macro["keys"]]
        words = [next(word for word in step if word not in ("stacks", "when")) for step in macro["steps"]]
        rows.append((f"`{name}`", ", ".join(keys), macro["what"], ", ".join(f"`{word}`" for word in words)))
    return rows


def symptom_rows() -> list[tuple[str, ...]]:
    """Return one row per named symptom."""
    table = tomllib.loads((SCHEMA.parent / "symptoms.toml").read_text(encoding="utf-8"))
    rows = []
    for name, symptom in table.items():
        log = symptom.get("log", "").replace("|", "\\|")
        seen = ", ".join(map(str, symptom.get("statuses", ()))) or "no answer" * bool(symptom.get("refused")) or "200"
        rows.append((f"`{name}`", symptom["what"], seen, f"`{log}`" if log else ""))
    return rows


def parameter_rows() -> list[tuple[str, ...]]:
    """Return one row per parameter, with its value on each stack for one seed of the healthy scenario."""
    sys.path.insert(0, str(ROOT))
    from lab.scenario.catalog import scenario_named
    from lab.scenario.complete import complete_parameters
    from lab.scenario.draw import draw
    from lab.scenario.scenario_file import STACKS
    from lab.stack.images import IMAGE_NAMES

    healthy = scenario_named("healthy")
    images = {name: f"badgateway/{name}:…" for name in IMAGE_NAMES}
    full = [complete_parameters(draw(healthy, healthy.variants[0], stack, SEED), "shop-3f2a", images).template_values()
            for stack in STACKS]
    names = sorted({name for values in full for name in values})
    return [(f"`{name}`", *(_value_text(name, values.get(name)) for values in full)) for name in names]


def message_rows(when: str) -> Callable[[], list[tuple[str, ...]]]:
    """Return what makes one row per message of nginx's source: at `run` time, or about its `config`."""
    def rows() -> list[tuple[str, ...]]:
        sys.path.insert(0, str(ROOT))
        from tests.diagnose.message_table import table_rows

        return table_rows(when)
    return rows


def kind_rows() -> list[tuple[str, ...]]:
    """Return one row per kind of nginx's lines: a measured line, its class, its causes."""
    sys.path.insert(0, str(ROOT))
    from fixer.diagnose.line_meanings import MEANINGS
    from fixer.nginx.error_kinds import concern_of
    from tests.nginx.test_error_kinds import CASES

    lines = {kind: f"[{level}] {message}" for level, message, kind in reversed(CASES)}
    rows = []
    for meaning in MEANINGS:
        for kind in meaning.kinds:
            sort = "cause" if meaning.causes else "note"
            sort = "nginx's own failure" if concern_of(kind) == "nginx" else sort
            sort = "advice" if kind.startswith("limit-") else sort
            causes = [f"`{cause}`" for cause in meaning.causes]
            line = lines[kind].replace("|", "\\|")
            rows.append((f"`{line}`", f"`{kind}`", sort, ", ".join(causes) or "none"))
    return rows


def speed_rows() -> list[tuple[str, ...]]:
    """Return one row per row of the benchmarks, as last recorded."""
    sys.path.insert(0, str(ROOT))
    from benchmarks.history import read_history, row_table

    return list(row_table(read_history()))


def recorded_rows() -> list[tuple[str, ...]]:
    """Return one row per recorded run of the benchmarks."""
    sys.path.insert(0, str(ROOT))
    from benchmarks.history import read_history, run_table

    return list(run_table(read_history()))


def peer_rows() -> list[tuple[str, ...]]:
    """Return one row per tool of the comparison."""
    sys.path.insert(0, str(ROOT))
    from benchmarks.peers.results import peer_table, read_results

    return list(peer_table(read_results()))


def peer_run_rows() -> list[tuple[str, ...]]:
    """Return the row of the comparison's run."""
    sys.path.insert(0, str(ROOT))
    from benchmarks.peers.results import read_results, run_table

    return list(run_table(read_results()))


def peer_host_rows() -> list[tuple[str, ...]]:
    """Return one row per broken host of the comparison."""
    sys.path.insert(0, str(ROOT))
    from benchmarks.peers.results import host_table, read_results

    return list(host_table(read_results()))


def ledger_rows() -> list[tuple[str, ...]]:
    """Return one row per published run on random hosts."""
    sys.path.insert(0, str(ROOT))
    from lab.random_hosts.ledger import ledger_path, ledger_table, read_ledger

    return ledger_table(read_ledger(ledger_path()))


def ledger_head() -> tuple[str, ...]:
    """Return the columns of the ledger."""
    sys.path.insert(0, str(ROOT))
    from lab.random_hosts.ledger import LEDGER_HEAD

    return LEDGER_HEAD


def _definitions() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))["$defs"]
    return found


def _key_text(key: str, value: Mapping[str, Any]) -> str:
    """Return a key with what it may be."""
    if "$ref" in value:
        return f"`{key}`: {value['$ref'].rpartition('/')[2].replace('_', ' ')}"
    kind = value.get("enum") or ([json.dumps(value["const"])] if "const" in value else value.get("type", "object"))
    kinds = " or ".join(map(str, kind)) if isinstance(kind, list) else str(kind).replace("object", "table")
    return f"`{key}`: {kinds}"


def _value_text(name: str, value: object) -> str:
    """Return an example; none of secrets, also drawn ones, and of paths on this machine."""
    if value is None:
        return ""
    if re.search(r"password|^(second_)?secret$|db_url|^state$", name) and value:
        return "…"
    text = json.dumps(value, ensure_ascii=False).replace("|", "\\|").replace("`", "'")
    return f"`{text if len(text) <= 60 else text[:59] + '…'}`"


TABLES: Mapping[str, tuple[str, tuple[str, ...], Callable[[], Iterable[tuple[str, ...]]]]] = {
    "scenarios": ("scenarios.md", ("scenario", "family", "variants", "stacks", "difficulty"), scenario_rows),
    "messages at run time": ("nginx-messages.md", ("nginx's words", "kind", "class", "causes", "scenarios"),
                             message_rows("run")),
    "messages about the configuration": ("nginx-messages.md", ("nginx's words", "kind", "class", "causes", "scenarios"),
                                         message_rows("config")),
    "kinds": ("nginx-messages.md", ("a line", "kind", "class", "causes, most likely first"), kind_rows),
    "speed": ("speed.md", ("row", "what is measured", "median", "baseline", "value", "half of the runs", "limit",
                           "holds"), speed_rows),
    "recorded runs": ("speed.md", ("version", "commit", "day", "processors", "rows", "over their limit"),
                      recorded_rows),
    "peers": ("comparison.md", ("tool", "version", "made for", "notices", "names the cause", "shows evidence",
                                "repairs", "alarms on the healthy host", "ms", "CPU ms"), peer_rows),
    "run of the peers": ("comparison.md", ("day", "processors", "mean load", "broken hosts", "healthy hosts"),
                         peer_run_rows),
    "hosts of the peers": ("comparison.md", ("seed", "fault", "named by", "repaired by"), peer_host_rows),
    "ledger": ("random-hosts.md", ledger_head(), ledger_rows),
    "steps": ("scenario-files.md", ("step", "keys", "what it does"), step_rows),
    "macros": ("scenario-files.md", ("macro", "keys", "what it does", "its steps"), macro_rows),
    "named symptoms": ("scenario-files.md", ("name", "what is seen", "statuses", "nginx's log"), symptom_rows),
    "symptoms": ("scenario-files.md", ("key", "meaning"), key_rows("symptom")),
    "expect": ("scenario-files.md", ("key", "meaning"), key_rows("expect")),
    "parameters": ("scenario-files.md", ("parameter", "containers", "host"), parameter_rows),
}


def table(name: str) -> str:
    """Return a table as Markdown, between its marks."""
    _, head, rows = TABLES[name]
    lines = [head, ("---",) * len(head), *rows()]
    return "\n".join([f"<!-- {name}: generated by script/make_tables.py -->", "",
                      *(f"| {' | '.join(row)} |" for row in lines), "", f"<!-- /{name} -->"])


def main() -> int:
    """Rewrite or check the pages."""
    is_current = True
    for name, (file, _, _) in TABLES.items():
        page = ROOT / "docs" / file
        text = page.read_text(encoding="utf-8")
        new = re.sub(rf"<!-- {name}: .*?<!-- /{name} -->", lambda _, name=name: table(name), text, flags=re.DOTALL)  # type: ignore[misc]
        is_current = is_current and new == text
        if "--check" not in sys.argv:
            page.write_text(new, encoding="utf-8")
    return 0 if is_current or "--check" not in sys.argv else 1


if __name__ == "__main__":
    sys.exit(main())
