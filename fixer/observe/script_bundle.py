"""Output of a collect script as a capture: its answers, and the foreseen answer for each later query."""

from __future__ import annotations

import json
import zlib

from fixer import __version__
from fixer.errors import CannotObserve
from fixer.formats.numbers import is_number
from fixer.hosts.collect_script import COLLECT_HEADER, build_collect_script
from fixer.hosts.machine import probe_protocol, query_commands
from fixer.hosts.machine.state_root import IGNORE_LIST_FILE, POLICY, ROOT_STATE, target_folder
from fixer.hosts.sh.round_answers import RoundOutput
from fixer.hosts.sh.round_output import Frame, split_frames
from fixer.hosts.sh.round_script import build_round_script
from fixer.lazy.dataclass import replace
from fixer.model.capture import Capture, NodeCapture
from fixer.model.host import CommandResult
from fixer.model.learned import LEARNED_FILE
from fixer.model.query import Answer, Command, FileAnswer, Probe, Query, ReadFile, ReadGlob
from fixer.model.target import TargetRef
from fixer.observe.boot.boot_entries import BOOT_ENTRY_FILES
from fixer.observe.evidence_bundle import MAX_UNPACKED_BYTES, query_from_json, query_json
from fixer.observe.kernel.network_tables import ARP, FIB, LOOPBACK
from fixer.observe.kernel.oom_log import KERNEL_LOG, UPTIME
from fixer.observe.kernel.packet_filters import firewall_queries
from fixer.observe.kernel.security_modules import policy_queries
from fixer.observe.next_queries import first_queries, follow_up_queries
from fixer.observe.supervisord.supervisord_config import DEFAULT_CONF
from fixer.observe.view.node_view import MOST_PROGRAM_FILES
from fixer.observe.view.observe_options import ObserveOptions
from fixer.redaction.secrets import MASKED_NAME_PARTS

NODE = "local"
ASKED_ONCE = "not in the bundle: the collect script reads only once"
_LOCAL_ADDRESSES = ("127.0.0.1", "::1", "localhost", "0.0.0.0", "::")  # noqa: S104  addresses that were read
_STATE_FOLDER = target_folder(ROOT_STATE, TargetRef("local", ""))
_LEARNED_PATH = f"{_STATE_FOLDER}/{LEARNED_FILE}"
# operator files of that machine
OPERATOR_FILES = (ReadFile(f"{_STATE_FOLDER}/{IGNORE_LIST_FILE}"), ReadFile(POLICY))


# Read because units may name them; as a glob of a capture they would count as nginx's files.
_LOG_GROUPS = ("glater", "gout", "gsup", "grclog", "gtold")     # in which the script may have read the end of a log
_OPENRC_FOLDERS = ("/run/openrc/", "/etc/init.d/")
_DEFAULT_FILES = ReadGlob(("/etc/default/*",), 1 << 16, 100)


def script_text() -> str:
    """Return the program that `collect --script` prints."""
    queries: list[Query] = [
        *first_queries(NODE, "machine", TargetRef("local", "")), ReadFile(_LEARNED_PATH), *OPERATOR_FILES,
        ReadFile(DEFAULT_CONF),
        ReadGlob(("/etc/supervisor/conf.d/*.conf",), max_files=MOST_PROGRAM_FILES), Command("systemctl-units"),
        Command("systemctl-jobs"), _DEFAULT_FILES, *firewall_queries(), *policy_queries(()), FIB, ARP, LOOPBACK,
        KERNEL_LOG, UPTIME, BOOT_ENTRY_FILES,
    ]
    unique = list(dict.fromkeys(queries))
    agent = f"badgateway/{__version__}"
    words = MASKED_NAME_PARTS.replace("(?:", "(")
    return build_collect_script(unique, [query_json(q) for q in unique], secret_words=words, agent=agent)


def is_script_bundle(data: bytes) -> bool:
    """Return whether a file is the output of such a script."""
    return _decompress_start(data, len(COLLECT_HEADER) + 1) == COLLECT_HEADER.encode() + b"\n"


def _decompress_start(data: bytes, most: int) -> bytes:
    if data[:2] != b"\x1f\x8b":
        return data[:most]
    try:
        return zlib.decompressobj(31).decompress(data, most)
    except zlib.error:
        return b""


def load_script_bundle(data: bytes) -> Capture:
    """Return the capture; raise CannotObserve if the file is damaged."""
    return _read_run(data).capture()


def _read_run(data: bytes) -> _ScriptRun:
    try:
        raw = _decompress(data)
        _, header, output = raw.split(b"\n", 2)
        described = json.loads(header)
        queries = [query_from_json(item) for item in described["queries"]]
        nonce, prefix = str(described["nonce"]).encode(), str(described["prefix"]).encode()
    except (ValueError, KeyError, TypeError, EOFError, OSError, RecursionError, zlib.error) as error:
        raise CannotObserve(f"the file is not a bundle, or it is damaged ({type(error).__name__})",
                            "collect again with the script that fixer collect --script prints") from None
    asked = replace(build_round_script(queries), nonce=nonce, prefix=prefix)
    return _ScriptRun(asked, b"\n" + output, nonce)


def _decompress(data: bytes) -> bytes:
    if data[:2] != b"\x1f\x8b":
        return data
    text = zlib.decompressobj(31).decompress(data, MAX_UNPACKED_BYTES + 1)
    if len(text) > MAX_UNPACKED_BYTES:
        raise ValueError("too big")
    return text


class _ScriptRun:
    """The output of one run of the script."""

    def __init__(self, asked: object, output: bytes, nonce: bytes) -> None:
        self._round = RoundOutput(asked, output)      # type: ignore[arg-type]
        if not self._round.has_started:
            raise CannotObserve("the collect script ended before it collected anything", "run it as root, with sh")
        self._items, self._ended = split_frames(output, nonce)
        self._options = ObserveOptions(learned=_LEARNED_PATH)
        self._defaults: dict[str, FileAnswer] = {}

    def capture(self) -> Capture:
        """Return its answers and those to all later queries, until no query is left."""
        clock = self._round.clock(0.0)
        answers = dict(self._round.answers())
        defaults = answers.pop(_DEFAULT_FILES, None)
        self._defaults = {file.path: file for file in defaults.files} if defaults is not None else {}
        notes: tuple[str, ...] = ("written by a collect script, which reads only once",)
        if not self._ended:
            notes = (*notes, "the collect script was interrupted before its end")
        node = NodeCapture(NODE, "machine", clock.now, clock.root, answers, clock.utc_offset)
        for _ in range(6):
            made = Capture(TargetRef("local", ""), (node,), notes, self._options.pairs())
            asked = follow_up_queries(made, self._options).get(NODE, [])
            if not asked:
                return made
            answers |= {query: self._answer(query) for query in asked}
            node = replace(node, answers=dict(answers))
        return Capture(TargetRef("local", ""), (node,), notes, self._options.pairs())

    def _answer(self, query: Query) -> Answer:
        match query:
            case Command("journal", (unit, _, *_)):
                return self._output(("journal", unit))
            case Command("nginx-test"):
                return self._nginx_test()
            case Command("resolve", names):
                return self._resolved(names)
            case Probe():
                return self._probe(query)
            case ReadFile(path) if query.tail:
                return self._round.dynamic_file(_LOG_GROUPS, path, query.limit, tail=True)
            case ReadFile(path) if path in self._defaults:
                file = self._defaults[path]
                return Answer(file.status, files=(file,))
            case ReadFile(path):
                return self._round.dynamic_file(("gtold", "grc", "glook"), path, query.limit, tail=False)
            case ReadGlob(patterns) if query.max_files == MOST_PROGRAM_FILES:
                of_openrc = any(pattern.startswith(_OPENRC_FOLDERS) for pattern in patterns)
                name, limit = ("grc", query.limit) if of_openrc else ("gsup", None)
                return self._round.dynamic_glob(name, patterns, limit)
            case _:
                return Answer("failed", message=ASKED_ONCE)

    def _find(self, kind: str, *words: str) -> Frame | None:
        return next((i for i in self._items if i.header[: 1 + len(words)] == (kind, *words)), None)

    def _output(self, words: tuple[str, str]) -> Answer:
        kind, name = words
        item = self._find(kind, "out", name)
        return Answer("failed", message=ASKED_ONCE) if item is None else Answer("ok", item.data, returncode=0)

    def _nginx_test(self) -> Answer:
        said, end = self._find("nginx-test", "out"), self._find("nginx-test", "end")
        if said is None or end is None or not is_number(end.header[-1]):
            return Answer("failed", message=ASKED_ONCE)
        return Answer("ok", b"", returncode=int(end.header[-1]), stderr=said.data)

    def _resolved(self, names: tuple[str, ...]) -> Answer:
        results = [self._find("resolve", "out", name) for name in names]
        if any(item is None for item in results):
            return Answer("failed", message=ASKED_ONCE)
        said = [item.data if item is not None else b"" for item in results]
        return query_commands.resolve_answer(names,
                                             [CommandResult(("getent",), 0 if d.strip() else 2, d, b"") for d in said])

    def _probe(self, probe: Probe) -> Answer:
        if probe.unix is not None or probe.tls or probe.proxy_protocol or probe.host not in _LOCAL_ADDRESSES:
            return Answer("failed", message=ASKED_ONCE)
        for item in self._items:
            if item.header[:1] == ("spec",) and len(item.header) == 5 and _is_same_request(probe, item.header):
                done = self._find("probe", "done", item.header[1])
                if done is not None and len(done.header) >= 4:
                    outcome = probe_protocol.probe_outcome(probe, done.header[3:], done.data)
                    if probe.uwsgi and outcome["phase"] != "connect":       # the script asks by HTTP: no answer counts
                        outcome |= {"phase": "done", "errno": None, "error": None, "status": None}
                    return Answer("ok", json.dumps(outcome).encode())
        return Answer("failed", message=ASKED_ONCE)


def _is_same_request(probe: Probe, words: tuple[str, ...]) -> bool:
    """Return whether it is the same request; a connect matches any request to the same port, as does one by uwsgi."""
    _, _, port, path, host = words
    if str(probe.port) != port:
        return False
    return probe.path is None or probe.uwsgi or (probe.path == path and (probe.host_header or "localhost") == host)

