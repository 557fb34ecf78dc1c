"""Which texts are translated: the English of each package beside its catalogues (`script/translations`)."""

from __future__ import annotations

import argparse
import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from fixer.languages.catalogue import Catalogue, digest, parse_entries  # noqa: E402
from fixer.languages.choose_language import ENGLISH, LANGUAGES  # noqa: E402

FOLDERS = {"fixer.languages": ROOT / "fixer" / "languages", "lab.languages": ROOT / "lab" / "languages"}
REQUIRED = ("help", "console")      # files of which no entry may be missing
PAGES = ("backend-down", "wrong-port", "crash-code-error", "unit-misconfigured", "backend-hung", "nginx-config-invalid",
         "crash-missing-env", "crash-port-in-use", "timeout-too-short", "wrong-bind-address")  # the commonest causes

BUILT_REPAIR_IDS = ("connect-container", "correct-account", "correct-certfile", "correct-directive", "correct-group",
                    "correct-keyfile", "raise-cpu-quota", "raise-open-files", "raise-stop-timeout", "set-VARIABLE",
                    "share-group", "take-plain-requests")  # the code puts them together, or holds them in a table
REPAIR_ID = re.compile(r"[a-z]+(-[a-z0-9]+)+")

Texts = dict[tuple[str, ...], str]  # the keys of a text, the most special first, and its English


@dataclass
class Count:
    """The texts of one catalogue file: how many there are, and which are missing, stale, or of no text."""

    texts: int = 0
    missing: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    needless: list[str] = field(default_factory=list)


def said_texts(package: str) -> Texts:
    """Return the texts of `say("key", "English")` in the code of a package."""
    texts: Texts = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or len(node.args) != 2:
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            key, english = node.args
            if name == "say" and isinstance(key, ast.Constant) and isinstance(english, ast.Constant):
                texts[str(key.value),] = str(english.value)
    return texts


def help_texts_of(app: Any) -> Texts:
    """Return the texts of a program's help."""
    from typer.main import get_command

    from fixer.translated_help import EXTRAS, HEADINGS, help_texts

    root = get_command(app)
    texts: Texts = {(f"help/{heading}",): heading for heading in (*HEADINGS, *EXTRAS)}
    texts["help/--help",] = "Show this message and exit."
    for name, command in ((root.name or "", root), *_commands(root)):
        texts |= {keys: english for keys, english in help_texts(name, command) if english}
    return texts


def _commands(group: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every command of a group by its words, those of its groups too."""
    for name, command in getattr(group, "commands", {}).items():
        yield f"{path}{name}", command
        yield from _commands(command, f"{path}{name} ")


def fixer_texts() -> Texts:
    """Return all texts of fixer."""
    from fixer.analysis.cause import VARIANTS_TITLE, variant_meanings
    from fixer.app.cause_catalogue import all_causes
    from fixer.app.explain_line import STATUS_TEXT
    from fixer.cli import app
    from fixer.render import outcome_text, plan_text, translated_titles

    texts = said_texts("fixer") | help_texts_of(app)
    texts["console/proof-mechanism",] = plan_text.MECHANISM_TEXT
    texts["console/proof-partly",] = outcome_text.PARTLY_TEXT
    texts |= {(f"console/status {status}",): text for status, text in STATUS_TEXT.items()}
    texts["causes/unexplained",] = translated_titles.UNEXPLAINED_TITLE
    texts |= {(f"console/word {word}",): word for word in translated_titles.WORDS}
    texts |= {(f"console/outcome {key}",): text for key, text in outcome_text.OUTCOMES.items()}
    texts |= {(f"console/proof {key}",): text for key, text in outcome_text.PROOFS.items()}
    for cause in all_causes():
        meanings = variant_meanings(cause.page)
        texts[f"causes/{cause.id}",] = cause.title
        texts[f"causes/family {cause.family}",] = cause.family
        texts |= {(f"variants/{cause.id} {name}",): meanings[name] for name in cause.variants}
        if cause.id in PAGES:
            texts[f"pages/{cause.id}/page",] = cause.page.partition(VARIANTS_TITLE)[0]
    texts |= {(f"repairs/{ident}",): translated_titles.repair_words(ident) for ident in repair_ids()}
    return texts


def repair_ids() -> set[str]:
    """Return the ids of repairs that the code writes out."""
    from fixer.app.cause_catalogue import cause_names

    known, found = set(cause_names()), set(BUILT_REPAIR_IDS)
    for folder in ("causes", "repairs", "findings", "diagnose"):
        for path in (ROOT / "fixer" / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                found |= set(_ids_in(node))
    return found - known


def _ids_in(node: ast.AST) -> Iterator[str]:
    named: list[ast.expr | None] = []
    if isinstance(node, ast.Call):
        called = getattr(node.func, "id", "").lower()
        if "repair" in called or called in ("doing", "edit"):
            named = [*node.args, *(one.value for one in node.keywords)]
    elif isinstance(node, ast.Assign):
        name = getattr(node.targets[0], "id", "")
        named = [node.value] if name.endswith("_ID") or "REPAIR" in name else []
    elif isinstance(node, ast.keyword) and node.arg in ("repair", "repair_id", "ident"):
        named = [node.value]
    for value in named:
        if isinstance(value, ast.Constant) and isinstance(value.value, str) and REPAIR_ID.fullmatch(value.value):
            yield value.value


def lab_texts() -> Texts:
    """Return all texts of the lab."""
    from lab.cli import app
    from lab.languages.translate import scenario_texts
    from lab.scenario.scenario_file import load_for_listing

    texts = said_texts("lab") | help_texts_of(app)
    for path in sorted((ROOT / "scenarios").glob("*/scenario.toml")):
        name, data = path.parent.name, tomllib.loads(path.read_text(encoding="utf-8"))
        texts |= {(key,): english for key, english in scenario_texts(name, data).items()}
        family = load_for_listing(path.parent).family
        texts[f"console/family {family}",] = family
    return texts


def count(package: str, language: str, texts: Texts) -> dict[str, Count]:
    """Return the counts of each catalogue file; one for all scenarios, and one for all pages."""
    counts: dict[str, Count] = {}
    catalogue = Catalogue(package, language)
    for keys, english in texts.items():
        counted = counts.setdefault(keys[-1].partition("/")[0], Count())
        counted.texts += 1
        if any(catalogue.has(key, english) for key in keys):
            continue
        stale = any(catalogue.entry(key) is not None for key in keys)
        (counted.stale if stale else counted.missing).append(keys[-1])
    known = {key for keys in texts for key in keys}
    for path, file in catalogue_files(package, language):
        entries = parse_entries(path.read_text(encoding="utf-8"))
        counts.setdefault(file.partition("/")[0], Count()).needless += [
            f"{file}/{name}" for name in entries if f"{file}/{name}" not in known]
    return counts


def catalogue_files(package: str, language: str) -> Iterator[tuple[Path, str]]:
    """Yield the files of a catalogue with what their keys begin with."""
    folder = FOLDERS[package] / language
    for path in sorted(folder.rglob("*.toml")):
        yield path, path.relative_to(folder).with_suffix("").as_posix()


def stamp(package: str, language: str, texts: Texts) -> None:
    """Give each entry without a digest that of today's English, and write the files in their one form."""
    english_of: dict[str, str] = {}
    for keys, english in texts.items():
        for key in keys:
            english_of.setdefault(key, english)
    for path, file in catalogue_files(package, language):
        lines = []
        for name, value in tomllib.loads(path.read_text(encoding="utf-8")).items():
            text = value if isinstance(value, str) else value["text"]
            of = "" if isinstance(value, str) else value.get("of", "")
            if not of and f"{file}/{name}" in english_of:
                of = digest(english_of[f"{file}/{name}"])
            lines.append(f"{_quoted(name)} = {{ of = {_quoted(of)}, text = {_quoted(text)} }}\n")
        path.write_text("".join(lines), encoding="utf-8")


def _quoted(text: str) -> str:
    """Return a TOML string; one with several lines keeps them."""
    escaped = text.replace("\\", "\\\\")
    if "\n" not in text:
        return '"' + escaped.replace('"', '\\"') + '"'
    return '"""\n' + escaped.replace('"""', '\\"\\"\\"') + '"""'


def all_texts() -> dict[str, Texts]:
    """Return the texts of each package."""
    return {"fixer.languages": fixer_texts(), "lab.languages": lab_texts()}


def main() -> int:
    """Print the counts; exit 1 if a help or a heading is missing or stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--list", action="store_true", help="name what is stale or missing")
    parser.add_argument("--stamp", action="store_true", help="write the digests of new entries")
    options = parser.parse_args()
    is_complete = True
    for package, texts in all_texts().items():
        for language in (one for one in LANGUAGES if one != ENGLISH):
            if options.stamp:
                stamp(package, language, texts)
            print(f"{package.partition('.')[0]} in {language}")
            for file, counted in count(package, language, texts).items():
                good = counted.texts - len(counted.missing) - len(counted.stale)
                print(f"  {file:<10} {good:>4} of {counted.texts:>4}, {len(counted.stale)} stale, "
                      f"{len(counted.missing)} missing, {len(counted.needless)} of no text")
                for sort in ("missing", "stale", "needless") if options.list else ():
                    for key in getattr(counted, sort):
                        print(f"    {sort}: {key}")
                is_complete = is_complete and (file not in REQUIRED or good == counted.texts)
    return 0 if is_complete else 1


if __name__ == "__main__":
    sys.exit(main())
