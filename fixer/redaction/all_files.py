"""Redaction per kind of file and output in a bundle: values of variables, headers, keys, passwords."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from fixer.formats.backup_names import original_path
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.nginx.cache_file import START, read_cache_file
from fixer.redaction.log_lines import mask_logs
from fixer.redaction.masks import Masks
from fixer.redaction.nginx_words import mask_comment, redact_nginx
from fixer.redaction.secrets import redact_text

with lazy_imports():  # not needed in most looks
    from fixer.redaction.code_words import mask_code
    from fixer.redaction.commands import mask_argv
    from fixer.redaction.journal_fields import mask_journal
    from fixer.redaction.json_words import mask_inspect
    from fixer.redaction.line_files import mask_env, mask_named_values, mask_script, mask_settings, mask_unit
    from fixer.redaction.yaml_words import redact_yaml

_NAME = rb"[A-Za-z_]\w*"


def redact_bytes(data: bytes) -> bytes:
    """Redact any text: passwords in URLs, headers, private keys, values of secret names."""
    return redact_text(data.decode("latin-1")).encode("latin-1")


def redact_env_file(data: bytes, masks: Masks | None = None) -> bytes:
    """Redact lines NAME=VALUE: names stay, values are masked."""
    return _masked(mask_env, data, masks)


def redact_script(data: bytes, masks: Masks | None = None) -> bytes:
    """Redact a shell script: mask the values that it sets, and the arguments of its commands."""
    return _masked(mask_script, data, masks)


def redact_unit(data: bytes, masks: Masks | None = None) -> bytes:
    """Redact a unit file or the output of `systemctl show`."""
    return _masked(mask_unit, data, masks)


def redact_program(data: bytes, masks: Masks | None = None) -> bytes:
    """Redact a supervisord file."""
    return _masked(mask_unit, data, masks)


# What OpenRC and a started program write themselves: a process id, a count, a time.
_OWN_VALUES = regex(r"/run/openrc/options/[^/]+/(?:child_pid|start_count|start_time)|/(?:var/)?run/.*\.pid")
_NUMBERS = regex(rb"[0-9]{1,7}\s*|[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}\s*")


def _is_own_value(path: str, data: bytes) -> bool:
    return _OWN_VALUES.fullmatch(path) is not None and _NUMBERS.fullmatch(data) is not None


def redact_manager_file(path: str, data: bytes, masks: Masks) -> bytes:
    """Redact what a service manager is asked for: OpenRC's scripts, settings and marks; else a supervisord file."""
    if _is_own_value(path, data):
        return data
    if path.startswith("/etc/init.d/"):
        return redact_script(data, masks)
    return redact_env_file(data, masks) if path.startswith("/etc/conf.d/") else redact_program(data, masks)


def _masked(mask: Callable[[str, Masks], str], data: bytes, masks: Masks | None) -> bytes:
    return mask(data.decode("latin-1"), masks or Masks()).encode("latin-1")


def redact_logs(data: bytes, masks: Masks | None = None) -> bytes:
    """Redact lines of a program's log."""
    text = data.decode("utf-8", "surrogateescape")
    return mask_logs(text, masks or Masks()).encode("utf-8", "surrogateescape")


def redact_journal(data: bytes, masks: Masks | None = None) -> bytes:
    """Redact the journal of a unit, in text or in JSON."""
    text = data.decode("utf-8", "surrogateescape")
    return mask_journal(text, masks or Masks()).encode("utf-8", "surrogateescape")


def redact_inspect(data: bytes, masks: Masks | None = None) -> bytes:
    """Redact docker inspect's JSON: values of Config.Env, other texts by field; invalid JSON as any text."""
    try:
        items = json.loads(data)
    except (ValueError, RecursionError):
        return redact_bytes(data)
    return json.dumps(mask_inspect(items, masks or Masks()), indent=1).encode()


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


def redact_cmdline(data: bytes, masks: Masks | None = None) -> bytes:
    """Redact /proc/PID/cmdline."""
    words = data.decode("latin-1").split("\0")
    return "\0".join(mask_argv(words, masks or Masks())).encode("latin-1")


def redact_probe(data: bytes, masks: Masks | None = None) -> bytes:
    """Redact a probe's outcome: header and body of an answer may contain a session."""
    masks = masks or Masks()
    try:
        outcome = json.loads(data)
    except (ValueError, RecursionError):
        return redact_bytes(data)
    if not isinstance(outcome, dict):
        return redact_bytes(data)
    return json.dumps({k: masks.parts(redact_text(v)) if isinstance(v, str) else v
                       for k, v in outcome.items()}).encode()


def redact_kept_answer(data: bytes, masks: Masks) -> bytes:
    """Redact the first bytes of a file of nginx's cache: only a page's plain path, the status and the time stay."""
    kept = read_cache_file(data)
    if kept is None:
        return b""
    start = data[:START] if kept.until else b""
    return start + f"\nKEY: {masks.address_parts(kept.path)}\nHTTP/1.1 {kept.status}\r\n".encode()


_UWSGI_LINE = regex(rb"^([ \t]*)([\w-]+)([ \t]*[=:][ \t]*)([^\n]*)$", re.MULTILINE)
_UWSGI_PUBLIC = frozenset((
    b"socket", b"uwsgi-socket", b"http-socket", b"http", b"chmod-socket", b"chown-socket", b"chdir", b"module", b"wsgi",
    b"wsgi-file", b"callable", b"master", b"processes", b"workers", b"threads", b"harakiri", b"buffer-size", b"emperor",
    b"vacuum", b"uid", b"gid", b"plugins", b"plugin", b"logto", b"daemonize", b"pidfile", b"virtualenv", b"home",
    b"listen", b"protocol", b"socket-protocol", b"fastcgi-socket", b"scgi-socket",
))


def _redact_uwsgi_line(match: re.Match[bytes], masks: Masks) -> bytes:
    """Keep where it listens and what it serves; mask `env = NAME=value` and other settings."""
    if match[2] in _UWSGI_PUBLIC:
        return match[0]
    return match[1] + match[2] + match[3] + masks.mark(match[4].decode("latin-1")).encode("latin-1")


_HAPROXY = regex(rb"^[ \t]*(?:bind|frontend|listen|backend)[ \t]+[^\s#]+[ \t]*$")


_RULES = regex(r"/(?:nftables\.conf|rules\.v[46]|ip6?tables)$")


def redact_learned(data: bytes, masks: Masks) -> bytes:
    """Redact what `fixer learn` remembered: a value in a command is masked as in the command itself."""
    try:
        return json.dumps(_mask_learned(json.loads(data), "", masks), indent=1).encode()
    except (ValueError, RecursionError):
        return redact_bytes(data)


def _mask_learned(item: object, key: str, masks: Masks) -> object:
    if isinstance(item, dict):
        return {name: _mask_learned(value, str(name), masks) for name, value in item.items()}
    if isinstance(item, list):
        if key == "argv":
            return mask_argv([str(word) for word in item], masks)
        return [_mask_learned(value, key, masks) for value in item]
    return masks.parts(item) if isinstance(item, str) else item


def _mask_rule(line: bytes, masks: Masks) -> bytes:
    """Mask the comment of a line of packet filter rules."""
    head, sign, comment = line.decode("latin-1").partition("#")
    return (head + (mask_comment(sign + comment, sign, masks) if sign else "")).encode("latin-1")


_PROGRAM = regex(rb"#![^\n]*(python|node|ruby)")
_SETTINGS = (".ini", ".toml", ".cfg", ".properties")
_CODE = (".py", ".rb", ".js", ".cjs", ".mjs", ".ts", ".json")


def redact_boot(path: str, data: bytes, masks: Masks) -> bytes:
    """Redact a file that is read or run at boot: a script, unless its name says otherwise."""
    other = path.endswith((*_CODE, ".service"))       # a unit of a user is one of what starts at boot
    return redact_file(path, data, masks) if other else redact_script(data, masks)


def redact_config(path: str, data: bytes, masks: Masks) -> bytes:
    """Redact what is read as a part of nginx's configuration, unless its name or first line says otherwise."""
    other = path.endswith((*_CODE, ".yml", ".yaml", ".service", ".socket", ".env")) or data.startswith(b"#!")
    return redact_file(path, data, masks) if other else redact_nginx(data, masks)


_NGINX = regex(
    rb"^[ \t]*(?:(?:server|http|events|stream|upstream[ \t]+[\w.-]+)[ \t]*|location[ \t][^\n{]+)\{", re.MULTILINE,
)


# What the kernel says of a process in figures: its limits, its rights, its users.
_OF_PROCESS = regex(r"/proc/[0-9]+/(limits|status|uid_map)")
_FIGURES = regex(rb"(?:Max |Cap[A-Z][a-z]+:)[0-9a-z \t]+|[ 0-9]+")


def redact_file(path: str, data: bytes, masks: Masks | None = None) -> bytes:
    """Redact a start file of a service by its kind; a copy counts as its original."""
    masks = masks or Masks()
    if _OF_PROCESS.fullmatch(path):
        return b"\n".join(line for line in data.split(b"\n") if _FIGURES.fullmatch(line)) + b"\n"
    path = original_path(path)
    return data if _is_own_value(path, data) else _redact_by_kind(path, data, masks)


def _redact_by_kind(path: str, data: bytes, masks: Masks) -> bytes:
    if path.endswith("/learned.json"):  # our own: commands, names and addresses, never a value
        return redact_learned(data, masks)
    if _RULES.search(path):
        return b"\n".join(_mask_rule(line, masks) for line in data.split(b"\n"))
    if "/nginx/" in path or (path.endswith((".conf", ".template")) and _NGINX.search(data)):
        return redact_nginx(data, masks)
    if "/haproxy/" in path:  # passwords have special forms there: keep only the lines that are parsed
        return b"\n".join(line if _HAPROXY.match(line) else b"" for line in data.split(b"\n"))
    if path.endswith((".yml", ".yaml")):
        return redact_yaml(data, masks)
    if "/systemd/" in path and path.endswith((".service", ".conf")):
        return redact_unit(data, masks)
    if b"[supervisord]" in data or b"[program:" in data or b"[fcgi-program:" in data:
        return redact_program(data, masks)
    if b"[uwsgi]" in data:
        return _UWSGI_LINE.sub(lambda m: _redact_uwsgi_line(m, masks), data)
    program = _PROGRAM.match(data)
    if path.endswith(_CODE) or program is not None:
        slashes = not path.endswith((".py", ".rb")) if program is None else program[1] == b"node"
        text = mask_code(data.decode("latin-1"), masks, slashes=slashes)
        return text.encode("latin-1")
    if data.startswith(b"#!"):
        return redact_script(data, masks)
    name = f"{path.rpartition('/')[2]}."
    if ".env." in name or path.startswith(("/etc/default/", "/etc/sysconfig/", "/etc/conf.d/")):
        return redact_env_file(data, masks)
    lines = [line.strip() for line in data.split(b"\n")]
    body = [line for line in lines if line and line[:1] not in (b"#", b";")]
    named = sum(1 for line in body if re.match(rb"(?:export\s+)?" + _NAME + rb"\s*=", line))
    if body and named * 2 >= len(body):
        return _masked(mask_settings, data, masks)
    return _redact_text_file(path, data, masks)


def _redact_text_file(path: str, data: bytes, masks: Masks) -> bytes:
    """Redact a file of which neither its name nor its content says how it is read."""
    if path.endswith(_SETTINGS):
        return _masked(mask_named_values, data, masks)
    return masks.parts(redact_bytes(data).decode("latin-1")).encode("latin-1")
