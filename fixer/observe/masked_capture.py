"""The capture without what no cause reads: what a bundle holds."""

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
    ReadTree,
)
from fixer.observe.view.node_view import MOST_BOOT_FILES, MOST_PROGRAM_FILES, PEEK_BYTES, UNIT_FILES
from fixer.redaction.all_files import (
    redact_boot,
    redact_bytes,
    redact_cmdline,
    redact_config,
    redact_file,
    redact_inspect,
    redact_journal,
    redact_kept_answer,
    redact_logs,
    redact_manager_file,
    redact_probe,
    redact_rules,
    redact_unit,
)
from fixer.redaction.allowed import row
from fixer.redaction.known_names import hosts_of_capture, words_of_capture
from fixer.redaction.masks import Masks
from fixer.redaction.nginx_words import redact_nginx, server_names
from fixer.redaction.secrets import redact_text

_KERNEL_LINE = row("KERNEL_LINE")


def _redact_kernel_log(data: bytes) -> bytes:
    """Return the lines of the kernel log that a diagnosis reads; drop the rest."""
    kept = [line for line in data.splitlines(keepends=True) if _KERNEL_LINE.search(line.decode("latin-1"))]
    return redact_bytes(b"".join(kept))


_REDACT_BY_COMMAND: dict[str, Callable[[bytes, Masks], bytes]] = {
    "systemctl-show": redact_unit,
    "kernel-log": lambda data, masks: _redact_kernel_log(data),
    "nft-rules": lambda data, masks: redact_rules(data),
    "docker-project": redact_inspect, "docker-container": redact_inspect, "docker-published": redact_inspect,
    "docker-called": redact_inspect, "journal": redact_journal, "docker-logs": redact_logs,
}


def redact_capture(capture: Capture) -> Capture:
    """Return the capture with its secrets redacted, so that it can leave the machine."""
    accepted = (replace(e, because=redact_text(e.because), where=redact_text(e.where)) for e in capture.accepted)
    masks = Masks(_server_names(capture), words_of_capture(capture), hosts_of_capture(capture))
    mounted = _nginx_files(capture)
    nodes = tuple(_redact_node(node, masks, mounted) for node in capture.nodes)
    options = tuple((name, masks.address_parts(value) if name == "url" else value) for name, value in capture.options)
    return replace(capture, nodes=nodes, accepted=tuple(accepted), said=tuple(map(redact_text, capture.said)),
                   options=options)


def _server_names(capture: Capture) -> frozenset[str]:
    """Return the names of upstream blocks and the like in all files: one file names what another one holds."""
    files = {file.data for node in capture.nodes for answer in node.answers.values() for file in answer.files}
    return frozenset(name for data in files for name in server_names(data))


def _redact_node(node: NodeCapture, masks: Masks, mounted: frozenset[bytes]) -> NodeCapture:
    answers = {_redact_query(query, masks): _redact_answer(query, answer, masks, mounted)
               for query, answer in node.answers.items()}
    return replace(node, answers=answers)


def _redact_query(query: Query, masks: Masks) -> Query:
    """Redact a question as the configuration that it was made from: a reader of the bundle makes the same one."""
    if isinstance(query, Probe) and query.path is not None:
        return replace(query, path=masks.address_parts(query.path))
    return query


def _nginx_files(capture: Capture) -> frozenset[bytes]:
    """Return what an nginx reads: a mounted file is the same one for the node that holds it."""
    return frozenset(file.data for node in capture.nodes for query, answer in node.answers.items()
                     if isinstance(query, ReadTree) and query.limit != PEEK_BYTES for file in answer.files if file.data)


def _redact_answer(query: Query, answer: Answer, masks: Masks, mounted: frozenset[bytes]) -> Answer:
    """Redact an answer by the kind of its query."""
    match query:
        case Command():
            return _redact_output(query, answer, masks)
        case Probe():
            return replace(answer, data=redact_probe(answer.data, masks))
        case ListSockets():
            return answer
        case _:
            return replace(answer, files=tuple(
                replace(file, data=_redact_read(query, file, masks, mounted)) if file.data else file
                for file in answer.files
            ))


def _redact_output(query: Command, answer: Answer, masks: Masks) -> Answer:
    mask = _REDACT_BY_COMMAND.get(query.name)
    shown = mask(answer.data, masks) if mask is not None else redact_bytes(answer.data)
    return replace(answer, data=shown, stderr=redact_logs(answer.stderr, masks))


def _redact_read(query: Query, file: FileAnswer, masks: Masks, mounted: frozenset[bytes]) -> bytes:
    """Redact a file by the query that read it: that says what it is to a diagnosis."""
    path, data = file.path, file.data
    match query:
        case ReadFile() if data in mounted:
            return redact_nginx(data, masks)
        case ListProcesses():
            return redact_cmdline(data, masks) if path.endswith("/cmdline") else data
        case ReadFile() if query.tail:
            return redact_logs(data, masks)
        case ReadFile():
            return data if path == "/etc/hosts" else redact_file(path, data, masks)
        case ReadGlob() if query.max_files == MOST_PROGRAM_FILES:
            return redact_manager_file(path, data, masks)
        case ReadGlob() if query.max_files == MOST_BOOT_FILES:
            return redact_boot(path, data, masks)
        case ReadTree() if query.limit == PEEK_BYTES:
            return redact_kept_answer(data, masks)
        case ReadGlob() if query.limit == PEEK_BYTES:
            return redact_file(path, data, masks)
        case _ if query == UNIT_FILES:
            return redact_unit(data, masks)
        case _:
            return redact_config(path, data, masks)
