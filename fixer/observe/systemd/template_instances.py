"""Stopped instances of template units, which systemd unloads, derived from the template's own files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from fixer.formats.journal_entries import field_text, fields_of
from fixer.formats.settings_ports import listening_ports, settings_files
from fixer.formats.systemctl_show import escape_instance
from fixer.formats.unit_file import UnitLine, unit_lines
from fixer.lazy.regex import regex
from fixer.model.facts import Known
from fixer.model.query import Answer, Command, Query, ReadGlob
from fixer.observe.view.node_view import PEEK_BYTES, View, is_readable, known_pids

MOST_FILES = 60
MOST_INSTANCES = 20
SETTINGS_BYTES = 16 << 10

# the instance is the port, or its last digits
_INSTANCE_PORT = regex(r"(?i:port[= ]+|-p[= ]?|:)[\"']?(\d*)%[iI]\b")
_INSTANCE_ARGUMENT = regex(r"(?<=\s)[\"']?(\d*)%[iI][\"']?(?=\s|$)")
_PORT_SETTING = regex(rb"(?im)^[ \t]*\w*(?:port|bind|addr)\w*=[^\n#]*?(\d{2,5})\b")
_NUMBER = regex(r"(?<![\d.])\d{2,5}(?![\d.])")
_JOURNAL_LINES = "20"       # of all instances: the newest are those of now
_INSTANCE_NAME = regex(r"^[A-Za-z0-9:_.\\-]+$")
_INSTANCE = regex(r"%[iI]")


def instance_queries(
    view: View, ports: Iterable[int], sockets: Iterable[str] = (), is_served: bool = True,
) -> Iterator[Query]:
    """Yield queries for instances whose files name ports or sockets on which nothing listens. Where no application
    server is known (`is_served` false), nginx's address may be the wrong one: every instance may be the application."""
    wanted, paths = tuple(dict.fromkeys(ports)), tuple(sockets)
    names: list[str] = []
    for path, file in view.files.items():
        if not path.endswith("@.service") or "/systemd/system/" not in path or not is_readable(file):
            continue
        stem = path.rsplit("/", 1)[-1].removesuffix(".service")
        lines = [line for line in unit_lines(path, file.data) if line.section == "Service"]
        for pattern, _ in _env_file_globs(lines):
            yield ReadGlob((pattern,), PEEK_BYTES, MOST_FILES)
        for pattern, _ in _settings_globs(lines):
            yield ReadGlob((pattern,), SETTINGS_BYTES, MOST_FILES)
        told = (*_instances_by_option(lines, wanted), *_instances_by_sibling(stem, lines, wanted, view),
                *_instances_by_settings(lines, wanted, view))
        told = (*told, *_instances_by_socket(lines, paths), *_instances_by_env_file(lines, wanted, view))
        names += (f"{stem}{instance}.service" for instance in told)
        is_local = path.startswith("/etc/")      # a package's own template is no application of this host
        if _names_address(lines, wanted, paths) or (is_local and not is_served and not told):
            yield (asked := Command("journal", (f"{stem}*.service", _JOURNAL_LINES)))
            names += _units_in_journal(stem, view.node.answers.get(asked))
    unknown = tuple(n for n in dict.fromkeys(names) if n not in view.units)
    if unknown:
        yield Command("systemctl-show", unknown[:MOST_INSTANCES])


def _names_address(lines: Iterable[UnitLine], ports: tuple[int, ...], sockets: tuple[str, ...]) -> bool:
    """Return whether the template itself names an address, the same for each instance: no file names the instances that
    are neither enabled nor loaded, but the journal does."""
    told = [line.value for line in lines if line.key in ("ExecStart", "Environment")]
    numbers = {int(text) for value in told for text in _NUMBER.findall(value)}
    return bool(numbers.intersection(ports)) or any(path in value for path in sockets for value in told)


def _units_in_journal(stem: str, answer: Answer | None) -> Iterator[str]:
    """Yield the instances of which systemd itself wrote; what a program writes names none."""
    for line in answer.data.decode("utf-8", "replace").split("\n") if answer is not None else ():
        fields = fields_of(line) or {}
        name = field_text(fields.get("UNIT"))
        if field_text(fields.get("_PID")) == "1" and name.startswith(stem) and name.endswith(".service") and \
                _INSTANCE_NAME.match(name.removeprefix(stem).removesuffix(".service")):
            yield name


def _instances_by_option(lines: Iterable[UnitLine], ports: tuple[int, ...]) -> Iterator[str]:
    """Yield instances for `--port %i`, `PORT=80%i`: the port is the instance, or ends with it."""
    for line in lines:
        if line.key in ("ExecStart", "Environment"):
            for match in _INSTANCE_PORT.finditer(line.value):
                yield from (str(p)[len(match[1]):] for p in ports if _has_instance_end(str(p), match[1]))


def _instances_by_sibling(stem: str, lines: Iterable[UnitLine], ports: tuple[int, ...], view: View) -> Iterator[str]:
    """Yield instances for `server.py %i`, a bare number: a port only if another instance listens on its own."""
    bare = {match[1] for line in lines if line.key == "ExecStart" for match in _INSTANCE_ARGUMENT.finditer(line.value)}
    if not bare or not isinstance(view.listeners, Known):
        return
    held = {(process.unit or "", x.port) for x in view.listeners.value if x.family != "unix"
            for process in map(view.by_pid.get, known_pids(x.pids)) if process is not None}
    for start in bare:
        if any(_has_instance_end(str(port), start) and unit == f"{stem}{str(port)[len(start):]}.service" for unit,
               port in held):
            yield from (str(p)[len(start):] for p in ports if _has_instance_end(str(p), start))


def _instances_by_socket(lines: Iterable[UnitLine], sockets: tuple[str, ...]) -> Iterator[str]:
    """Yield instances for `--uds /run/shop/%i.sock`, `--bind unix:%t/shop-%i/app.sock`, matched to the socket paths."""
    told = [line.value for line in lines if line.key in ("ExecStart", "Environment")]
    for word in (word.strip("\"'") for value in told for word in value.split()):
        at = min((i for i in (word.find("/"), word.find("%t/")) if i >= 0), default=-1)
        before, *after = _INSTANCE.split(word[at:].replace("%t/", "/run/", 1)) if at >= 0 else [""]
        if not after or "%" in "".join((before, *after)):
            continue
        rest = "(?P=name)".join(map(re.escape, after))
        pattern = re.compile(f"{re.escape(before)}(?P<name>[^/]+){rest}")
        found = [match["name"] for match in map(pattern.fullmatch, sockets) if match is not None]
        found = [escape_instance(name) for name in found] if "%I" in word else found
        yield from (name for name in found if _INSTANCE_NAME.match(name))


def _has_instance_end(port: str, start: str) -> bool:
    return port.startswith(start) and len(port) > len(start)


def _env_file_globs(lines: Iterable[UnitLine]) -> Iterator[tuple[str, bool]]:
    """Yield the globs of `EnvironmentFile=/etc/shop/%i.env`, and whether the instance is unescaped there (`%I`)."""
    for line in lines:
        if line.key == "EnvironmentFile":
            yield from _instance_glob(line.value.strip().removeprefix("-"))


def _settings_globs(lines: Iterable[UnitLine]) -> Iterator[tuple[str, bool]]:
    """Yield the globs of settings files that the command names by its instance: `--config=/etc/shop/%i.yaml`."""
    told = tuple(lines)
    folder = next((line.value.strip().lstrip("-") for line in reversed(told) if line.key == "WorkingDirectory"), "")
    for line in told:
        words = [word.strip("\"'") for word in line.value.split()] if line.key == "ExecStart" else []
        for path in settings_files([words[0].lstrip("-@:+!"), *words[1:]], folder or ".") if words else ():
            yield from _instance_glob(path)


def _instance_glob(path: str) -> Iterator[tuple[str, bool]]:
    if path.count("%") == 1 and _INSTANCE.search(path) and path.startswith("/") and not set(path) & set("*?["):
        yield _INSTANCE.sub("*", path), "%I" in path


def _instances_by_env_file(lines: Iterable[UnitLine], ports: tuple[int, ...], view: View) -> Iterator[str]:
    """Yield the instances whose environment file names one of the ports."""
    for _, instance, data in _files_by_instance(_env_file_globs(lines), view):
        named = {int(match[1]) for match in _PORT_SETTING.finditer(data)}
        if named.intersection(ports):
            yield instance


def _instances_by_settings(lines: Iterable[UnitLine], ports: tuple[int, ...], view: View) -> Iterator[str]:
    """Yield the instances whose settings file lets them listen at one of the ports."""
    for path, instance, data in _files_by_instance(_settings_globs(lines), view):
        if any(binding.port in ports for binding in listening_ports(path, data)):
            yield instance


def _files_by_instance(globs: Iterable[tuple[str, bool]], view: View) -> Iterator[tuple[str, str, bytes]]:
    """Yield (path, instance, content) of the files that were read for these globs."""
    for pattern, is_plain in globs:
        before, _, after = pattern.partition("*")
        for path, file in view.files.items():
            if len(path) <= len(before) + len(after) or not (path.startswith(before) and path.endswith(after)):
                continue
            text = path[len(before):len(path) - len(after)]
            instance = escape_instance(text) if is_plain else text
            if _INSTANCE_NAME.match(instance):
                yield path, instance, file.data
