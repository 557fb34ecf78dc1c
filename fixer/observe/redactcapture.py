"""A whole capture with its secrets masked, so that it can be saved and handed on; what a diagnosis needs stays."""

from __future__ import annotations

from collections.abc import Callable

from fixer.lazy.dataclass import replace
from fixer.model.capture import Capture, NodeCapture
from fixer.model.query import (
    Answer,
    Command,
    FileAnswer,
    ListProcesses,
    ListSockets,
    Probe,
    Query,
    ReadFile,
    ReadGlob,
)
from fixer.observe.view.node_view import LOOK, PROGRAM_FILES, STARTER_FILES, UNIT_FILES
from fixer.redaction.all_files import (
    redact_bytes,
    redact_cmdline,
    redact_file,
    redact_inspect,
    redact_probe,
    redact_program,
    redact_rules,
    redact_script,
    redact_unit,
)
from fixer.redaction.redactnginx import redact_nginx
from fixer.redaction.secrets import redact_text


def _only_kills(data: bytes) -> bytes:
    """Of the kernel's log what a diagnosis reads; the rest is nobody's matter."""
    kept = [line for line in data.splitlines(keepends=True) if b"oom-kill:" in line or b"Killed process" in line]
    return redact_bytes(b"".join(kept))


_BY_COMMAND: dict[str, Callable[[bytes], bytes]] = {
    "kernel-log": _only_kills, "nft-rules": redact_rules,
    "systemctl-show": redact_unit, "docker-project": redact_inspect, "docker-container": redact_inspect,
    "docker-published": redact_inspect, "docker-called": redact_inspect,
}


def redact(capture: Capture) -> Capture:
    """The capture as it may leave the machine."""
    accepted = (replace(e, because=redact_text(e.because), where=redact_text(e.where)) for e in capture.accepted)
    return replace(capture, nodes=tuple(_node(node) for node in capture.nodes), accepted=tuple(accepted),
                   said=tuple(map(redact_text, capture.said)))


def _node(node: NodeCapture) -> NodeCapture:
    return replace(node, answers={query: _answer(query, answer) for query, answer in node.answers.items()})


def _answer(query: Query, answer: Answer) -> Answer:
    """What each kind of answer may hold."""
    match query:
        case Command():
            mask = _BY_COMMAND.get(query.name, redact_bytes)
            return replace(answer, data=mask(answer.data), stderr=redact_bytes(answer.stderr))
        case Probe():
            return replace(answer, data=redact_probe(answer.data))
        case ListSockets():
            return answer
        case ListProcesses():
            return _files(answer, lambda f: redact_cmdline(f.data) if f.path.endswith("/cmdline") else f.data)
        case ReadFile() if query.tail:
            return _files(answer, lambda f: redact_bytes(f.data))
        case ReadFile():
            return _files(answer, lambda f: f.data if f.path == "/etc/hosts" else redact_file(f.path, f.data))
        case ReadGlob() if query.max_files == PROGRAM_FILES:
            return _files(answer, lambda f: redact_program(f.data))
        case ReadGlob() if query.max_files == STARTER_FILES:
            return _files(answer, lambda f: redact_script(f.data))
        case ReadGlob() if query.limit == LOOK:
            return _files(answer, lambda f: redact_file(f.path, f.data))
        case _ if query == UNIT_FILES:
            return _files(answer, lambda f: redact_unit(f.data))
        case _:
            return _files(answer, lambda f: redact_nginx(f.data))


def _files(answer: Answer, mask: Callable[[FileAnswer], bytes]) -> Answer:
    return replace(answer, files=tuple(replace(f, data=mask(f)) if f.data else f for f in answer.files))
