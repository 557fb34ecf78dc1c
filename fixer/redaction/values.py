"""The values of variables: what of them a diagnosis needs stays (addresses, ports, workers), the rest goes."""

from __future__ import annotations

import re

from fixer.lazy.regex import regex
from fixer.redaction.secrets import redact_text

# Variables that a diagnosis needs and that are no secrets: where and how a server listens.
_PUBLIC_NAME = regex(
    r"^(?:(?:\w+_)?(?:HOST|PORT|BIND|ADDR|ADDRESS|LISTEN|WORKERS|SOCKET|UDS)|WEB_CONCURRENCY|PATH|PYTHONPATH|PYTHONUNBUFFERED|"
    r"LANG|LC_\w+|TZ|HOME|USER|LOG_LEVEL|COMPOSE_\w+)$"
)
_PUBLIC_VALUE = regex(r"^(?:[\w./:\[\]*-]|\$\{?|\}){0,120}$")
_PLAIN_VALUE = regex(r"^(?:\d{1,5}|(?:\d{1,3}(?:\.\d{1,3}){3}|localhost|\[::1?\])?(?::\d{1,5})?|unix:/[\w./-]+)$")
# NAME=value as a word of a command: `env NAME=value program`, `docker run -e NAME=value`
_VARIABLE = regex(rb"(?<![^\s\"'])([A-Z_][A-Z0-9_]{0,80})=(?!\[redacted)(\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'|[^\s\"';]+)")
MARK = "[redacted: value]"


def secret_mark(kind: str) -> str:
    """What stands where a secret was."""
    return f"[redacted: {kind}]"


def redact_value(name: str, value: str) -> str:
    """The value of a variable: kept only where name or value say that it is an address, a port, a number of workers."""
    bare = value.strip().strip("\"'")
    if not bare or _PLAIN_VALUE.match(bare) or (_PUBLIC_NAME.match(name) and _PUBLIC_VALUE.match(bare)):
        return value
    if bare.startswith("--"):        # options of a server that a unit keeps in a variable
        return redact_text(value)
    return MARK


def redact_raw(name: bytes, value: bytes) -> bytes:
    """The same for bytes."""
    return redact_value(name.decode("latin-1"), value.decode("latin-1")).encode("latin-1")


def redact_lines(name: bytes, value: bytes) -> bytes:
    """A value that may go over several lines: as many lines are left."""
    more = value.count(b"\n")
    return MARK.encode() + (b"\n  " + MARK.encode()) * more if more else redact_raw(name, value)


def redact_variables(data: bytes) -> bytes:
    """Commands with variables set in front of a program: their values go. One word each, as it was."""
    return _VARIABLE.sub(lambda m: m[1] + b"=" + without_blank_mark(redact_raw(m[1], m[2])), data)


def without_blank_mark(value: bytes) -> bytes:
    """A mark holds a blank, so a bare word of it would fall apart into two."""
    return value.replace(MARK.encode(), b"[redacted:value]")


# Secrets of a command: after flags that say secret, after short flags of known tools, in variables set first.
_SECRET_FLAG = regex(
    r"^--?(?:[\w-]*(?:password|passwd|passphrase|secret|token|api-?key|access-?key|credential)[\w-]*"
    r"|[\w-]*pass|[\w-]*-pw)$", re.IGNORECASE,
)
# of a tool: the flag, whether its value is the next word, whether it is joined to it, whether a user stands in front
_TOOLS = (
    (regex(r"(?:mysql|mariadb)"), ("-p", False, True, False)), (regex(r"sshpass$"), ("-p", True, True, False)),
    (regex(r"redis-cli$"), ("-a", True, False, False)), (regex(r"(?:curl|wget|http)$"), ("-u", True, True, True)),
    (regex(r"(?:curl|wget|http)$"), ("--user", True, True, True)),
    (regex(r"curl$"), ("-b", True, True, False)), (regex(r"curl$"), ("--cookie", True, False, False)),
    (regex(r"mongo(?:sh)?$"), ("-p", True, True, False)), (regex(r"openssl$"), ("-k", True, False, False)),
)
_SEARCHED_ARGUMENTS = 6      # words in which the tool is looked for: `sudo -u x mysql …`


def redact_argv(argv: list[str]) -> list[str]:
    """The words of a command, as many as before."""
    names = [word.rpartition("/")[2] for word in argv[:_SEARCHED_ARGUMENTS]]
    known = [rule for tool, rule in _TOOLS if any(map(tool.match, names))]
    out: list[str] = []
    before = ""
    for word in argv:
        if _SECRET_FLAG.match(before) and not word.startswith("-"):
            out.append(secret_mark("argument"))
        else:
            hidden = next((said for rule in known if (said := _mask_tool_argument(before, word, rule))), "")
            out.append(hidden or _mask_argument(word))
        before = word
    return out


def _mask_tool_argument(before: str, word: str, rule: tuple[str, bool, bool, bool]) -> str:
    """The word with its secret hidden, where it is the value of that flag or is joined to it; else nothing."""
    flag, apart, joined, user = rule
    if apart and before == flag:
        head = ""
    elif joined and word.startswith(flag) and len(word) > len(flag):
        head = flag
    else:
        return ""
    if user:
        name, colon, _ = word.partition(":")
        return f"{name}:{secret_mark('argument')}" if colon else ""
    return head + secret_mark("argument")


def _mask_argument(word: str) -> str:
    if word.startswith("--env="):
        return "--env=" + _mask_argument(word.removeprefix("--env="))
    return redact_text(redact_variables(word.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape"))


# Variables that a file of code hands to a program: `raw_env` of gunicorn, `env` of pm2. Their values go.
_RAW_ENV = regex(rb"(\braw_env\s*=\s*[\[(])((?:[^\])\"'#]|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|#[^\n]*)*)")
_PAIR = regex(rb"([\"'])([A-Za-z_]\w{0,80}=)((?:(?!\1)[^\\\n]|\\.)*)(\1)")
_ENV = regex(rb"([\"']?\benv(?:_\w{1,40})?[\"']?\s{0,9}:\s{0,9}\{)([^{}]*(?:\{[^{}]*\}[^{}]*){0,50})")
_ENTRY = regex(
    rb"((?:^|[\s,{])[\"']?([A-Za-z_][\w.-]{0,80})[\"']?\s{0,9}:\s{0,9})"
    rb"(\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)"
)


def redact_code(data: bytes) -> bytes:
    """The same text; names stay, and values that say an address, a port or a number."""
    if b"raw_env" in data:
        data = _RAW_ENV.sub(lambda m: m[1] + _PAIR.sub(_mask_pair, m[2]), data)
    if b"env" in data:
        data = _ENV.sub(lambda m: m[1] + _ENTRY.sub(_mask_entry, m[2]), data)
    return data


def _mask_pair(match: re.Match[bytes]) -> bytes:
    return match[1] + match[2] + redact_lines(match[2][:-1], match[3]) + match[4]


def _mask_entry(match: re.Match[bytes]) -> bytes:
    quote, value = match[3][:1], match[3][1:-1]
    return match[1] + quote + redact_lines(match[2], value) + quote
