"""systemd units, parsed from `systemctl show` and its lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from io import StringIO
from itertools import chain

from fixer.formats.numbers import is_number, timespan
from fixer.formats.shell_words import systemd_words
from fixer.lazy.dataclass import replace
from fixer.lazy.regex import regex, up_to_first
from fixer.model.facts import Fact
from fixer.model.query import Answer
from fixer.model.snapshot import PreCommand, Unit

_MANY_LINES = 100_000
_PULL_PROPERTIES = ("WantedBy", "RequiredBy", "BoundBy", "UpheldBy")
_REPEATED_PROPERTIES = frozenset({"EnvironmentFiles", "ExecStartPre", "Listen"})
_PRE = regex(up_to_first(r"argv\[\]=") + r"(?>(.*?) ; ignore_errors=.*? ; )(?:.*; )?code=(\S+) ; status=(\d+)")
_ENVIRONMENT_FILE = regex(r"(?<!\S)(\S++) \(ignore_errors=(yes|no)\)")
_ARGV = regex(up_to_first(r"argv\[\]=") + "(.*?) ; (?:ignore_errors|flags)=")


def parse_show(answer: Answer | None, boot_at: Fact[float]) -> dict[str, Unit]:
    """Return units by name, under each of their names (aliases)."""
    if answer is None or not answer.data:
        return {}
    boot = boot_at.or_else(0.0)
    units: dict[str, Unit] = {}
    for block in _blocks(answer.data.decode("utf-8", "replace")):
        if block.get("Id"):
            unit = _parse_unit(block, boot)
            for name in {unit.name, *block.get("Names", "").split()}:
                units.setdefault(name, unit)
    return units


def with_active_conflicts(units: Mapping[str, Unit]) -> dict[str, Unit]:
    """Return the units, each with only those conflicts that run now: its start would stop them."""
    return {name: replace(unit, conflicts=tuple(dict.fromkeys(
        rival for rival in unit.conflicts if rival in units and units[rival].active_state in _ACTIVE_STATES
    ))) if unit.conflicts else unit for name, unit in units.items()}


_ACTIVE_STATES = frozenset({"active", "activating", "reloading"})


def _lines(text: str) -> Iterable[str]:
    """Return the lines; of very many one after the other: a list of short ones is twenty times as large as its text."""
    if text.count("\n") < _MANY_LINES:
        return text.split("\n")
    return (line.removesuffix("\n") for line in StringIO(text, newline="\n"))


def _blocks(text: str) -> Iterator[dict[str, str]]:
    """Yield blocks of KEY=VALUE lines, an empty line between units. ExecStart may repeat: the first one counts."""
    block: dict[str, str] = {}
    for line in chain(_lines(text), ("",)):
        if not line:
            if block:
                yield block
            block = {}
            continue
        key, found, value = line.partition("=")
        if found:
            previous = block.get(key)
            block[key] = f"{previous}\n{value}" if previous and key in _REPEATED_PROPERTIES else previous or value


def _parse_unit(b: Mapping[str, str], boot: float) -> Unit:
    environment = [word.text for word in systemd_words(b.get("Environment", ""))]
    return Unit(
        name=b["Id"], load_state=b.get("LoadState", ""), active_state=b.get("ActiveState", ""),
        sub_state=b.get("SubState", ""), result=b.get("Result", ""), exec_main_code=_int(b.get("ExecMainCode")),
        exec_main_status=_int(b.get("ExecMainStatus")), main_pid=_int(b.get("MainPID")),
        n_restarts=_int(b.get("NRestarts")), unit_file_state=b.get("UnitFileState", ""),
        fragment_path=b.get("FragmentPath", ""), drop_in_paths=tuple(b.get("DropInPaths", "").split()),
        environment_files=tuple(_env_files(b.get("EnvironmentFiles", ""))),
        environment_names=tuple(text.split("=", 1)[0] for text in environment if "=" in text),
        exec_start=exec_argv(b.get("ExecStart", "")), user=b.get("User", ""), group=b.get("Group", ""),
        working_directory=b.get("WorkingDirectory", "").lstrip("!-"), restart=b.get("Restart", ""),
        type=b.get("Type", ""),
        need_daemon_reload=b.get("NeedDaemonReload") == "yes",
        condition_result=b.get("ConditionResult") != "no" or _int(b.get("ConditionTimestampMonotonic")) == 0,
        load_error=b.get("LoadError", "").strip(),
        active_enter=_parse_timestamp(b.get("ActiveEnterTimestampMonotonic"), boot),
        inactive_enter=_parse_timestamp(b.get("InactiveEnterTimestampMonotonic"), boot),
        state_change=_parse_timestamp(b.get("StateChangeTimestampMonotonic"), boot),
        start_limit_burst=_int(b.get("StartLimitBurst")),
        start_limit_interval=timespan(b.get("StartLimitIntervalUSec", "")),
        restart_delay=timespan(b.get("RestartUSec", "")), triggered_by=tuple(b.get("TriggeredBy", "").split()),
        memory_max=_parse_limit(b.get("MemoryMax")) or _parse_limit(b.get("MemoryLimit")),
        tasks_max=_parse_limit(b.get("TasksMax")),
        control_group=b.get("ControlGroup", ""), listen=tuple(_listen_addresses(b.get("Listen", ""))),
        pre=tuple(_pre_commands(b.get("ExecStartPre", ""))),
        nofile_limit=_int(b.get("LimitNOFILESoft")), cpu_limit=_parse_cpus(b.get("CPUQuotaPerSecUSec", "")),
        conflicts=tuple(name for key in ("Conflicts", "ConflictedBy") for name in b.get(key, "").split()
                        if not name.endswith(".target")),
        pulled_by=_pulled_by(b), job=_int(b.get("Job")),
    )


def _pulled_by(b: Mapping[str, str]) -> tuple[str, ...] | None:
    if "WantedBy" not in b:
        return None
    return tuple(name for key in (*_PULL_PROPERTIES, "TriggeredBy") for name in b.get(key, "").split())


def _int(text: str | None) -> int:
    return int(text) if text is not None and is_number(text.removeprefix("-")) else 0


def _parse_limit(text: str | None) -> int:
    """Parse a limit; 0 for none (`infinity`, or the largest number)."""
    number = _int(text)
    return number if number < 1 << 62 else 0


def _parse_cpus(text: str) -> float:
    """Parse a CPU quota per second: `500ms` is half a CPU; 0.0 for `infinity`."""
    share = timespan(text)
    return 0.0 if share == float("inf") else share


def _parse_timestamp(text: str | None, boot: float) -> float:
    micros = _int(text)
    return boot + micros / 1e6 if micros else 0.0


def _env_files(text: str) -> Iterator[str]:
    """Yield the paths of EnvironmentFiles=, with a `-` before optional ones, as in a unit file."""
    for match in _ENVIRONMENT_FILE.finditer(text):
        yield ("-" if match[2] == "yes" else "") + match[1]


def _pre_commands(text: str) -> Iterator[PreCommand]:
    """Yield each ExecStartPre= with its last outcome; `code=(null)` before its first run."""
    for line in text.split("\n"):
        match = _PRE.search(line)
        if match:
            yield PreCommand(match[1], match[2] if match[2] != "(null)" else "", int(match[3]))


def _listen_addresses(text: str) -> Iterator[str]:
    """Yield the stream addresses of `Listen=127.0.0.1:8000 (Stream)`; others carry no HTTP."""
    for line in text.split("\n"):
        address, found, kind = line.strip().rpartition(" (")
        if found and kind == "Stream)":
            yield address


def packaged_unit_path(name: str) -> str:
    """Return the path of a package's unit file, which a mask hides."""
    return f"/usr/lib/systemd/system/{name}"


_STARTABLE_STATES = ("enabled", "disabled", "generated")  # generated: from an init script


def startable_services(answer: Answer | None) -> tuple[str, ...]:
    """Return the services of `systemctl list-unit-files` that can be started, without templates."""
    _, _, files = (answer.data if answer is not None else b"").decode("utf-8", "replace").partition("--\n")
    return tuple(sorted(
        row[0] for row in map(str.split, _lines(files))
        if len(row) > 1 and row[0].endswith(".service") and "@." not in row[0] and row[1] in _STARTABLE_STATES
    ))


def exec_argv(text: str) -> tuple[str, ...]:
    """Return argv[] of `ExecStart={ path=… ; argv[]=… ; ignore_errors=… }`; systemd prints it unquoted."""
    match = _ARGV.search(text)
    return tuple(match[1].split()) if match else ()


# Escaping of instance names, as in systemd-escape(1). Pure.
_BYTE = regex(r"\\x([0-9a-fA-F]{2})")


def escape_instance(text: str) -> str:
    """Return the instance name (`%i`) whose `%I` is this text."""
    return "".join(
        c if (c.isascii() and (c.isalnum() or c in ":_")) or (c == "." and at) else "-" if c == "/"
        else "".join(f"\\x{byte:02x}" for byte in c.encode("utf-8", "surrogateescape"))
        for at, c in enumerate(text)
    )


def unescape_instance(instance: str) -> str:
    """Return the `%I` of an instance name."""
    return _BYTE.sub(lambda m: chr(int(m[1], 16)), instance.replace("-", "/")).encode("latin-1", "replace").decode(
        "utf-8", "surrogateescape")
