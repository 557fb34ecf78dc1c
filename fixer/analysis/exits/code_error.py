"""Errors in code or command that end a program at its start: the log line, and the file and line at fault."""

from __future__ import annotations

import builtins
import posixpath
from collections.abc import Sequence
from typing import Literal, TypeAlias

from fixer.analysis.run_log import RunEnd, message_of
from fixer.formats.application_servers import APPLICATION_SERVERS, WORKER_BOOT_FAILED
from fixer.formats.file_errors import (
    inaccessible_path,
    inaccessible_path_at,
    inaccessible_tls_at,
    last_frame,
    loads_tls,
)
from fixer.formats.run_output import (
    TRACEBACK_START,
    ends_run_at,
    joins_exceptions,
    may_be_of_dependency,
    speaks_of_connection,
)
from fixer.formats.server_bindings import inherited_descriptor
from fixer.formats.server_names import SERVERS
from fixer.formats.start_files import target_of
from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.regex import regex, up_to_first
from fixer.model.snapshot import LogLine

CodeFaultKind: TypeAlias = Literal["import", "syntax", "target", "server", "tls", "option", "value",
                                    "descriptor", "own", "raised"]

_MAX_TRACE_LINES = 60              # lines before an exception that can be its traceback
_MAX_MESSAGE_LINES = 12            # lines from an exception's name to the next traceback of its chain
_PACKAGES = frozenset(server.package for server in APPLICATION_SERVERS.values()) - {""}
_TARGETS = (
    regex(r"Error loading ASGI app\. (?:Could not import module|Import string) \"(?P<name>[^\"]+)\""),
    regex(r"Error loading ASGI app\. Attribute \"(?P<name>[^\"]+)\" not found in module \"(?P<module>[^\"]+)\""),
    regex(r"Failed to find attribute '(?P<name>[^']+)' in '(?P<module>[^']+)'"),
    regex(r"Cannot load application from '(?P<name>[^']+)'"),
    regex(r"^Error: (?:Could not import|While importing) '(?P<name>[^']+)'"),                        # flask
    regex(r"^Error: Failed to find (?:a )?Flask application or factory in module '(?P<name>[^']+)'"),
)
_UWSGI_LOAD_ERROR = regex(r"^unable to load app \d+ \(mountpoint='[^']*'\) \(callable not found or import error\)")
_UWSGI_START = regex(r"^(?:\*\*\* Starting uWSGI|Python main interpreter initialized)")
# waitress shows no traceback
_WAITRESS_IMPORT_ERROR = regex(r"^There was an exception \((?P<type>\w+)\) importing your module\.")
_WAITRESS_ARGUMENT = regex(r"^1\. (?P<text>.+)$")
_NO_SERVER = regex(r"^\S*(?:python|pypy)[\d.]*t?: (?:No module named|Error while finding module specification for) "
                   r"'?(?P<name>[\w.]+)")
_EXCEPTION = regex(r"^(?P<type>(?:[A-Za-z_]\w*\.)*[A-Z]\w*)(?:: (?P<text>.*))?$")
_NO_MODULE = regex(r"^No module named '?(?P<name>[\w.]+)'?")
_NO_NAME = regex(r"^cannot import name '(?P<name>[^']+)'(?: from '(?P<module>[^']+)')?")
_NODE_MODULE = regex(
    r"^(?:Uncaught )?Error(?: \[ERR_MODULE_NOT_FOUND\])?: Cannot find (?:module|package) '(?P<name>[^']+)'"
)
_FRAME = regex(r"^\s+File \"(?P<file>[^\"]+)\", line (?P<line>\d+)")
_NODE_FILE_LINE = regex(r"^(?P<file>/\S+\.[cm]?[jt]s):(?P<line>\d+)$")
_NODE_STACK = regex(r"^- (?P<file>/\S+)$")
_TRACEBACK = regex(r"Traceback \(most recent call last\)")
_LIBRARY_FILE = regex(r"^[^/]|/(?:site|dist)-packages/|^/usr/(?:local/)?lib/python|/lib/python\d|"
                      rf"/bin/(?:{'|'.join(sorted(SERVERS))})$")
_WORKER_CLASS = regex(r"^\s+worker = self\.worker_class\(")       # a string: gunicorn could not load the class
_NUMBER_FROM_ENV = regex(
    up_to_first(r"\b(?:int|float)\(") + r".*(?:environ(?:\.get)?|getenv)[(\[]\s*[\"'](?P<name>[A-Za-z_]\w*)[\"']")
_FIELD = regex(r"^[A-Za-z_][\w.]*$")       # of a settings class
_NO_SOCKET = regex(r"^\[Errno (?:88|9)\] ")
_WORKER_BOOT_FAILED = regex(WORKER_BOOT_FAILED)
_CODE_EXCEPTIONS = frozenset({
    "NameError", "UnboundLocalError", "AttributeError", "TypeError", "IndexError", "ZeroDivisionError",
    "RecursionError",
})


@dataclass(frozen=True, slots=True)
class CodeFault:
    """What ended the run: its log line, the name in it, and the application's own line that led there."""

    kind: CodeFaultKind
    log_line: LogLine
    text: str              # the line without the prefix of its service manager
    name: str              # the module, the name, the target; empty if none is named
    file: str = ""
    line: int = 0
    code: str = ""         # that line of code, as the traceback quotes it
    boot: LogLine | None = None      # gunicorn's line that it gives up

    @property
    def file_line(self) -> str:
        """`file:line`, empty if the traceback names no file of the application."""
        return f"{self.file}:{self.line}" if self.file and self.line else self.file


def find_code_fault(end: RunEnd, argv: Sequence[str]) -> CodeFault | None:
    """Return the last error of the run, if it is one of code or command and the run never came to serve."""
    if end.served_at >= 0:
        return None            # its error may end one answer only
    for index in end.newest_first():
        read = _parse_line(end, index, argv)
        if read is not None:
            return replace(read, boot=end.last_line(_WORKER_BOOT_FAILED)) if isinstance(read, CodeFault) else None
    return None


def find_raised_error(end: RunEnd) -> CodeFault | None:
    """Return the exception, of whatever kind, that the application raised before it came to serve; None if it may stem
    from a dependency, from the disk or from memory, of which other causes tell."""
    index = next((i for i in end.newest_first() if ends_run_at(end.texts, i)), None) if end.served_at < 0 else None
    match = _EXCEPTION.match(end.texts[index]) if index is not None else None
    if index is None or match is None:
        return None
    text = _with_details(end.texts, index)
    if not tells_of_own_fault(text) or inaccessible_path_at(end.texts, index) is not None:
        return None
    trace = _last_traceback(end.texts[max(0, index - _MAX_TRACE_LINES):index])
    file, line, code = application_frame(trace)
    if _reads_environment(trace):
        return None
    plain = text.removeprefix(match["type"].rpartition(".")[0]).removeprefix(".")
    return CodeFault("raised", end.lines[index], plain, match["type"], file, line, code) if file else None


def tells_of_own_fault(text: str) -> bool:
    """Return whether an exception is of the code, its settings or its data: by its name and words it stems neither from
    a dependency nor from the disk, and not from memory."""
    kind = getattr(builtins, text.partition(":")[0], None)
    if isinstance(kind, type) and issubclass(kind, OSError | MemoryError | KeyboardInterrupt):
        return False
    return not may_be_of_dependency(text) and not speaks_of_connection(text)


def _with_details(texts: Sequence[str], index: int) -> str:
    """Return the exception with the first lines of what it says below: a field and its fault, a place in a file."""
    below = [text for text in texts[index + 1:index + 3] if not text.startswith("Traceback")]
    if below and not below[0].startswith(" ") and not (len(below) > 1 and below[1].startswith("  ")
                                                       and _FIELD.match(below[0])):
        below = []
    said = [text.partition(" [type=")[0].strip() for text in below if text.startswith(" ") or text is below[0]]
    return ": ".join([texts[index], *said])


def _parse_line(end: RunEnd, index: int, argv: Sequence[str]) -> CodeFault | Literal["other"] | None:
    """Return the fault that a line shows; `other` if it shows an end of another kind; None if it shows none."""
    texts, text, said = end.texts, end.texts[index], end.lines[index]
    for pattern in _TARGETS:
        match = pattern.search(text)
        if match is not None:
            module = match.groupdict().get("module")
            return CodeFault("target", said, text, f"{module}:{match['name']}" if module else match["name"])
    match = _NO_SERVER.match(text)
    if match is not None:
        return CodeFault("server" if match["name"].split(".")[0] in _PACKAGES else "import", said, text, match["name"])
    refused = parse_refused_option(text)
    if refused is not None:
        return CodeFault("option", said, refused.said, refused.option or refused.value)
    told = _waitress_fault(said, texts[max(0, index - 5):index], argv) if _WAITRESS_ARGUMENT.match(text) else None
    if told is not None:
        return told
    if _UWSGI_LOAD_ERROR.match(text) and _has_no_callable(texts, index):
        return CodeFault("target", said, text, target_of(argv))
    match = _NODE_MODULE.match(text)
    if match is not None:
        file = next((m["file"] for t in texts[index + 1:index + 12] if (m := _NODE_STACK.match(t))), "")
        return CodeFault("import", said, text, match["name"], file, 0)
    if not ends_run_at(texts, index):
        return None
    return _chain_fault(end, index, argv) or "other"


def _chain_fault(end: RunEnd, index: int, argv: Sequence[str]) -> CodeFault | None:
    """Return the fault of the exception at `index`, else of the one in whose handling a library raised it. A server
    that cannot load its application often says so with an exception of its own, which need not have a text."""
    while True:
        before = end.texts[max(0, index - _MAX_TRACE_LINES):index]
        fault = _exception_fault(end.lines[index], end.texts[index], before, argv)
        trace = _last_traceback(before)
        if fault is not None or application_frame(trace)[0]:
            return fault      # the application itself raised it: it says what the reason is
        earlier = _handled_exception(end.texts, index - len(trace))
        if earlier is None:
            return None
        index = earlier


def _handled_exception(texts: Sequence[str], start: int) -> int | None:
    """Return the index of the exception that was handled when the traceback that starts there was raised."""
    above = [i for i in range(start - 1, max(-1, start - 1 - _MAX_MESSAGE_LINES), -1) if texts[i]]
    if not above or not joins_exceptions(texts[above[0]]):
        return None
    return next((i for i in above[1:] if ends_run_at(texts, i)), None)


def _waitress_fault(said: LogLine, before: Sequence[str], argv: Sequence[str]) -> CodeFault | None:
    """Return the fault from waitress, which logs the type of the exception in one line and its text in another."""
    named = next((match for line in reversed(before) if (match := _WAITRESS_IMPORT_ERROR.match(line)) is not None),
                 None)
    words = _WAITRESS_ARGUMENT.sub(r"\g<text>", message_of(said).strip())
    if named is None:
        return None
    text = f"{named['type']}: {words}"
    if named["type"] in ("ModuleNotFoundError", "ImportError"):
        return _import_fault(said, text, words, (), argv)
    return CodeFault("target", said, text, target_of(argv)) if _is_target_missing(named["type"], words, argv) else None


def _is_target_missing(name: str, words: str, argv: Sequence[str]) -> bool:
    """Return whether the module that the command names was loaded and lacks the attribute that the command names."""
    module, _, called = target_of(argv).partition(":")
    said = words.partition(". Did you mean: ")[0]       # Python's guess
    wanted = called.partition("(")[0].partition(".")[0]
    return bool(module) and (name, said) in (
        ("AttributeError", f"module {module!r} has no attribute {wanted!r}"),
        ("NameError", f"name {wanted!r} is not defined"))       # of a server that evaluates the words


def _has_no_callable(texts: Sequence[str], index: int) -> bool:
    """Return whether the name is missing. uWSGI logs the same if the module fails, but with an error before it. Without
    the start of the run, that error may be in a line that was not read."""
    for above in range(index - 1, -1, -1):
        text = texts[above]
        if _UWSGI_START.match(text):
            return True
        if TRACEBACK_START in text or ends_run_at(texts, above) or _NO_MODULE.match(text) \
                or inaccessible_path(text) is not None:
            return False
    return False


def _exception_fault(said: LogLine, text: str, before: Sequence[str], argv: Sequence[str]) -> CodeFault | None:
    match = _EXCEPTION.match(text)
    if match is None:
        return None
    name, words = match["type"].rsplit(".", 1)[-1], match["text"] or ""
    trace = _last_traceback(before)
    if inaccessible_tls_at([*trace, text], len(trace), argv)[0]:
        return None            # the disk shows which file is unreadable or missing (crash-file-access)
    if loads_tls(last_frame(trace, len(trace))) and name in (
            "SSLError", "FileNotFoundError", "PermissionError", "IsADirectoryError"):
        return CodeFault("tls", said, text, words)
    if name in ("SyntaxError", "IndentationError", "TabError"):
        file, line, code = application_frame(trace, last=True)
        return CodeFault("syntax", said, text, words, file, line, code) if file else None
    if name in ("ModuleNotFoundError", "ImportError"):
        uri = next((refused for line in before[::-1] if (refused := parse_refused_option(line)) is not None), None)
        lacking = _NO_MODULE.match(words)
        own = lacking is None or lacking["name"].split(".")[0] in uri.value if uri is not None else False
        if uri is not None and own and not application_frame(trace)[0]:      # else the class lacks something itself
            return CodeFault("option", said, uri.said, uri.value)
        return _import_fault(said, text, words, trace, argv)
    if name == "ValueError" and (of := next((m for t in trace[-3:] if (m := _NUMBER_FROM_ENV.search(t))),
                                            None)) is not None:
        return CodeFault("value", said, text, of["name"])
    file, line, code = application_frame(trace)
    if name == "OSError" and not file and _NO_SOCKET.match(words) and (given := inherited_descriptor(argv)):
        return CodeFault("descriptor", said, text, given)
    if not file and _is_target_missing(name, words, argv):
        return CodeFault("target", said, text, target_of(argv))
    if name == "TypeError" and not file and any(_WORKER_CLASS.search(line) for line in trace[-8:]):
        wanted = next((argv[i + 1] for i in range(len(argv) - 1) if argv[i] in ("-k", "--worker-class")), "")
        return CodeFault("option", said, f"the worker class {wanted or 'that is configured'} is missing", wanted)
    if name in _CODE_EXCEPTIONS and file and not _reads_environment(trace):
        return CodeFault("own", said, text, name, file, line, code)
    return None


def _reads_environment(trace: Sequence[str]) -> bool:
    return any("environ" in text or "getenv" in text for text in trace[-6:])


def _import_fault(said: LogLine, text: str, words: str, trace: Sequence[str], argv: Sequence[str]) -> CodeFault | None:
    file, line, code = application_frame(trace)
    match = _NO_MODULE.match(words)
    if match is not None:
        module = match["name"]
        target = target_of(argv)
        wanted = target.partition(":")[0]
        if not file and wanted and (wanted == module or wanted.startswith(module + ".")):
            return CodeFault("target", said, text, target)
        if not file and module.split(".")[0] in _PACKAGES:
            return CodeFault("server", said, text, module)
        return CodeFault("import", said, text, module, file, line, code)
    match = _NO_NAME.match(words)
    name = match["name"] if match is not None else words
    return CodeFault("import", said, text, name, file, line, code)


def _last_traceback(before: Sequence[str]) -> list[str]:
    """Return the lines of the last traceback; without its head, all lines."""
    for index in range(len(before) - 1, -1, -1):
        if _TRACEBACK.search(before[index]):
            return list(before[index:])
    return list(before)


def application_frame(trace: Sequence[str], *, last: bool = False) -> tuple[str, int, str]:
    """Return the innermost frame in the application's files, else nothing; with `last`, the innermost in any file."""
    for index in range(len(trace) - 1, -1, -1):
        node = _NODE_FILE_LINE.match(trace[index])
        match = _FRAME.match(trace[index]) or node
        if match is None:
            continue
        file = match["file"]
        if last or not _LIBRARY_FILE.search(file):
            code = trace[index + 1].strip() if index + 1 < len(trace) else ""
            return posixpath.normpath(file), int(match["line"]), code
    return "", 0, ""


def application_files(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the application's files that the last traceback names, the innermost first."""
    frames = (match["file"] for line in reversed(_last_traceback(texts)) if (match := _FRAME.match(line)) is not None)
    return tuple(dict.fromkeys(posixpath.normpath(file) for file in frames if not _LIBRARY_FILE.search(file)))


# Options that a server rejects: its message, the option and the value.
_OPTION_ERRORS = (
    regex(r"^Error: (?P<said>Invalid value for '(?:-\w'? / '?)?--(?P<option>[\w-]+)(?: [A-Z_]+)?': "
          r"'(?P<value>[^']*)' is not .+)$"),
    regex(r"^Error: (?P<said>No such option: (?P<value>-[\w-]*)(?: .*)?)$"),
    regex(r"^Error: (?P<said>Got unexpected extra arguments? \((?P<value>.*)\))$"),
    regex(r"^Error: (?P<said>(?:Missing argument '[A-Z_]+'\.|Option '-[\w-]*' requires an argument\.))$"),
    regex(r"^[\w.-]+(?: \w+)?: error: (?P<said>argument (?:-\w/)?(?:--)?(?P<option>[\w-]+)(?:/-\S+)?: "
          r"invalid (?:choice|\w+ value): '(?P<value>[^']*)'.*)$"),
    regex(r"^[\w.-]+(?: \w+)?: error: (?P<said>(?:unrecognized arguments: (?P<value>\S+).*|"
          r"argument -\S+: expected .*|the following arguments are required: .*))$"),
    regex(r"^Error: (?P<said>'(?P<value>[^']*)' is not a valid port number\.)$"),                      # gunicorn
    regex(r"^Error: (?P<said>class uri '(?P<value>[^']*)' invalid or not found:)"),
    regex(r"^Error: (?P<said>No such (?:user|group): '(?P<value>[^']*)')$"),
    regex(r"^Error: (?P<said>No application module specified\.)$"),
    regex(r"^(?P<said>Invalid value for (?P<option>[a-z_]+): (?P<value>.*))$"),
    regex(r"^\S*node: (?P<said>bad option: (?P<value>-\S+))$"),
)


@dataclass(frozen=True, slots=True)
class RefusedOption:
    """An option that a server rejects: its message, the option's name and the value; empty if not named."""

    said: str
    option: str
    value: str


def parse_refused_option(text: str) -> RefusedOption | None:
    """Return the rejected option if the line is a server's message about its own command or settings."""
    for pattern in _OPTION_ERRORS:
        match = pattern.match(text)
        if match is not None:
            groups = match.groupdict()
            return RefusedOption(match["said"], groups.get("option") or "", groups.get("value") or "")
    return None
