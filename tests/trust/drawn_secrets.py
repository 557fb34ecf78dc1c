"""Secrets drawn by a seed from name, place and encoding, and the captures that hold them where fixer reads."""

from __future__ import annotations

import base64
import json
import random
import string
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

NAMES = (
    "password", "PASSWORD", "api_key", "apiToken", "SECRET_KEY", "jwt", "sid", "remember_me", "app_session", "x", "foo", "notes", "MAIL", "pw", "dsn",
    "密碼", "資料庫密碼", "パスワード", "пароль", "비밀번호", "contraseña", "mot_de_passe", "Kennwort", "stripe", "webhook", "license", "seed", "phrase", "DB_PWD", "cred",
)
_HEX, _WORD = "0123456789abcdef", string.ascii_letters + string.digits
VENDORS: tuple[tuple[str, str, int], ...] = (
    ("ghp_", _WORD, 36), ("github_pat_", _WORD, 60), ("glpat-", _WORD, 20), ("xoxb-", string.digits + _WORD, 40), ("xapp-1-A", _WORD, 40), ("AKIA", string.ascii_uppercase + "234567", 16),
    ("sk_live_", _WORD, 24), ("rk_test_", _WORD, 24), ("whsec_", _WORD, 32), ("AIza", _WORD + "_-", 35), ("ya29.", _WORD, 60), ("GOCSPX-", _WORD, 28), ("sk-proj-", _WORD, 48), ("sk-ant-api03-", _WORD, 80),
    ("npm_", _WORD, 36), ("pypi-", _WORD, 60), ("dckr_pat_", _WORD, 27), ("hvs.", _WORD, 24), ("dop_v1_", _HEX, 64), ("SG.", _WORD, 22), ("key-", _HEX, 32), ("SK", _HEX, 32), ("shpat_", _HEX, 32),
    ("hf_", _WORD, 34), ("glsa_", _WORD, 40), ("NRAK-", string.ascii_uppercase + string.digits, 27), ("dapi", _HEX, 32), ("lin_api_", _WORD, 40), ("ATATT3", _WORD, 60), ("eyJhbGciOiJIUzI1NiJ9.", _WORD, 60),
)


@dataclass(frozen=True)
class Secret:
    """A planted value: where it stands, and every form of it that must be in no output."""

    place: str
    name: str
    kind: str
    forms: tuple[str, ...]


def draw_value(dice: random.Random) -> tuple[str, str]:
    """Return the kind of a secret and its value."""
    kind = dice.choice(("mixed", "letters", "hex", "base64", "uuid", "long", "mark", "vendor", "vendor", "vendor", "figures"))
    if kind == "vendor":
        head, signs, length = dice.choice(VENDORS)
        return f"vendor {head}", head + "".join(dice.choices(signs, k=length))
    if kind == "base64":
        return kind, base64.b64encode(dice.randbytes(24)).decode()
    if kind == "uuid":
        text = "".join(dice.choices(_HEX, k=32))
        return kind, "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
    signs, length = {"mixed": (_WORD, 16), "letters": (string.ascii_lowercase, 14), "hex": (_HEX, 32), "long": (_WORD, 48), "mark": (_WORD + "!%^+=.~-", 18),
                     "figures": (string.digits, 18)}[kind]
    return kind, "".join(dice.choices(signs, k=length))


# Each place takes (name, value) and returns the text of a file or an answer; its key says of which kind.
_Place = Callable[[str, str], str]


def _ascii(name: str) -> str:
    return name if name.isascii() else "notes"


NGINX: dict[str, _Place] = {
    "comment": lambda n, v: f"# {n}={v}\nlisten 80;", "comment behind": lambda n, v: f"listen 80; # {n} {v}", "header": lambda n, v: f"proxy_set_header X-{_ascii(n)} {v};",
    "basic": lambda n, v: f'proxy_set_header Authorization "Basic {v}";', "set": lambda n, v: f"set ${_ascii(n)} {v};", "set quoted": lambda n, v: f"set ${{{_ascii(n)}}} '{v}';",
    "compare": lambda n, v: f'if ($http_x_{_ascii(n)} != "{v}") {{ return 403; }}', "compare bare": lambda n, v: f"if ($arg_{_ascii(n)} = {v}) {{ return 403; }}", "body": lambda n, v: f"return 200 '{{\"{n}\":\"{v}\"}}';",
    "set body": lambda n, v: f"proxy_set_body '{{\"{n}\": \"{v}\"}}';", "sub filter": lambda n, v: f"sub_filter '__{n}__' '{v}';", "more headers": lambda n, v: f'more_set_headers "X-{_ascii(n)}: {v}";',
    "param": lambda n, v: f"fastcgi_param {_ascii(n)} {v};", "unknown": lambda n, v: f"{_ascii(n).lower()}_setting {v};", "location": lambda n, v: f"location /x?{_ascii(n)}={quote(v)} {{ return 404; }}",
    "user": lambda n, v: f"proxy_pass http://{_ascii(n)}:{quote(v, safe='')}@127.0.0.1:8000;", "query": lambda n, v: f"proxy_pass http://127.0.0.1:8000/?{_ascii(n)}={quote(v, safe='')};",
    "two lines": lambda n, v: f'add_header X-{_ascii(n)} "a\n  {v}";', "secure link": lambda n, v: f'secure_link_md5 "$uri {v}";', "lua": lambda n, v: f"content_by_lua_block {{ local {_ascii(n)} = '{v}'\n}}",
    "cookie": lambda n, v: f'add_header Set-Cookie "{_ascii(n)}={v}; Path=/";', "session key": lambda n, v: f"encrypted_session_key {v};", "env": lambda n, v: f'allow 10.0.0.0/8; # env "{n}={v}"',
}
TOP: dict[str, _Place] = {
    "map": lambda n, v: f"map $host ${_ascii(n)} {{ default {v}; }}", "map quoted": lambda n, v: f'map $host ${_ascii(n)} {{ a.example "Bearer {v}"; }}', "map key": lambda n, v: f"map $http_x_{_ascii(n)} $ok {{ # {{ why\n {v} 1; default 0; }}",
    "format": lambda n, v: f'log_format x_{_ascii(n)} "{n}={v}";', "env main": lambda n, v: f"geo ${_ascii(n)} {{ default {v}; 10.0.0.0/8 1; }}",
}
UNIT: dict[str, _Place] = {
    "environment": lambda n, v: f"Environment={_ascii(n)}={v}", "quoted": lambda n, v: f'Environment="{_ascii(n)}={v}"', "continued": lambda n, v: f"Environment=A=1 \\\n  {_ascii(n)}={v}",
    "json": lambda n, v: f"Environment=JSON={{\"{n}\":\"{v}\"}}", "option": lambda n, v: f"ExecStart=/usr/bin/app --{_ascii(n)} {v} --x", "option is": lambda n, v: f"ExecStart=/usr/bin/app --{_ascii(n)}={v}",
    "next line": lambda n, v: f"ExecStart=/usr/bin/app --{_ascii(n)} \\\n  {v} --x", "short": lambda n, v: f"ExecStartPre=/usr/bin/mysqladmin -p{v} ping", "set": lambda n, v: f"ExecStartPre=/usr/bin/docker run -e {_ascii(n)}={v} image",
    "set joined": lambda n, v: f"ExecStartPre=/usr/bin/docker run -e{_ascii(n)}={v} image", "comment": lambda n, v: f"# {n}\uff1a{v}", "old": lambda n, v: f"; {n} -> {v}", "description": lambda n, v: f"Description={n} {v}",
    "credential": lambda n, v: f"SetCredential={_ascii(n)}:{v}", "shell": lambda n, v: f"ExecStartPre=/bin/sh -c \"{_ascii(n)}={v} exec true\"", "own key": lambda n, v: f"X-{_ascii(n)}={v}",
    "url": lambda n, v: f"ExecStartPre=/usr/bin/curl http://{_ascii(n)}:{quote(v, safe='')}@127.0.0.1/", "user": lambda n, v: f"ExecStartPre=/usr/bin/curl -u admin:{v} http://127.0.0.1/",
}
ENV: dict[str, _Place] = {
    "plain": lambda n, v: f"{n}={v}", "export": lambda n, v: f"export {n}='{v}'", "comment": lambda n, v: f"# {n}={v}", "behind": lambda n, v: f"PORT=8000 # {v}", "lines": lambda n, v: f'{_ascii(n)}="a\n{v}"\nB=1',
    "declare": lambda n, v: f"declare -x {_ascii(n)}={v}", "continued": lambda n, v: f"{_ascii(n)}=a\\\n{v}", "url": lambda n, v: f"{_ascii(n)}=postgres://u:{quote(v, safe='')}@db/x", "no name": lambda n, v: v, "dotted": lambda n, v: f"a.{_ascii(n)}={v}",
}
YAML: dict[str, _Place] = {
    "map": lambda n, v: f"    environment:\n      {n}: {v}", "list": lambda n, v: f"    environment:\n      - {n}={v}", "flow": lambda n, v: f'    environment: {{{_ascii(n)}: "{v}"}}', "flow list": lambda n, v: f'    environment: ["{n}=a, {v}"]',
    "anchor": lambda n, v: f"    environment:\n      {_ascii(n)}: &k {v}", "next line": lambda n, v: f"    environment:\n      {_ascii(n)}:\n        {v}", "goes on": lambda n, v: f"    environment:\n      {_ascii(n)}: a\n        {v}",
    "block": lambda n, v: f"    environment:\n      {_ascii(n)}: |\n        {v}", "default": lambda n, v: f"    environment:\n      {_ascii(n)}: ${{{_ascii(n)}:-{v}}}", "behind": lambda n, v: f"    environment:\n      {_ascii(n)}: ${{A}}{v}",
    "comment": lambda n, v: f"    environment:\n      # {n}: {v}\n      A: b", "comment behind": lambda n, v: f"    restart: always # {n} {v}", "command": lambda n, v: f"    command: app --{_ascii(n)} {v}", "command list": lambda n, v: f'    command: ["app", "--{_ascii(n)}", "{v}"]',
    "command items": lambda n, v: f"    command:\n      - app\n      - --{_ascii(n)}\n      - \"{v}\"", "label": lambda n, v: f"    labels:\n      app.{_ascii(n)}: \"{v}\"", "args": lambda n, v: f"    build:\n      args:\n        {_ascii(n)}: \"{v}\"",
    "health": lambda n, v: f'    healthcheck:\n      test: ["CMD", "mysqladmin", "ping", "-p{v}"]', "extension": lambda n, v: f"    x-{_ascii(n)}: &e\n      foo: \"{v}\"", "content": lambda n, v: f"    configs: {{y: {{content: \"{v}\"}}}}",
    "quoted": lambda n, v: f'    environment:\n      {_ascii(n)}: "a\n        {v}"', "unknown": lambda n, v: f"    {_ascii(n)}_extra: \"{v}\"",
}
CODE: dict[str, _Place] = {
    "assigned": lambda n, v: f"{_ascii(n)} = '{v}'", "lines": lambda n, v: f"{_ascii(n)} = (\n    '{v}')", "two": lambda n, v: f"{_ascii(n)} = 'a' '{v}'", "backslash": lambda n, v: f"{_ascii(n)} = \\\n    \"{v}\"", "dict": lambda n, v: f"d = {{'{n}': '{v}'}}",
    "default": lambda n, v: f"x = os.getenv('{_ascii(n)}', '{v}')", "comment": lambda n, v: f"x = 1  # {n} {v}", "doc": lambda n, v: f'def f():\n    """{n}\n    {v}"""', "f": lambda n, v: f"x = f'Bearer {v}'", "raw env": lambda n, v: f"raw_env = ['{_ascii(n)}={v}']",
    "call": lambda n, v: f"login('me', '{v}')", "index": lambda n, v: f"os.environ['{_ascii(n)}'] = '{v}'",
}
LOG: dict[str, _Place] = {
    "colon": lambda n, v: f"ERROR could not start: {n}: {v}", "is": lambda n, v: f"INFO {n}={v}", "wide": lambda n, v: f"ERROR {n}\uff1a{v}", "arrow": lambda n, v: f"WARNING {n} -> {v}", "wide is": lambda n, v: f"connect failed {n}\uff1d{v}",
    "url": lambda n, v: f"ERROR connection to amqps://u:{quote(v, safe='')}@mq/ refused", "json": lambda n, v: f"ERROR request failed {json.dumps({n: v}, ensure_ascii=False)}", "bearer": lambda n, v: f"request failed: Authorization: Bearer {v}",
    "cookie": lambda n, v: f"INFO Cookie: {_ascii(n)}={v}", "get": lambda n, v: f'INFO: 10.0.0.1:1 - "GET /x?{_ascii(n)}={quote(v, safe="")} HTTP/1.1" 200 OK', "encoded": lambda n, v: f'"GET /x%3F{_ascii(n)}%3D{quote(v, safe="")} HTTP/1.1" 500',
    "go": lambda n, v: f"cannot connect to shop:{v}@tcp(127.0.0.1:3306)/shop", "said": lambda n, v: f"{n}是 {v}", "free": lambda n, v: f"loaded {v} for you", "telegram": lambda n, v: f"timeout at https://api.telegram.org/bot1234567890:AA{v}/getMe",
    "quoted line": lambda n, v: f'Traceback (most recent call last):\n  File "/srv/a.py", line 3, in <module>\n    connect({_ascii(n)}="{v}")\nRuntimeError: no',
}
NGINX_LOG: dict[str, _Place] = {
    "request": lambda n, v: _error(f'request: "GET /x?{_ascii(n)}={quote(v, safe="")} HTTP/1.1", upstream: "http://127.0.0.1:8000/x?{_ascii(n)}={quote(v, safe="")}", host: "a"'),
    "referrer": lambda n, v: _error(f'request: "GET / HTTP/1.1", upstream: "http://127.0.0.1:8000/", host: "a", referrer: "https://me@corp.example:{quote(v, safe="")}@a/"'),
}
ARGV: dict[str, _Place] = {
    "option": lambda n, v: f"/usr/bin/app\0--{_ascii(n)}\0{v}\0", "is": lambda n, v: f"/usr/bin/app\0--{_ascii(n)}={v}\0", "pair": lambda n, v: f"/usr/bin/env\0{_ascii(n)}={v}\0app\0", "short": lambda n, v: f"mysql\0-uroot\0-p{v}\0", "code": lambda n, v: f"python3\0-c\0x='{v}'\0",
}
SCRIPT: dict[str, _Place] = {
    "export": lambda n, v: f"#!/bin/sh\nexport {_ascii(n)}='{v}'\nexec true\n", "before": lambda n, v: f"#!/bin/sh\n{_ascii(n)}={v} exec app --port 80\n", "comment": lambda n, v: f"#!/bin/sh\ntrue # {n} {v}\n", "option": lambda n, v: f"#!/bin/sh\nexec app --{_ascii(n)} \"{v}\"\n",
    "lines": lambda n, v: f"#!/bin/sh\nexport {_ascii(n)}='a\n{v}'\n",
}
PROGRAM: dict[str, _Place] = {
    "environment": lambda n, v: f"environment={_ascii(n)}=\"{v}\",PORT=\"80\"", "more": lambda n, v: f"environment=A=1,\n    {_ascii(n)}='{v}'", "command": lambda n, v: f"command=/usr/bin/app --{_ascii(n)} {v}", "comment": lambda n, v: f"; {n} {v}",
}
INSPECT: dict[str, _Place] = {"env": lambda n, v: f"{n}={v}", "cmd": lambda n, v: f"--{_ascii(n)}\0{v}", "label": lambda n, v: f"app.{_ascii(n)}\0{v}", "entry": lambda n, v: f"mysql\0-p{v}", "flag": lambda n, v: f"--{_ascii(n)}={v}"}
PLACES: dict[str, dict[str, _Place]] = {
    "nginx": NGINX, "top": TOP, "unit": UNIT, "env": ENV, "yaml": YAML, "code": CODE, "log": LOG, "nginx-log": NGINX_LOG, "argv": ARGV, "script": SCRIPT, "program": PROGRAM, "inspect": INSPECT,
}


def _error(rest: str) -> str:
    return f"2026/11/28 11:00:00 [error] 7#7: *1 connect() failed (111: Connection refused) while connecting to upstream, client: 10.0.0.1, server: a, {rest}"


def draw(seed: int, count: int = 300) -> list[tuple[Secret, str, str]]:
    """Return secrets, each with the kind of the file that holds it and its text there."""
    dice = random.Random(seed)
    drawn = []
    for _ in range(count):
        kind = dice.choices(list(PLACES), [len(places) for places in PLACES.values()])[0]
        place = dice.choice(list(PLACES[kind]))
        name = dice.choice(NAMES)
        what, value = draw_value(dice)
        forms = tuple(dict.fromkeys((value, quote(value), quote(value, safe=""))))
        drawn.append((Secret(f"{kind}: {place}", name, what, forms), kind, PLACES[kind][place](name, value)))
    return drawn
