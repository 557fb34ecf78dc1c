"""What is secret in each kind of file and output that a bundle keeps: values of variables, headers, keys, passwords."""

from __future__ import annotations

import json
import re

from fixer.model.redact import redact_text
from fixer.model.regex import regex

# Variables that a diagnosis needs and that are no secrets: where and how a server listens.
_PUBLIC_NAME = regex(
    r"^(?:(?:\w+_)?(?:HOST|PORT|BIND|ADDR|ADDRESS|LISTEN|WORKERS|SOCKET|UDS)|WEB_CONCURRENCY|PATH|PYTHONPATH|PYTHONUNBUFFERED|"
    r"LANG|LC_\w+|TZ|HOME|USER|LOG_LEVEL|COMPOSE_\w+)$"
)
_PUBLIC_VALUE = regex(r"^(?:[\w./:\[\]*-]|\$\{?|\}){0,120}$")
_PLAIN_VALUE = regex(r"^(?:\d{1,5}|(?:\d{1,3}(?:\.\d{1,3}){3}|localhost|\[::1?\])?(?::\d{1,5})?|unix:/[\w./-]+)$")
_NAME = rb"[A-Za-z_]\w*"


def mark(kind: str) -> str:
    """What stands where a secret was."""
    return f"[redacted: {kind}]"


def redact_bytes(data: bytes) -> bytes:
    """Any text: passwords in URLs, headers, private keys, values of names that say secret."""
    return redact_text(data.decode("latin-1")).encode("latin-1")


def redact_value(name: str, value: str) -> str:
    """The value of a variable: kept only where name or value say that it is an address, a port, a number of workers."""
    bare = value.strip().strip("\"'")
    if not bare or _PLAIN_VALUE.match(bare) or (_PUBLIC_NAME.match(name) and _PUBLIC_VALUE.match(bare)):
        return value
    if bare.startswith("--"):        # options of a server that a unit keeps in a variable
        return redact_text(value)
    return mark("value")


def _value(name: bytes, value: bytes) -> bytes:
    return redact_value(name.decode("latin-1"), value.decode("latin-1")).encode("latin-1")


_ENV_LINE = regex(rb"^([ \t]*(?:export[ \t]+)?)(" + _NAME + rb")([ \t]*=[ \t]*)(.*?)([ \t]*\r?)$", re.MULTILINE)


def redact_env_file(data: bytes) -> bytes:
    """Lines NAME=VALUE: names stay, values go."""
    return _ENV_LINE.sub(lambda m: m[1] + m[2] + m[3] + _value(m[2], m[4]) + m[5], data)


def redact_script(data: bytes) -> bytes:
    """A shell script: values that it sets go, its commands are masked as any text."""
    return redact_bytes(redact_env_file(data))


_UNIT_ENVIRONMENT = regex(rb"^([ \t]*Environment[ \t]*=)((?:\\\r?\n|[^\n])*)$", re.MULTILINE)
_QUOTED_PAIR = regex(rb"([\"'])(" + _NAME + rb")=((?:\\.|(?!\1).)*)\1", re.DOTALL)
_BARE_PAIR = regex(rb"(" + _NAME + rb")=([^\s]*)")


def redact_unit(data: bytes) -> bytes:
    """A unit file, or what `systemctl show` prints: values of Environment= go, all else is masked as any text."""
    return redact_bytes(_UNIT_ENVIRONMENT.sub(lambda m: m[1] + _assignments(m[2]), data))


def _assignments(text: bytes) -> bytes:
    """The pairs of one Environment= line, quoted ones whole."""
    out: list[bytes] = []
    at = 0
    for match in _QUOTED_PAIR.finditer(text):
        out.append(_bare(text[at : match.start()]))
        out.append(match[1] + match[2] + b"=" + _value(match[2], match[3]) + match[1])
        at = match.end()
    return b"".join(out) + _bare(text[at:])


def _bare(text: bytes) -> bytes:
    return _BARE_PAIR.sub(lambda m: m[1] + b"=" + _quoted_mark(m[1], m[2]), text)


def _quoted_mark(name: bytes, value: bytes) -> bytes:
    """A mark holds a blank, so it would fall apart into two words here."""
    return _value(name, value).replace(b"[redacted: value]", b"[redacted:value]")


_PROGRAM_ENVIRONMENT = regex(rb"^(environment[ \t]*=)((?:[^\n]*)(?:\n[ \t]+[^\n]*)*)$", re.MULTILINE | re.IGNORECASE)
_PROGRAM_PAIR = regex(rb"(" + _NAME + rb")([ \t]*=[ \t]*)(\"[^\"]*\"|'[^']*'|[^,\s]*)")


def redact_program(data: bytes) -> bytes:
    """A file of supervisord's: values of environment= go, all else is masked as any text."""
    return redact_bytes(_PROGRAM_ENVIRONMENT.sub(lambda m: m[1] + _PROGRAM_PAIR.sub(_program_value, m[2]), data))


def _program_value(match: re.Match[bytes]) -> bytes:
    name, equals, value = match[1], match[2], match[3]
    if value[:1] in (b"'", b'"') and len(value) > 1:
        return name + equals + value[:1] + _value(name, value[1:-1]) + value[-1:]
    return name + equals + _quoted_mark(name, value)


def redact_yaml(data: bytes) -> bytes:
    """A compose file: values below `environment:` go, mapping or list, on lines of their own or in one."""
    lines = data.decode("latin-1").split("\n")
    inside: int | None = None
    for i, line in enumerate(lines):
        body = line.strip()
        indent = len(line) - len(line.lstrip(" "))
        if inside is not None and body and not body.startswith("#"):
            if indent < inside or (indent == inside and not body.startswith("-")):
                inside = None
            else:
                lines[i] = _yaml_pair(line)
                continue
        if inside is None and re.match(r"\s*environment\s*:", line):
            inside = indent
            head, colon, rest = line.partition(":")
            if rest.strip()[:1] in ("{", "["):
                lines[i] = head + colon + re.sub(r"(\w+)([\"']?\s*[:=]\s*[\"']?)([^\"',}\]]+)", _yaml_inline, rest)
        else:
            lines[i] = redact_text(line)
    return "\n".join(lines).encode("latin-1")


def _yaml_pair(line: str) -> str:
    match = re.match(r"""(\s*(?:-\s+)?["']?)([A-Za-z_]\w*)(["']?\s*[:=]\s*["']?)(.*?)(["']?\s*(?:\s#.*)?)$""", line)
    if match is None or match[4].startswith("${") or not match[4]:
        return line
    value = redact_value(match[2], match[4])
    quote = '"' if value != match[4] and match[3].rstrip().endswith(":") else ""    # a mark holds a colon
    return f"{match[1]}{match[2]}{match[3]}{quote}{value}{quote}{match[5]}"


def _yaml_inline(match: re.Match[str]) -> str:
    return match[1] + match[2] + redact_value(match[1], match[3].strip()).replace(": ", ":")


_NGINX_VALUE = regex(
    rb"(\b(?:proxy_set_header|grpc_set_header|add_header|more_set_headers|fastcgi_param|uwsgi_param|scgi_param|set)\s+"
    rb"[\w$-]*(?:authorization|cookie|token|secret|passw|api[-_]?key|access[-_]?key)[\w-]*\s+)"
    rb"(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^\s;{}]+)", re.IGNORECASE,
)
_NGINX_URL = regex(rb"(\b[a-z][a-z0-9+.-]*://[^\s:/@;]*:)([^\s@/;]+)(@)", re.IGNORECASE)
_COMMENT = regex(rb"^[ \t]*#[^\r\n]*", re.MULTILINE)
_NGINX_PEM = regex(
    rb"(-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----)(.*?)(-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.DOTALL,
)


def redact_nginx(data: bytes) -> bytes:
    """A file of nginx's: word by word, so that what is left still is the same configuration."""
    data = _NGINX_VALUE.sub(lambda m: m[0] if m[2].strip(b"\"'")[:1] == b"$" else m[1] + b'"[redacted: value]"', data)
    data = _NGINX_URL.sub(rb"\1[redacted]\3", data)
    data = _COMMENT.sub(lambda m: redact_bytes(m[0]), data)
    return _NGINX_PEM.sub(lambda m: m[1] + re.sub(rb"[^\r\n]+", b"[redacted: private key]", m[2]) + m[3], data)


def redact_inspect(data: bytes) -> bytes:
    """docker inspect's JSON: values of Config.Env go, every other text is masked; what is no JSON as any text."""
    try:
        items = json.loads(data)
    except ValueError:
        return redact_bytes(data)
    return json.dumps(_redact_json(items), indent=1).encode()


def _redact_json(item: object, key: str = "") -> object:
    if isinstance(item, dict):
        return {name: _redact_json(value, str(name)) for name, value in item.items()}
    if isinstance(item, list):
        if key in ("Args", "Cmd", "Entrypoint", "Test"):
            return redact_argv([str(value) for value in item])
        return [_redact_json(value, key) for value in item]
    if isinstance(item, str):
        return _env_entry(item) if key == "Env" else redact_text(item)
    return item


def _env_entry(entry: str) -> str:
    name, found, value = entry.partition("=")
    return f"{name}={redact_value(name, value)}" if found else entry


_SECRET_FLAG = regex(
    r"^--?[\w-]*(?:password|passwd|secret|token|api-?key|access-?key|credential)[\w-]*$", re.IGNORECASE,
)


def redact_argv(argv: list[str]) -> list[str]:
    """A command: values after flags that say secret, and secrets inside single words."""
    out: list[str] = []
    for i, word in enumerate(argv):
        hidden = i and _SECRET_FLAG.match(argv[i - 1]) and not word.startswith("-")
        out.append(mark("argument") if hidden else redact_text(word))
    return out


def redact_cmdline(data: bytes) -> bytes:
    """/proc/PID/cmdline."""
    words = data.decode("latin-1").split("\0")
    return "\0".join(redact_argv(words)).encode("latin-1")


def redact_probe(data: bytes) -> bytes:
    """A probe's outcome: header and body of an answer may hold a session."""
    try:
        outcome = json.loads(data)
    except ValueError:
        return redact_bytes(data)
    if not isinstance(outcome, dict):
        return redact_bytes(data)
    return json.dumps({k: redact_text(v) if k in ("head", "body") and isinstance(v, str) else v
                       for k, v in outcome.items()}).encode()


def redact_file(path: str, data: bytes) -> bytes:
    """A file that says how a service is started, by its kind."""
    if "/nginx/" in path:
        return redact_nginx(data)
    if path.endswith((".yml", ".yaml")):
        return redact_yaml(data)
    if "/systemd/" in path and path.endswith((".service", ".conf")):
        return redact_unit(data)
    if b"[supervisord]" in data or b"[program:" in data:
        return redact_program(data)
    if path.endswith((".py", ".js", ".rb")):
        return redact_bytes(data)
    if data.startswith(b"#!"):
        return redact_script(data)
    lines = [line.strip() for line in data.split(b"\n")]
    body = [line for line in lines if line and line[:1] not in (b"#", b";")]
    named = sum(1 for line in body if re.match(rb"(?:export\s+)?" + _NAME + rb"\s*=", line))
    return redact_bytes(redact_env_file(data) if body and named * 2 >= len(body) else data)
