"""Tests of fixer/hosts/collect_script.py."""

from __future__ import annotations

import os
import re
import resource
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from fixer.hosts.collect_script import build_collect_script, redact_program
from fixer.hosts.machine.query_commands import JOURNAL_AS_JSON, JOURNAL_AS_TEXT
from fixer.hosts.sh import round_script
from fixer.redaction.all_files import redact_manager_file
from fixer.redaction.masks import Masks
from fixer.redaction.secrets import MASKED_NAME_PARTS
from tests.trust.drawn_secrets import draw
from tests.trust.test_drawn_secrets import file_of
from tests.trust.test_drawn_secrets import masked as masked_by_fixer

pytestmark = pytest.mark.skipif(shutil.which("awk") is None, reason="the script needs awk")


def masked(path: str, text: str, known: str = "", awk: tuple[str, ...] = ("awk",)) -> str:
    data = f"==> /./{path} <==\n{text}\n".replace("\0", "\x01")
    done = subprocess.run([*awk, "-v", "N=nonce", "-v", "P=/.", "-v", "U=", "-v", f"K={known}", PROGRAM], input=data.encode(), capture_output=True, check=True,
                          env={**os.environ, "LC_ALL": "C"})
    return done.stdout.decode().partition("\n")[2]


PROGRAM = redact_program(MASKED_NAME_PARTS.replace("(?:", "("))
S = "hunter2-x"


@pytest.mark.parametrize(("path", "text", "kept"), [
    ("etc/default/shop", f"SECRET_KEY={S}", "SECRET_KEY="), ("etc/default/shop", f"ANY='{S} b'\nPORT=8000", "PORT=8000"),
    ("srv/shop/.env", f"export DATABASE_URL=postgres://u:{S}@db/x", "export DATABASE_URL="),
    ("etc/systemd/system/a.service", f'Environment="A={S} b" PORT=80\nExecStart=x --port 80', "PORT=80"),
    ("etc/systemd/system/a.service", f"Environment=A=1 \\\n  B={S}\nExecStart=x", "ExecStart=x"),
    ("etc/supervisor/conf.d/a.conf", f'environment=A="{S}, b",\n  B={S}\ncommand=uvicorn a --port 81', "command=uvicorn a --port 81"),
    ("etc/nginx/nginx.conf", f'proxy_set_header Authorization "Bearer {S}";', "proxy_set_header Authorization"),
    ("etc/nginx/nginx.conf", f"proxy_pass http://user:{S}@10.0.0.1:80;", "10.0.0.1:80"),
    ("var/log/nginx/error.log", f'request: "GET /?access_token={S} HTTP/1.1", upstream: "http://127.0.0.1:80/"', "GET /?access_token="),
    ("proc/7/cmdline", f"app\0--db-password\0{S}\0--port\x0080", "--port"), ("proc/7/cmdline", f"app\0--api-key={S}", "app"),
    ("srv/a.py", f'API_KEY = "{S}"\nX = os.environ["API_KEY"]', 'os.environ["API_KEY"]'),
    ("etc/nginx/k.pem", f"-----BEGIN PRIVATE KEY-----\n{S}\n-----END PRIVATE KEY-----\nafter", ""),
    ("var/log/app.log", f"password: {S}\nKeyError: 'SECRET_KEY'", "KeyError: 'SECRET_KEY'"),
    ("etc/default/shop", f'KEY="first\n{S}\nlast"\nPORT=8000', "PORT=8000"), ("etc/default/shop", f"KEY=first\\\n{S}\nPORT=8000", "PORT=8000"),
    ("etc/default/shop", f'KEY="-----BEGIN PRIVATE KEY-----\n{S}\n-----END PRIVATE KEY-----"\nPORT=8000', "PORT=8000"),
    ("etc/default/shop", f"-----BEGIN PRIVATE KEY-----\n{S}\n-----END PRIVATE KEY-----\nPORT=8000", "PORT=8000"),
    ("etc/systemd/system/a.service", f'Environment=A=1 \\\n# why\n  "B={S} {S}"\nExecStart=x', "ExecStart=x"),
    ("etc/systemd/system/a.service", f"SetCredential=db: \\\n {S} \\\n {S}\nUser=x", "User=x"),
    ("etc/systemd/system/a.service", f"ExecStart=/usr/bin/env FOO={S} PORT=80 /x", "PORT=80 /x"),
    ("var/log/x.log", f"GET /cb?code={S}&state=z HTTP/1.1", "&state="), ("var/log/x.log", f"run --db-password {S} --port 80", "--port 80"),
    ("var/log/x.log", f"mysql -u root -p{S} shop", "mysql -u root -p"), ("var/log/x.log", f"curl -u admin:{S} http://x/", "http://x/"),
    ("var/log/x.log", "token ghp_hunter2-xhunter2-xhunter2 end", " end"), ("proc/7/cmdline", f"mysql\0-ux\0-p{S}\0shop", "shop"),
    ("proc/7/cmdline", f"redis-cli\0-a\0{S}\0ping", "ping"), ("proc/7/cmdline", f"env\0FOO={S}\0PORT=80\0x", "PORT=80"),
    ("proc/7/cmdline", f"curl\0-u\0admin:{S}\0x", "x"), ("proc/7/cmdline", f"curl\0-b\0sid={S}\0x", "x"),
    ("proc/7/cmdline", f"mongosh\0-p\0{S}\0x", "x"), ("proc/7/cmdline", f"openssl\0enc\0-k\0{S}\0x", "x"),
    ("proc/7/cmdline", f"docker\0run\0--env=FOO={S}\0x", "x"),
    ("var/log/x.log", f"'db:5432:shop:app:{S}'", "db:5432:shop:app:"), ("var/log/x.log", f"echo 'db:5432:*:shop:{S}' > ~/.pgpass", "' > ~/.pgpass"),
    ("var/log/x.log", f"machine h login u password {S} #", "login u password"), ("root/.netrc", f"machine h\n login u\n password {S}", ""),
    ("var/log/x.log", f"the password is {S}, says it", ", says it"), ("var/log/x.log", f"password for shop was changed to '{S}' now", "' now"),
    ("var/log/x.log", f"passphrase is 'correct horse {S} staple' here", "' here"), ("var/log/x.log", f"token {S}{S}{S} expired", "expired"),
    ("var/log/x.log", f"X-Origin-Verify: {S}", "X-Origin-Verify: "), ("etc/nginx/nginx.conf", f"proxy_set_header X-Origin-Verify {S};", "proxy_set_header X-Origin-Verify"),
    ("var/log/x.log", f"get(u, auth=HTTPBasicAuth('u','{S}'))", "'u','"), ("var/log/x.log", f"smtp.login('me@x', '{S}') failed", "') failed"),
    ("var/log/x.log", f"with sq0csp-{S * 3} here", " here"), ("var/log/x.log", f"AAAAabcdefg:APA91b{S * 9} here", " here"), ("var/log/x.log", f"AUTH PLAIN {S}= ok", "AUTH PLAIN "),
    ("srv/gunicorn.conf.py", f"raw_env = [\n  'FOO={S}',\n  'PORT=80',\n]\nworkers = 2\nx = 'A=b'", "'PORT=80',\n]\nworkers = 2\nx = 'A="),
    ("srv/gunicorn.conf.py", f"raw_env = ('FOO={S}',)\nx = 'A=b'", "x = 'A="),
    ("srv/a.config.cjs", f"apps: [{{ env: {{ FOO: '{S}', PORT: '80' }}, name: 'x' }}]", "PORT: '80' }, name: '"),
    ("srv/pm2.json", f'{{"env": {{\n "FOO": "{S}",\n "PORT": "80"}}, "name": "x"}}', '"PORT": "80"}, "name": "'),
    ("srv/k.ppk", f"Private-Lines: 2\n{S.replace('-', '')}\n{S.replace('-', '')}\nPrivate-MAC: 0a1b2c3d4e\nafter", ""),
    ("var/log/x.log", f"failed: ALTER USER shop WITH PASSWORD '{S}'", "failed: ALTER USER shop"), ("var/log/x.log", f"with dckr_pat_{S * 2} here", "here"),
])
def test_the_same_secrets_are_masked_as_in_any_bundle(path: str, text: str, kept: str) -> None:
    telling = "error: " if path.startswith("var/log/x") else ""     # of another line nothing is shown
    shown = masked(path, telling + text)
    assert S not in shown and S.replace("-", "") not in shown
    assert kept in shown
    assert len(shown.splitlines()) == len(text.splitlines())


@pytest.mark.parametrize("part", ["A", "a.", "a=", "://a:", "-a ", "?a=", "x-", "--pass", "curl -u a", "eyJ"])
@pytest.mark.parametrize("path", ["proc/7/cmdline", "var/log/x.log", "etc/default/x", "etc/systemd/system/a.service"])
def test_a_long_line_costs_the_script_no_more_than_its_length(path: str, part: str) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    masked(path, part * (60_000 // len(part)))
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 2


def test_rules_stay_json_and_of_the_kernels_log_only_kills_are_kept() -> None:
    program = redact_program(MASKED_NAME_PARTS.replace("(?:", "("), kernel="4", rules="5")
    rule = '{"match": {"left": {"meta": {"key": "iif"}}, "right": "lo"}, "comment": "token: ' + S + '"}'
    data = f"nonce 5 out 0\n{rule}\nnonce 4 out 0\n[1.0] usb token={S}\n[2.0] Killed process 7 (uvicorn)\nnonce end\n"
    done = subprocess.run(["awk", "-v", "N=nonce", "-v", "P=/.", program], input=data.encode(), capture_output=True, check=True)
    shown = done.stdout.decode()
    assert S not in shown and '{"key": "iif"}' in shown and "usb" not in shown and "Killed process 7" in shown


@pytest.mark.parametrize("text", ["proxy_set_header Authorization $http_authorization;", "auth_basic_user_file /etc/nginx/passwd;",
                                  "proxy_pass http://127.0.0.1:8000;", "ssl_certificate_key /etc/ssl/k.pem;",
                                  "rewrite ^ /x?page=2;", "proxy_pass http://127.0.0.1:8000/x;", "return 301 /?sig=$arg_sig;"])
def test_what_is_no_secret_stays(text: str) -> None:
    assert masked("etc/nginx/sites-enabled/shop", text) == text + "\n"


@pytest.mark.parametrize("text", ["Failed password for root from 10.0.0.9 port 52311 ssh2", "Failed password for invalid user admin2000 from 10.0.0.9", "the password is required",
                                  "password is base64", "password must be 12-64 characters", "password field2 is empty", "no password host1.example:5432", "token is expired",
                                  "password authentication failed for user \"shop_1\"", "Unexpected token in JSON at position 12", "login failed password incorrect",
                                  "2001:db8:0:1:1234:5678:9abc:def0", "127.0.0.1:8080:80", "12:34:56.789 app:8000:ready", "SKIPPED [12] tests", "glibc-2.36-9+deb12u4", "key-value store",
                                  "login('shop')", "environment: {'A': 'b'}", "AUTH PLAIN is offered", "password /etc/nginx/htpasswd1"])
def test_what_a_log_says_of_passwords_stays(text: str) -> None:
    assert masked("var/log/app.log", f"error: {text}") == f"error: {text}\n"


KINDS = {"nginx": "etc/nginx/nginx.conf", "top": "etc/nginx/conf.d/a.conf", "unit": "etc/systemd/system/a.service", "env": "etc/default/app", "code": "srv/a.py", "script": "srv/run.sh",
         "program": "etc/supervisor/conf.d/x.conf", "argv": "proc/7/cmdline", "log": "var/log/x.log", "nginx-log": "var/log/nginx/error.log"}
LOGS = ("log", "nginx-log")
SCRIPT_SEEDS = (21, 22)
AWKS = [("awk",), *(awk for awk in (("busybox", "awk"), ("mawk",), ("gawk",)) if shutil.which(awk[0]))]     # Alpine's is busybox's


@pytest.mark.parametrize("awk", AWKS)
@pytest.mark.parametrize("seed", SCRIPT_SEEDS)
def test_both_collectors_mask_the_same(seed: int, awk: tuple[str, ...]) -> None:
    """Each drawn text gives the same bytes; of a line of a log only the kinds of the marks may differ."""
    differing = []
    for secret, kind, text in draw(seed):
        if kind not in KINDS:
            continue
        shown = masked(KINDS[kind], file_of(kind, text).rstrip("\n"), awk=awk).replace("\x01", "\0").rstrip("\n").encode()
        if kind not in LOGS and shown != masked_by_fixer(kind, text, Masks()).rstrip(b"\n"):
            differing.append(f"{secret.place}, {secret.name}, {secret.kind}")
        if any(form.encode() in shown for form in secret.forms):
            differing.append(f"leaked: {secret.place}, {secret.name}, {secret.kind}")
    assert differing == []


def test_a_name_of_a_unit_or_file_stays() -> None:
    name, unit = "t1d9b99a0desk", "etc/systemd/system/a.service"
    text = f"ExecStart=/srv/{name}/run --name {name}-api"
    assert masked(unit, text, known=f"/srv/{name}") == text + "\n"
    assert name not in masked(unit, text)


def test_a_page_that_was_asked_is_masked_as_the_location_that_names_it() -> None:
    secret = "Zx9Kq7LmT4vB2nW8"
    data = f"==> /./etc/nginx/nginx.conf <==\nlocation /hook/{secret}/ {{\nnonce spec 1 80 /hook/{secret}/ localhost\n"
    done = subprocess.run(["awk", "-v", "N=nonce", "-v", "P=/.", PROGRAM], input=data.encode(), capture_output=True, check=True)
    assert done.stdout.decode().splitlines()[1:] == ['location "/hook/[masked 1]/" {', "nonce spec 1 80 /hook/%5Bmasked%201%5D/ localhost"]


def test_the_script_asks_for_the_journal_as_fixer_does() -> None:
    script = build_collect_script([], [], secret_words="x", agent="a")
    (line,) = [line.strip() for line in script.splitlines() if "journal out" in line and "json" in line]
    asked, older = line.partition("; ")[2].split(" || ")
    assert asked == f"journalctl --quiet --no-pager {shlex.join(JOURNAL_AS_JSON)} \"$@\""
    assert older == f"journalctl --quiet --no-pager {shlex.join(JOURNAL_AS_TEXT)} \"$@\""


ENDED_BRACKET = re.compile(r"(?<!\\)\[\^?\]?[^\]\n]*?(?<!\\)(?:\\\\)*\\\]")      # an odd number of backslashes before its end


@pytest.mark.parametrize("name", ["redact.awk", "mask.awk"])
def test_a_bracket_of_a_pattern_ends_where_posix_says(name: str) -> None:
    """`[a\\]b]` is a bracket with a bracket in it for some awks; for that of busybox it ends at the first, and is no ERE."""
    text = (Path(round_script.__file__).parents[1] / name).read_text("utf-8")
    assert [line for line in text.splitlines() if ENDED_BRACKET.search(line)] == []
    assert ENDED_BRACKET.search(r"/[^ <>()[\]{},]+/") and ENDED_BRACKET.search(r"/^\[(masked)[^\]]*\]/")
    assert not ENDED_BRACKET.search(r"/[^] <>(){},\\]+/") and not ENDED_BRACKET.search(r"/\[masked [0-9]+\]/")


OPENRC_ARGUMENTS = ("--bind 127.0.0.1:8001 --api-key {} app:app", "app.main:app --host 127.0.0.1 --port ${{SHOP_PORT:-8000}} --token={}",
                    "-b unix:/run/shop.sock -e KEY={} shop.wsgi:application", "manage.py runserver 127.0.0.1:8000 {}", "$SHOP_OPTS")


@pytest.mark.parametrize("awk", AWKS)
@pytest.mark.parametrize("text", OPENRC_ARGUMENTS)
def test_both_collectors_show_the_arguments_of_openrc(text: str, awk: tuple[str, ...]) -> None:
    """As they show those of a unit's command."""
    secret = "Zx9Kq7LmT4vB2nW8"
    script = f'#!/sbin/openrc-run\nsupervisor=supervise-daemon\ncommand="/usr/bin/gunicorn"\ncommand_args="{text.format(secret)}"\n'
    shown = masked("etc/init.d/shop", script.rstrip("\n"), awk=awk)
    assert shown == redact_manager_file("/etc/init.d/shop", script.encode(), Masks()).decode()
    assert secret not in shown and ("127.0.0.1" in shown) == ("127.0.0.1" in text) and "supervisor=supervise-daemon" in shown
