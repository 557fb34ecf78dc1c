"""Values of variables: those that a diagnosis needs stay (addresses, ports, workers), the rest is masked."""

from __future__ import annotations

import re

from fixer.lazy.regex import regex
from fixer.redaction.secrets import redact_text

# Public variables that a diagnosis needs: where and how a server listens.
_PUBLIC_NAME = regex(
    r"^(?:(?:\w+_)?(?:HOST|PORT|BIND|ADDR|ADDRESS|LISTEN|WORKERS|SOCKET|UDS)|WEB_CONCURRENCY|PATH|PYTHONPATH|PYTHONUNBUFFERED|"
    r"LANG|LC_\w+|TZ|HOME|USER|LOG_LEVEL|COMPOSE_\w+)$"
)
_PUBLIC_VALUE = regex(r"^(?:[\w./:\[\]*-]|\$\{?|\}){0,120}$")
_PLAIN_VALUE = regex(r"^(?:\d{1,5}|(?:\d{1,3}(?:\.\d{1,3}){3}|localhost|\[::1?\])?(?::\d{1,5})?|unix:/[\w./-]+)$")
# NAME=value as an argument: `env NAME=value program`, `docker run -e NAME=value`
_VARIABLE = regex(rb"(?<![^\s\"'])([A-Z_][A-Z0-9_]{0,80})=(?!\[redacted)(\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'|[^\s\"';]+)")
MARK = "[redacted: value]"


def secret_mark(kind: str) -> str:
    """Return the mark that replaces a secret."""
    return f"[redacted: {kind}]"


def redact_value(name: str, value: str) -> str:
    """Mask the value of a variable, unless name or value show an address, a port or a number of workers."""
    bare = value.strip().strip("\"'")
    if not bare or _PLAIN_VALUE.match(bare) or (_PUBLIC_NAME.match(name) and _PUBLIC_VALUE.match(bare)):
        return value
    if bare.startswith("--"):  # options of a server that a unit stores in a variable
        return redact_text(value)
    return MARK


def redact_raw(name: bytes, value: bytes) -> bytes:
    """Return the same for bytes."""
    return redact_value(name.decode("latin-1"), value.decode("latin-1")).encode("latin-1")


def redact_lines(name: bytes, value: bytes) -> bytes:
    """Mask a value that may span lines; the number of lines stays."""
    more = value.count(b"\n")
    return MARK.encode() + (b"\n  " + MARK.encode()) * more if more else redact_raw(name, value)


def redact_variables(data: bytes) -> bytes:
    """Mask the values of variables set before a program in a command; each stays one word."""
    return _VARIABLE.sub(lambda m: m[1] + b"=" + without_blank_mark(redact_raw(m[1], m[2])), data)


def without_blank_mark(value: bytes) -> bytes:
    """Remove the blank from marks in a bare word, which would otherwise become two."""
    return value.replace(MARK.encode(), b"[redacted:value]")


# Secrets in commands: after secret options, after short options of known tools, in variables set first.
_SECRET_FLAG = regex(
    r"^--?(?:(?=[\w-]*(?:password|passwd|passphrase|secret|token|api-?key|access-?key|credential))[\w-]*+"
    r"|[\w-]*pass|[\w-]*-pw)$", re.IGNORECASE,
)
# per tool: the option; whether its value is the next argument, is joined to it, or follows a user
_TOOLS = (
    (regex(r"(?:mysql|mariadb)"), ("-p", False, True, False)), (regex(r"sshpass$"), ("-p", True, True, False)),
    (regex(r"redis-cli$"), ("-a", True, False, False)), (regex(r"(?:curl|wget|http)$"), ("-u", True, True, True)),
    (regex(r"(?:curl|wget|http)$"), ("--user", True, True, True)),
    (regex(r"curl$"), ("-b", True, True, False)), (regex(r"curl$"), ("--cookie", True, False, False)),
    (regex(r"mongo(?:sh)?$"), ("-p", True, True, False)), (regex(r"openssl$"), ("-k", True, False, False)),
)
_SEARCHED_ARGUMENTS = 6  # arguments in which the tool is searched: `sudo -u x mysql …`


def redact_argv(argv: list[str]) -> list[str]:
    """Mask the arguments of a command; their number stays."""
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
    """Return the argument with its secret masked if it is that option's value; else empty."""
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


# Variables that a code file passes to a program: `raw_env` of gunicorn, `env` of pm2. Their values are masked.
_RAW_ENV = regex(rb"(\braw_env\s*=\s*[\[(])((?:[^\])\"'#]|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|#[^\n]*)*)")
_PAIR = regex(rb"([\"'])([A-Za-z_]\w{0,80}=)((?:(?!\1)[^\\\n]|\\.)*)(\1)")
_ENV = regex(rb"([\"']?\benv(?:_\w{1,40})?[\"']?\s{0,9}:\s{0,9}\{)([^{}]*(?:\{[^{}]*\}[^{}]*){0,50})")
_ENTRY = regex(
    rb"((?:^|[\s,{])[\"']?([A-Za-z_][\w.-]{0,80})[\"']?\s{0,9}:\s{0,9})"
    rb"(\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)"
)


def redact_code(data: bytes) -> bytes:
    """Mask the values, except addresses, ports and numbers; names stay."""
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
