"""Redaction per kind of file and output in a bundle: values of variables, headers, keys, passwords."""

from __future__ import annotations

import json
import re

from fixer.formats.backup_names import original_path
from fixer.lazy.regex import regex
from fixer.redaction.config_files import redact_nginx, redact_yaml
from fixer.redaction.secrets import is_secret_name, redact_text
from fixer.redaction.values import (
    redact_argv,
    redact_code,
    redact_lines,
    redact_raw,
    redact_variables,
    secret_mark,
    without_blank_mark,
)

_NAME = rb"[A-Za-z_]\w*+"
# Before a name, so that it is tried once and not at each of its characters.
_DIGITS = rb"(?<!\w)([0-9]*+)"


def redact_bytes(data: bytes) -> bytes:
    """Redact any text: passwords in URLs, headers, private keys, values of secret names."""
    return redact_text(data.decode("latin-1")).encode("latin-1")


# a value may span lines, by quotes that end a line or a backslash at its end
_ENV_LINE = regex(
    rb"^([ \t]*(?:export[ \t]+)?)([A-Za-z_][\w.-]*)([ \t]*=[ \t]*)"
    rb"(\"(?:[^\"\\]|\\.|\\\n)*\"(?=[ \t]*(?:#[^\n]*)?\r?$)|'[^']*'(?=[ \t]*(?:#[^\n]*)?\r?$)"
    rb"|(?:[^\n\\ \t\r]++|\\\r?\n|\\.|[ \t]++(?!\r?$)|\r(?!$))*)([ \t]*\r?)$",
    re.MULTILINE,
)


def redact_env_file(data: bytes) -> bytes:
    """Redact lines NAME=VALUE: names stay, values are masked."""
    return _ENV_LINE.sub(lambda m: m[1] + m[2] + m[3] + redact_lines(m[2], m[4]) + m[5], data)


def redact_script(data: bytes) -> bytes:
    """Redact a shell script: mask the values that it sets, and its commands as any text."""
    return redact_bytes(redact_variables(redact_env_file(data)))


# systemd skips comments between continued lines
_CONTINUED = rb"((?:\\\r?\n(?:[ \t]*[#;][^\n]*\n)*|[^\n])*)$"
_UNIT_ENVIRONMENT = regex(rb"^([ \t]*Environment[ \t]*=)" + _CONTINUED, re.MULTILINE | re.IGNORECASE)
_UNIT_CREDENTIAL = regex(rb"^([ \t]*SetCredential(?:Encrypted)?[ \t]*=[^:\n]*:)" + _CONTINUED, re.MULTILINE)
_QUOTED_PAIR = regex(rb"([\"'])(" + _NAME + rb")=((?:\\.|(?!\1|\\).)*(?=\1)|.*(?=\1))\1", re.DOTALL)
_BARE_PAIR = regex(_DIGITS + rb"(" + _NAME + rb")=((?:\\.|\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^\s\\\"']|[\"'])*)")


def redact_unit(data: bytes) -> bytes:
    """Redact a unit file or the output of `systemctl show`: mask values of Environment=, all else as any text."""
    data = _UNIT_ENVIRONMENT.sub(lambda m: m[1] + _redact_assignments(m[2]), data)
    data = _UNIT_CREDENTIAL.sub(lambda m: m[1] + re.sub(rb"[^\r\n\\]+", b"[redacted: credential]", m[2]), data)
    return redact_bytes(redact_variables(data))


def _redact_assignments(text: bytes) -> bytes:
    """Redact the pairs of one Environment= line; a quoted pair is one unit."""
    out: list[bytes] = []
    at = 0
    for match in _QUOTED_PAIR.finditer(text):
        out.append(_redact_bare_pairs(text[at : match.start()]))
        out.append(match[1] + match[2] + b"=" + redact_lines(match[2], match[3]) + match[1])
        at = match.end()
    return b"".join(out) + _redact_bare_pairs(text[at:])


def _redact_bare_pairs(text: bytes) -> bytes:
    return _BARE_PAIR.sub(lambda m: m[1] + m[2] + b"=" + without_blank_mark(redact_raw(m[2], m[3])), text)


_PROGRAM_ENVIRONMENT = regex(rb"^(environment[ \t]*=)((?:[^\n]*)(?:\n[ \t]+[^\n]*)*)$", re.MULTILINE | re.IGNORECASE)
_PROGRAM_PAIR = regex(_DIGITS + rb"(" + _NAME + rb")([ \t]*=[ \t]*)"
                      rb"(\"(?:[^\"\\]|\\.)*\"|'[^']*'|[^,\s]*(?:[ \t]+[^,\s=]+(?=[\s,]|$))*)")


def redact_program(data: bytes) -> bytes:
    """Redact a supervisord file: mask values of environment=, all else as any text."""
    return redact_bytes(_PROGRAM_ENVIRONMENT.sub(lambda m: m[1] + _PROGRAM_PAIR.sub(_program_value, m[2]), data))


def _program_value(match: re.Match[bytes]) -> bytes:
    name, value = match[2], match[4]
    head = match[1] + name + match[3]
    if value[:1] in (b"'", b'"') and len(value) > 1:
        return head + value[:1] + redact_raw(name, value[1:-1]) + value[-1:]
    return head + without_blank_mark(redact_raw(name, value))


def redact_inspect(data: bytes) -> bytes:
    """Redact docker inspect's JSON: values of Config.Env, other texts as any; invalid JSON as any text."""
    try:
        items = json.loads(data)
    except (ValueError, RecursionError):
        return redact_bytes(data)
    return json.dumps(_redact_json(items), indent=1).encode()


def redact_rules(data: bytes) -> bytes:
    """Redact packet filter JSON: `"key"` names what a rule matches (a device, a mark), so judge each text alone."""
    try:
        listed = json.loads(data)
    except (ValueError, RecursionError):
        return redact_bytes(data)
    return json.dumps(_redact_texts(listed)).encode()


def _redact_texts(item: object) -> object:
    if isinstance(item, dict):
        return {name: _redact_texts(value) for name, value in item.items()}
    if isinstance(item, list):
        return [_redact_texts(value) for value in item]
    return redact_text(item) if isinstance(item, str) else item


def _redact_json(item: object, key: str = "") -> object:
    if isinstance(item, dict):
        return {name: _redact_json(value, str(name)) for name, value in item.items()}
    if isinstance(item, list):
        if key in ("Args", "Cmd", "Entrypoint", "Test"):
            return redact_argv([str(value) for value in item])
        return [_redact_json(value, key) for value in item]
    if isinstance(item, str):
        if is_secret_name(key) and item:
            return secret_mark(key)  # a label, an option of a log driver
        return _redact_env_entry(item) if key == "Env" else redact_text(item)
    return item


def _redact_env_entry(entry: str) -> str:
    name, found, value = entry.partition("=")
    return f"{name}={redact_raw(name.encode(), value.encode()).decode()}" if found else entry


def redact_cmdline(data: bytes) -> bytes:
    """Redact /proc/PID/cmdline."""
    words = data.decode("latin-1").split("\0")
    return "\0".join(redact_argv(words)).encode("latin-1")


def redact_probe(data: bytes) -> bytes:
    """Redact a probe's outcome: header and body of an answer may contain a session."""
    try:
        outcome = json.loads(data)
    except (ValueError, RecursionError):
        return redact_bytes(data)
    if not isinstance(outcome, dict):
        return redact_bytes(data)
    return json.dumps({k: redact_text(v) if isinstance(v, str) else v
                       for k, v in outcome.items()}).encode()


_UWSGI_LINE = re.compile(rb"^([ \t]*)([\w-]+)([ \t]*[=:][ \t]*)([^\n]*)$", re.MULTILINE)
_UWSGI_PUBLIC = frozenset((
    b"socket", b"uwsgi-socket", b"http-socket", b"http", b"chmod-socket", b"chown-socket", b"chdir", b"module", b"wsgi",
    b"wsgi-file", b"callable", b"master", b"processes", b"workers", b"threads", b"harakiri", b"buffer-size", b"emperor",
    b"vacuum", b"uid", b"gid", b"plugins", b"plugin", b"logto", b"daemonize", b"pidfile", b"virtualenv", b"home",
    b"listen",
))


def _redact_uwsgi_line(match: re.Match[bytes]) -> bytes:
    """Keep where it listens and what it serves; mask `env = NAME=value` and other settings."""
    if match[2] in _UWSGI_PUBLIC:
        return match[0]
    return match[1] + match[2] + match[3] + redact_lines(match[2], match[4])


_HAPROXY = re.compile(rb"^[ \t]*(?:bind|frontend|listen|backend)[ \t]+[^\s#]+[ \t]*$")


def redact_file(path: str, data: bytes) -> bytes:
    """Redact a start file of a service by its kind; a copy counts as its original."""
    path = original_path(path)
    if "/nginx/" in path:
        return redact_nginx(data)
    if "/haproxy/" in path:  # passwords have special forms there: keep only the lines that are parsed
        return b"\n".join(line if _HAPROXY.match(line) else b"" for line in data.split(b"\n"))
    if path.endswith((".yml", ".yaml")):
        return redact_yaml(data)
    if "/systemd/" in path and path.endswith((".service", ".conf")):
        return redact_unit(data)
    if b"[supervisord]" in data or b"[program:" in data or b"[fcgi-program:" in data:
        return redact_program(data)
    if b"[uwsgi]" in data:
        return redact_bytes(_UWSGI_LINE.sub(_redact_uwsgi_line, data))
    if path.endswith((".py", ".rb", ".js", ".cjs", ".mjs", ".ts", ".json")):
        return redact_bytes(redact_code(data))
    if data.startswith(b"#!"):
        return redact_script(data)
    name = f"{path.rpartition('/')[2]}."
    if ".env." in name or path.startswith(("/etc/default/", "/etc/sysconfig/", "/etc/conf.d/")):
        return redact_bytes(redact_env_file(data))
    lines = [line.strip() for line in data.split(b"\n")]
    body = [line for line in lines if line and line[:1] not in (b"#", b";")]
    named = sum(1 for line in body if re.match(rb"(?:export\s+)?" + _NAME + rb"\s*=", line))
    return redact_bytes(redact_env_file(data) if body and named * 2 >= len(body) else data)
