"""What is fuzzed: everything that reads bytes of others, with seeds to start from and what must hold of any input."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from random import Random

from fixer.diagnose.run_causes import diagnose
from fixer.errors import FixerError
from fixer.formats import (
    env_file,
    ini_file,
    process_table,
    service_log,
    shell_words,
    socket_tables,
    systemctl_show,
    yaml_spans,
)
from fixer.formats.env_file import read_unit_env_file
from fixer.formats.name_files import parse_hosts
from fixer.formats.server_bindings import bindings_in_python
from fixer.formats.wrapper_scripts import read_script
from fixer.lazy.parse_cache import _cache
from fixer.model.capture import Capture
from fixer.model.facts import Known
from fixer.model.query import Answer, Command, FileAnswer, ListProcesses, ListSockets, Query
from fixer.nginx.config import read_config
from fixer.nginx.error_kinds import KINDS
from fixer.nginx.error_log import parse_error_log, parse_test_output
from fixer.nginx.lexer import tokenize
from fixer.nginx.span_edit import EditRefused, insert_after, replace_span
from fixer.nginx.tree import parse
from fixer.observe import script_bundle
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.evidence_bundle import FORMAT, INDEX, pack_bundle, unpack_bundle
from fixer.observe.kernel import packet_filters
from fixer.observe.masked_capture import redact_capture
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.supervisord import supervisord_log
from fixer.observe.view import docker_inspect
from fixer.observe.view.observe_options import options_from
from fixer.planner import RepairPolicy, plan
from fixer.redaction import all_files, secrets
from fixer.render import to_console, to_html, to_json, to_markdown
from fixer.render.build_report import build_report
from fixer.render.terminal_text import Style
from tests.fuzz.mutate_bytes import mutate
from tests.nginx.golden_cases import CASES, MAIN, files_of
from tests.observe.capture_builders import DATA, NOW, recorded_capture

CORPUS = Path(__file__).parent / "corpus"
Run = Callable[[bytes, Random], None]


@dataclasses.dataclass(frozen=True, slots=True)
class FuzzTarget:
    """`run` takes one input and raises where something that must hold does not. `share` of 1000 inputs go here."""

    name: str
    seeds: Callable[[], list[bytes]]
    run: Run
    share: int


def _configs() -> list[bytes]:
    return [data for case in sorted(CASES.glob("*.conf")) for data in files_of(case).values()]


def _lexer(data: bytes, random: Random) -> None:
    tokens, problems = tokenize(data)
    at = 0
    for token in tokens:
        assert at <= token.start <= token.end <= len(data), token
        at = token.end
    assert all(0 <= problem.at <= len(data) for problem in problems)
    parse(data)
    parse(data, thorough=True)


def _config(data: bytes, random: Random) -> None:
    part = b"include /etc/nginx/conf.d/*.conf;"
    half = len(data) // 2
    files = {MAIN: data} if random.random() < 0.5 else {MAIN: b"http {" + part + b"}", "/etc/nginx/conf.d/a.conf": data[:half],
                                                         "/etc/nginx/conf.d/b.conf": data[half:]}
    config = read_config(files, MAIN)
    for route in config.routes:
        for server in route.servers:
            if server.span.start is not None and server.span.end is not None:
                assert 0 <= server.span.start <= server.span.end <= len(files[server.span.file])


def _edit(data: bytes, random: Random) -> None:
    """Only the bytes of the span change, and the inverse edit gives the file back; or nothing at all."""
    tokens = tokenize(data)[0]
    if not tokens:
        return
    token = random.choice(tokens)
    start = random.randint(token.start, token.end)
    end = random.randint(start, token.end)
    new = random.choice((b"127.0.0.1:8001", b"x", b"", b"a b", b"$x", b"{", b"'", b"unix:/run/x.sock", bytes(random.randbytes(3))))
    try:
        edited = replace_span(data, start, end, new)
    except EditRefused:
        pass
    else:
        assert edited == data[:start] + new + data[end:]
        assert [t.kind for t in tokenize(edited)[0]] == [t.kind for t in tokens]
        assert replace_span(edited, start, start + len(new), data[start:end]) == data if data[start:end].isalnum() else True
    try:
        more = insert_after(data, token.end, b"proxy_read_timeout 60s;")
    except EditRefused:
        return
    assert len(tokenize(more)[0]) == len(tokens) + 3


def _error_log(data: bytes, random: Random) -> None:
    for event in parse_error_log(data, where="/var/log/nginx/error.log", utc_offset=3600.0, cut=random.random() < 0.3):
        assert event.kind in KINDS
        assert '"' not in event.upstream and not any(c.isspace() for c in event.upstream)
    parse_test_output(data.decode("utf-8", "replace"))


def _run_parser(parser: Callable[[Answer], object]) -> Run:
    return lambda data, random: _exhaust(parser(Answer("ok", data)))


def _exhaust(value: object) -> None:
    if isinstance(value, Iterator):
        list(value)


def _logs(data: bytes, random: Random) -> None:
    answer = Answer("ok", data, stderr=data[::2])
    service_log.parse_journal(answer, "a.service")
    service_log.parse_docker_logs(answer, "a")
    service_log.parse_log_file(Answer("ok", b"", (FileAnswer("/x", "ok", None, data),)), "/x", 0.0)
    events = supervisord_log.parse_supervisord_log(data, 0.0)
    supervisord_log.history_of(["shop"], events, NOW)


def _firewall(data: bytes, random: Random) -> None:
    texts = packet_filters.parse_rule_texts(data.decode("utf-8", "replace"))
    packet_filters.parse_nft(data, texts)
    _exhaust(packet_filters.parse_saved(data.decode("utf-8", "replace"), random.choice(("iptables", "ip6tables"))))


def _texts(data: bytes, random: Random) -> None:
    text = data.decode("utf-8", "surrogateescape")
    read_script(text, "/x", {}, {"/x": data})
    shell_words.systemd_words(text)
    shell_words.shell_words(text)
    env_file.read_env_file("/x", data)
    read_unit_env_file("/x", data)
    ini_file.ini_sections("/x", data)
    parse_hosts(data)
    bindings_in_python("/x.py", data, {})
    yaml_spans.parse_yaml(data)


def _secrets(data: bytes, random: Random) -> None:
    text = data.decode("utf-8", "replace")
    assert secrets.redact_text(text).count("\n") == text.count("\n")
    assert secrets.printable(text).replace("\t", "").isprintable()
    for name in ("redact_bytes", "redact_env_file", "redact_script", "redact_unit", "redact_program", "redact_yaml", "redact_nginx",
                 "redact_inspect", "redact_cmdline", "redact_probe"):
        getattr(all_files, name)(data)


def _script_bundle(data: bytes, random: Random) -> None:
    with contextlib.suppress(FixerError):
        script_bundle.load_script_bundle(data)


@cache
def _captures() -> tuple[Capture, Capture]:
    return recorded_capture("machine"), recorded_capture("compose")


def _index_of(name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO((DATA / f"{name}.tgz").read_bytes()), mode="r:gz") as tar:
        held = tar.extractfile(INDEX)
        assert held is not None
        return held.read()


def _bundle(data: bytes, random: Random) -> None:
    """A bundle whose index is anything: read, or refused in words."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as tar:
        info = tarfile.TarInfo(INDEX)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
        for number in range(4):
            info = tarfile.TarInfo(f"blobs/{number:05}")
            info.size = 3
            tar.addfile(info, io.BytesIO(b"x y"))
    packed = out.getvalue()
    if random.random() < 0.2:
        packed = mutate(random, [packed])
    try:
        capture = unpack_bundle(packed)
    except FixerError:
        return
    run_pipeline(capture)


def _mutate_answer(answer: Answer, random: Random) -> Answer:
    if answer.files and random.random() < 0.8:
        files = list(answer.files)
        at = random.randrange(len(files))
        if random.random() < 0.1:
            del files[at]
        else:
            files[at] = dataclasses.replace(files[at], data=mutate(random, [files[at].data or b"x"]))
        return dataclasses.replace(answer, files=tuple(files))
    match random.randrange(10):
        case 0:
            return Answer(random.choice(("failed", "denied", "no-tool", "timeout", "absent")), message="\x1b[31mx")  # type: ignore[arg-type]
        case _:
            return dataclasses.replace(answer, data=mutate(random, [answer.data or b"{}"]))


def _answers(data: bytes, random: Random) -> None:
    """Real captures with some answers made worse, through everything up to the last byte on a terminal."""
    capture = random.choice(_captures())
    nodes = []
    for node in capture.nodes:
        changed: dict[Query, Answer] = dict(node.answers)
        for query in random.sample(list(changed), min(len(changed), random.choice((1, 1, 1, 2, 4)))):
            changed[query] = _mutate_answer(changed[query], random)
        nodes.append(dataclasses.replace(node, answers=changed))
    run_pipeline(dataclasses.replace(capture, nodes=tuple(nodes)))


def _tables(data: bytes, random: Random) -> None:
    """Process and socket tables alone, which are cheap."""
    capture = random.choice(_captures())
    node = random.choice([n for n in capture.nodes if ListProcesses() in n.answers])
    process_table.parse_processes(_mutate_answer(node.answers[ListProcesses()], random), node.now)
    answer = _mutate_answer(node.answers[ListSockets()], random)
    socket_tables.parse_sockets(answer, node.name)
    socket_tables.parse_connections(answer)


def run_pipeline(capture: Capture) -> None:
    """From a capture to every kind of output; none may hold a raw control character."""
    _cache.clear()
    try:
        seen = build_snapshot(capture)
        follow_up_queries(capture, options_from(capture.options))
        found = diagnose(seen)
    except FixerError:
        return
    plan(found, RepairPolicy("disruptive"))
    report = build_report(seen, found, duration_ms=1.0)
    for text in (to_console.render(report, verbose=True), to_console.render(report, Style(symbols=True)), to_markdown.render(report), to_html.render(report),
                 to_json.render(report)):
        assert all(c.isprintable() or c == "\n" for c in text), repr(next(c for c in text if not c.isprintable() and c != "\n"))
    json.loads(to_json.render(report))
    unpack_bundle(pack_bundle(redact_capture(capture)))


def _recorded_seeds(kind: type, *names: str) -> Callable[[], list[bytes]]:
    def seeds() -> list[bytes]:
        found = [a.data for c in _captures() for n in c.nodes for q, a in n.answers.items()
                 if a.data and isinstance(q, kind) and (not names or getattr(q, "name", "") in names)]
        return found or [b"{}"]

    return seeds


def _texts_seeds() -> list[bytes]:
    files = [f.data for c in _captures() for n in c.nodes for a in n.answers.values() for f in a.files if f.data and len(f.data) < 1 << 14]
    return [data for data in dict.fromkeys(files) if not data.startswith(b"\x7f")]


def _error_logs() -> list[bytes]:
    files = [f.data for c in _captures() for n in c.nodes for a in n.answers.values() for f in a.files if b"[error]" in f.data]
    return [b"\n".join(data.split(b"\n")[-8:]) for data in files]


def _script_bundles() -> list[bytes]:
    return [gzip.decompress((CORPUS / "script.gz").read_bytes())]


def _rulesets() -> list[bytes]:
    return [(DATA / name).read_bytes() for name in ("ruleset.json", "ruleset.txt", "iptables-save.txt")]


TARGETS: tuple[FuzzTarget, ...] = (
    FuzzTarget("lexer", _configs, _lexer, 300),
    FuzzTarget("config", _configs, _config, 50),
    FuzzTarget("edit", _configs, _edit, 50),
    FuzzTarget("error-log", _error_logs, _error_log, 220),
    FuzzTarget("units", _recorded_seeds(Command, "systemctl-show"), lambda data, _: _exhaust(systemctl_show.parse_show(Answer("ok", data), Known(NOW - 1000))), 110),
    FuzzTarget("inspect", _recorded_seeds(Command, "docker-container", "docker-project"), _run_parser(docker_inspect.parse_inspect), 90),
    FuzzTarget("logs", _recorded_seeds(Command, "journal", "docker-logs"), _logs, 80),
    FuzzTarget("firewall", _rulesets, _firewall, 80),
    FuzzTarget("texts", _texts_seeds, _texts, 20),
    FuzzTarget("secrets", _texts_seeds, _secrets, 20),
    FuzzTarget("tables", lambda: [b""], _tables, 30),
    FuzzTarget("script-bundle", _script_bundles, _script_bundle, 3),
    FuzzTarget("bundle", lambda: [_index_of("machine"), _index_of("compose"), json.dumps({"format": FORMAT}).encode()], _bundle, 5),
    FuzzTarget("answers", lambda: [b""], _answers, 2),
)
BY_NAME = {target.name: target for target in TARGETS}
