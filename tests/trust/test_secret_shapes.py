"""Secrets in shapes and places that a name alone does not give away: none is left, and what stands around it is."""

from __future__ import annotations

import json
import time

import pytest

from fixer.redaction.all_files import redact_file, redact_inspect, redact_probe, redact_program
from fixer.redaction.commands import redact_argv
from fixer.redaction.nginx_words import redact_nginx
from fixer.redaction.secrets import redact_text

S = "hunter2Qzz99"
UNIT, YAML = "/etc/systemd/system/a.service", "/srv/compose.yml"


@pytest.mark.parametrize("line", [
    f"postgres://shop:p@{S}@db/shop", f'"GET /x?code={S}&state=z HTTP/1.1", host: "a"', f'"GET /x?a=1&sig={S} HTTP/1.1"',
    f"GET /x?X-Amz-Signature={S}&a=1", f"GET /x?key={S}", f"mysql -u root -p{S} shop", f"mysqldump --password '{S}' shop",
    f'["app", "--password", "{S}"]', f"sshpass -p {S} ssh x", f"sshpass -p{S} ssh x", f"redis-cli -a {S} ping",
    f'["CMD", "redis-cli", "-a", "{S}", "ping"]', f"curl -uadmin:{S} x", f"curl -u 'admin:{S}' x", f"curl --user=admin:{S} x",
    f'{{\\"password\\": \\"{S}\\"}}', f"<password>{S}</password>", f"SMTP_PW={S}", f"JWT={S}", f"AccountKey={S}==;EndpointSuffix=core",
    f"sessionid={S}", f'"session": "{S}"', f"PHPSESSID={S}", f"connect.sid={S}", f"app --db-pass {S}", f"a PASSWORD=foo;{S}",
    f"a PASSWORD=foo,{S}", f"PASSWORD='foo'{S}", f'x; PASSWORD=foo"{S}" y', f"PASSWORD+={S}", f"${{DB_PASSWORD-{S}}}",
    f'os.environ["SECRET_KEY"] = "{S}"', f"os.environ.get('SECRET_KEY', '{S}')", f"('password', '{S}')", f'["password", "{S}"]',
    f"[('Authorization', 'Bearer {S}')]", f"(b'cookie', b'sid={S}')",
    f"  String should have at least 32 characters [type=string_too_short, input_value='{S}', input_type=str]",
    f"https://{S}-{S}@github.com/x.git", f"npm_{S * 3}", f"SG.{S * 2}.{S * 3}", f"https://hooks.slack.com/services/T0/B0/{S * 2}",
    f"sk-proj-{S * 2}", f"hvs.{S * 2}", f"pypi-{S * 2}", f"admin:$apr1$abc$defghijk{S}", f"app:$6$abcdefgh$ijk{S * 2}",
    f"dckr_pat_{S * 2}", f"ya29.{S * 2}", f"xapp-1-A-{S * 2}", f"whsec_{S * 2}", f"[SQL: ALTER USER shop WITH PASSWORD '{S}']",
    f"CREATE USER 'shop'@'%' IDENTIFIED BY '{S}'", f'identified by "{S}"',
    f"db.example:5432:shop:app:{S}", f"*:*:*:postgres:{S}", f"echo 'db:5432:*:shop:{S}' > ~/.pgpass", f"/run/postgresql:5432:shop:app:{S}",
    f"machine h.example login u password {S}", "default login u password correct", f"  password {S}", f"the password is {S}.", f"Password was changed to {S}",
    f'password for shop is "{S}"', f"connects with password {S} to x", f"Passphrase {S} was wrong", f"passphrase is 'correct horse {S} staple'",
    f"Invalid password '{S}' for user x", f"the api key is {S}XX", f"token {S}{S} has expired", f"secret was {S}XX", f"AUTH PLAIN {S}=",
    f"X-Origin-Verify: {S}", f"X-CDN-Auth: {S}", f"-H 'x-shop-secret: {S}'", f"get(url, auth=HTTPBasicAuth('u','{S}'))", f'HTTPDigestAuth("u", "{S}")',
    f"get(url, auth=('u', '{S}'))", f"smtp.login('me@shop.example', '{S}')", f"sq0csp-{S * 3}", f"sq0atp-{S * 2}", f"AAAA{S[:7]}:APA91b{S * 12}",
    f"GOCSPX-{S * 2}", f"gldt-{S * 2}", f"ATATT3{S * 3}", f"hf_{S * 3}", f"glsa_{S * 3}", f"pscale_tkn_{S * 2}", f"lin_api_{S * 2}", f"abc8Q~{S * 3}",
    f"MIIEvQIBADANBgkqhkiG9w0BAQEF{S * 2}", f"MIGkAgEBBDD{S * 5}"[:64],
])
def test_a_line(line: str) -> None:
    said = redact_text(line)
    assert S not in said and "[redacted" in said and "correct" not in said


HEX = "0a1b2c3d" * 4


@pytest.mark.parametrize("line", [f"shpat_{HEX}", f"key-{HEX}", f"SK{HEX}", f"dapi{HEX}", f"rubygems_{HEX}{HEX}", f"sbp_{HEX}"])
def test_a_key_in_figures(line: str) -> None:
    assert "[redacted" in redact_text(f"with {line} it") and HEX not in redact_text(f"with {line} it")


@pytest.mark.parametrize("line", [
    "('body', 'password')", "Missing fields: ['password', 'username']", "Field required [type=missing, input_value={}, input_type=dict]",
    "GET /x?page=2&sort=key HTTP/1.1", "http://127.0.0.1:8000/users/@me", "https://deploy@git.example/x.git", "<name>shop</name>",
    "${PORT:-8000}", "curl -fsS http://127.0.0.1:8000/health", "mysql -h db -P 3306 shop", "the session is over", "sk-learn and npm run build",
    "the user was identified by 'ip address' alone"[:24], "ya29 and whsec are prefixes",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "session=12 of user 1000", "MIISSING",
    "Failed password for root from 10.0.0.9 port 52311 ssh2", "Failed password for invalid user admin2000 from 10.0.0.9", "the password is required",
    "password is base64", "Accepted password for deploy1 from 10.0.0.9", "password must be 12-64 characters", "password field2 is empty", "password /etc/nginx/htpasswd1",
    "no password host1.example:5432", "password authentication failed for user \"shop_1\"", "hashes the password with bcrypt12", "password sha256",
    "Unexpected token in JSON at position 12", "unexpected token export2", "token is expired", "invalid token at line 12", "secret name is db-credentials",
    "a key is missing", "login failed password incorrect", "default login shell /bin/bash", "the machine login failed", "login u password reset",
    "2001:db8:0:1:1234:5678:9abc:def0", "00:11:22:33:44:55", "127.0.0.1:8080:80", "root:x:0:0:root:/root:/bin/bash", "1:2345:respawn:/sbin/getty 38400 tty1",
    "12:34:56.789 app:8000:ready", "upstream: http://10.0.0.1:8000/a:b:c:d", "ssl_client_verify is NONE", "proxy_set_header X-Origin-Verify $secret;",
    "X-Accel-Redirect: /x", "login('shop')", "key-value store", "SKIPPED [12] tests", "glibc-2.36-9+deb12u4", "hf_", "globals", "shape_12", "passed 12 tests",
    "PASS test_orders2", "AUTH PLAIN is offered", "sq0 and sq1", "Private-Lines: 12", "password 'required'", "passphrase 'is' needed",
    "bypassed the cache", "--bypass is not an option",
])
def test_what_is_no_secret_stays(line: str) -> None:
    assert redact_text(line) == line


def test_of_two_settings_in_a_line_only_the_secret_one_goes() -> None:
    assert redact_text(f"Server=x;Password={S};Database=shop") == "Server=x;Password=[redacted: Password];Database=shop"
    assert redact_text(f"{{user=x, password={S}, port=80}}") == "{user=x, password=[redacted: password], port=80}"


def test_a_key_whose_beginning_was_not_read() -> None:
    key = "\n".join(f"12:00:0{n} app[7]: {S}{S}AB+/{n}" for n in range(3))
    said = redact_text(f"12:00:00 app[7]: started well\n{key}\n12:00:09 app[7]: -----END PRIVATE KEY-----\nTraceback\n")
    assert S not in said and "started well\n" in said and "Traceback" in said and said.count("\n") == 6


PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{S}AAAA\n{S}BBBB\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(("path", "data", "kept"), [
    ("/etc/default/x", f'KEY="{PEM}"\nPORT=80\n', "PORT=80"), ("/etc/default/x", f'KEY="first\n{S}\nlast"\nPORT=80\n', "PORT=80"),
    ("/etc/default/x", f"KEY='first\n{S}'\nPORT=80\n", "PORT=80"), ("/etc/default/x", f"KEY=first\\\n{S}\nPORT=80\n", "PORT=80"),
    ("/etc/default/x", f"A='open\nPORT=80\nB={S}\nC=it's\n", "PORT=80"), ("/etc/default/x", f"FOO={S}\n[a]\n[b]\n[c]\n", "[b]"),
    ("/srv/app.env", f"foo.bar={S}\nPORT=80\n", "PORT=80"),
    (UNIT, f'Environment=A=b \\\n# why\n  "K=a b {S}"\nUser=x\n', "User=x"), (UNIT, f"Environment=K='{S} {S}' PORT=80\n", "PORT=80"),
    (UNIT, f"Environment=K=a\\ {S} PORT=80\n", "PORT=80"), (UNIT, f"SetCredential=db: \\\n {S} \\\n {S}\nUser=x\n", "User=x"),
    (UNIT, f"ExecStart=/usr/bin/env FOO={S} PORT=80 /x\n", "PORT=80 /x"), (UNIT, f'ExecStart=/bin/sh -c "FOO={S} exec x"\n', "exec x"),
    ("/srv/gunicorn.conf.py", f"raw_env = [\n  'FOO={S}',\n  \"PORT=80\",  # why\n]\nworkers = 2\n", "PORT=80"),
    ("/srv/gunicorn.conf.py", f"raw_env = ('FOO={S}', 'BAR={S}')\nworkers = 2\n", "workers = 2"),
    ("/srv/ecosystem.config.js", f"module.exports = {{apps: [{{env: {{FOO: '{S}', PORT: 80}},\n env_production: {{\n 'BAR': `{S}` }} }}]}}\n", "PORT: 80"),
    ("/srv/ecosystem.config.cjs", f"env: {{\n  FOO: \"{S}\",\n  HOST: '127.0.0.1',\n }}, script: 'app.js'\n", "HOST: '127.0.0.1',\n }, script: 'app.js'"),
    ("/srv/pm2.json", f'{{"apps": [{{"env": {{"FOO": "{S}", "PORT": "80"}}, "script": "a.js"}}]}}\n', '"PORT": "80"}, "script": "a.js"'),
    ("/srv/x.yml", f"apps:\n  - env:\n      FOO: {S}\n    env_file: .env\n", "env_file: .env"),
    ("/root/.netrc", f"machine h.example\n  login u\n  password correct{S}\n# more\n", "login u"),
    ("/srv/key.ppk", f"PuTTY-User-Key-File-3: ssh-rsa\nPublic-Lines: 1\nAAAAB3\nPrivate-Lines: 2\n{S}\n{S}==\nPrivate-MAC: 0a1b2c3d4e\nafter\n", "AAAAB3\nPrivate-Lines: 2\n"),
    ("/srv/run.sh", f"#!/bin/sh\nexport K='a\n{S}'\nexec env A={S} PORT=80 x\n", "PORT=80 x"),
])
def test_files(path: str, data: str, kept: str) -> None:
    said = redact_file(path, data.encode()).decode()
    assert S not in said and kept in said and said.count("\n") == data.count("\n")


@pytest.mark.parametrize("body", [
    f"    environment:\n      KEY: |\n        {S}\n        {S}\n", f"    environment:\n      - KEY=a\n      - FOO=>-\n      KEY: >-\n        {S}\n",
    f'    environment:\n      KEY: "a\n        {S}"\n', f"    environment:\n      KEY: |\n        {PEM}\n".replace("\n" + S, "\n        " + S),
    f'    environment:\n      - "K.E-Y={S}"\n', f"    environment: {{KEY: {S},\n      OTHER: {S}}}\n", f"    build:\n      args:\n        FOO: {S}\n",
    f'    command: sh -c "FOO={S} exec app"\n', f'    entrypoint: ["env", "FOO={S}", "app"]\n', f"    command: env FOO={S} app\n", f"    command: >\n      FOO={S}\n      exec app\n",
    f'    command: ["app", "--password", "{S}"]\n', f"    command:\n      - app\n      - --password\n      - {S}\n",
    f"    environment:\n      KEY: ${{KEY:-{S}}}\n", f'    healthcheck:\n      test: ["CMD", "redis-cli", "-a", "{S}", "ping"]\n',
    f"    x: &env\n      FOO: {S}\n", f"    labels:\n      app.secret: {S}\n      - app.token={S}\n",
    f"    labels:\n      users: admin:$$apr1$$abcd$$abcdefghij{S}\n", f"    configs:\n      y:\n        content: |\n          {S}\n",
])
def test_compose_files(body: str) -> None:
    data = f"services:\n  a:\n{body}    image: x\n    ports: ['127.0.0.1:80:80']\n"
    said = redact_file(YAML, data.encode()).decode()
    assert S not in said and "    image: x\n    ports: ['127.0.0.1:80:80']\n" in said and said.count("\n") == data.count("\n")


def test_a_default_that_is_an_address_stays() -> None:
    data = b"services:\n  a:\n    environment:\n      PORT: ${PORT:-8000}\n      KEY: ${KEY:?}\n    ports: ['${P:-80}:80']\n"
    assert redact_file(YAML, data) == data


@pytest.mark.parametrize("text", [
    f'proxy_set_header "Authorization" "Basic {S}";', f"set $db_pass {S};", f"proxy_pass http://127.0.0.1:80/?token={S};",
    f'if ($http_x_token != "{S}") {{ return 403; }}', f"if ($arg_token = {S}) {{ return 403; }}", f'map $http_authorization $ok {{ "Bearer {S}" 1; default 0; }}',
    f"map $cookie_sid $u {{\n  # known\n  {S} a;\n  default '';\n}}", f"secure_link_secret {S};", f'secure_link_md5 "$uri {S}";',
    f"return 301 https://x/?token={S};", f"rewrite ^ /x?api_key={S};", f"env FOO={S};", f"proxy_set_header X-Auth {S};",
    f"proxy_set_header X-Origin-Verify {S};", f'if ($http_x_origin_verify != "{S}") {{ return 403; }}', f"proxy_set_header X-Signature {S};", f"proxy_pass http://u:p@{S}@h:80;", f'return 200 "ghp_{S}{S}";',
])
def test_nginx(text: str) -> None:
    said = redact_nginx(text.encode()).decode()
    assert S not in said and said.count(";") == text.count(";") and said.count("{") == text.count("{") and said.count("\n") == text.count("\n")


@pytest.mark.parametrize("text", [
    "set $auth_backend http://10.0.0.7:9000; proxy_pass http://$auth_backend;", "set $token_service 127.0.0.1:8001;",
    "map $http_upgrade $connection_upgrade { default upgrade; '' close; }", "proxy_set_header Authorization $http_authorization;",
    "proxy_cache_key $scheme$host$uri; set $cache_key $uri;", "proxy_pass http://127.0.0.1:8000/?page=2; rewrite ^/(.*)$ /x/$1$is_args$args;",
])
def test_nginx_without_secrets_stays(text: str) -> None:
    assert redact_nginx(text.encode()).decode() == text


def test_labels_and_options_of_a_container_are_judged_by_their_names() -> None:
    labels = {"app.secret": S, "users": f"a:$apr1$abc$abcdefghij{S}", "com.docker.compose.project": "shop"}
    item = {"Id": "x", "Config": {"Labels": labels, "Cmd": ["sh", "-c", f"FOO={S} mysql -p{S}"]}, "HostConfig": {"LogConfig": {"Config": {"splunk-token": S}}}}
    said = redact_inspect(json.dumps([item]).encode())
    assert S.encode() not in said and b'"com.docker.compose.project": "shop"' in said


@pytest.mark.parametrize(("argv", "left"), [
    (["mysql", "-ux", f"-p{S}", "-P", "3306"], ["mysql", "-ux", "-p[masked 1]", "-P", "3306"]),
    (["redis-cli", "-a", S, "ping"], ["redis-cli", "-a", "[masked 1]", "ping"]),
    (["/usr/bin/curl", "-u", f"a:{S}", "x"], ["/usr/bin/curl", "-u", "[masked 1]", "x"]),
    (["curl", f"-ua:{S}"], ["curl", "-u[masked 1]"]), (["sudo", "sshpass", "-p", S], ["sudo", "sshpass", "-p", "[masked 1]"]),
    (["env", f"FOO={S}", "PORT=80", "x"], ["env", "FOO=[masked 1]", "PORT=80", "x"]), (["x", "--requirepass", S], ["x", "--requirepass", "[masked 1]"]),
    (["docker", "run", f"--env=FOO={S}", "x"], ["docker", "run", "--env=FOO=[masked 1]", "x"]), (["curl", "-b", f"sid={S}", "x"], ["curl", "-b", "sid=[masked 1]", "x"]),
    (["curl", "--cookie", f"x={S}"], ["curl", "--cookie", "[masked 1]"]), (["mongosh", "-p", S], ["mongosh", "-p", "[masked 1]"]),
    (["openssl", "enc", "-k", S], ["openssl", "enc", "-k", "[masked 1]"]),
    (["uvicorn", "-p", "80", "--app-dir", "/srv"], ["uvicorn", "-p", "80", "--app-dir", "/srv"]), (["nginx", "-p", "/x", "-c", "/y"], ["nginx", "-p", "/x", "-c", "/y"]),
])
def test_commands(argv: list[str], left: list[str]) -> None:
    assert redact_argv(argv) == left


def test_supervisord_and_probes() -> None:
    said = redact_program(f'[program:a]\nenvironment=A="x\\"{S}",PORT="80"\ncommand=x\n'.encode())
    assert S.encode() not in said and b'PORT="80"' in said and b"command=x" in said
    assert S.encode() not in redact_probe(json.dumps({"head": f"Location: /?code={S}", "error": f"token={S}", "status": 302}).encode())


@pytest.mark.parametrize("part", [
    "<a>", "${A", "'a','", "?code=", "mysql ", "redis-cli -", "curl -", "sess", "session=", "input_value=", "$6$", "MII", "a\\\"", "A=,", "a:b@", "sk-",
    "http://a:b@c", "password is ", "password a1", "token ", "machine a login b password ", "*:*:", "a:1234:b:c:", ".login('", "auth=('", "raw_env=['A=", "env: {", "env:{a:'",
    "Private-Lines: 9\n", "default\nlogin a\n", "passphrase 'a ", "AUTH PLAIN ", "http://a:b@c", "\\\"", "identified by '", "password '", "-----END ", "A='",
])
def test_a_long_line_costs_its_length(part: str) -> None:
    began = time.process_time()
    text = part * (40_000 // len(part))
    redact_text(text)
    redact_nginx(text.encode())
    redact_file("/etc/default/x", text.encode())
    redact_file(YAML, text.encode())
    redact_file(UNIT, text.encode())
    redact_file("/srv/x.py", text.encode())
    assert time.process_time() - began < 2.0
