"""Fifty secrets of twelve kinds, planted wherever fixer reads on a real broken machine: none comes out anywhere."""

from __future__ import annotations

import gzip
import io
import os
import re
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from fixer.model.plan import WriteFile
from fixer.redaction.masked_steps import diff_of
from fixer.redaction.secrets import redact_text
from lab.pytest_plugin import StartLab
from tests.trust import planted_secrets
from tests.trust.planted_secrets import PlantedSecrets

FIXER = [sys.executable, "-m", "fixer"]
PROSE = (
    "the password is wrong", "Enter your password: ", "no token was given", "wrong user or password", "basic authentication failed",
    "--token is required", "set the secret first", "authorization is not needed here", "the cookie expired",
    "use --password to give one", "a session key of 32 bytes", "key file /etc/ssl/private/shop.key not found",
)


def test_there_are_fifty_of_twelve_kinds() -> None:
    p, _ = everything()
    assert len(p.all) >= 50 and len(set(p.all)) == len(p.all) and len(p.made) == 12


def everything() -> tuple[PlantedSecrets, str]:
    """All texts in one."""
    p = PlantedSecrets()
    texts = (planted_secrets.unit_dropin(p), planted_secrets.env_file_lines(p), planted_secrets.nginx_locations(p), planted_secrets.error_log(p, "shop", 80),
             planted_secrets.crash_output(p), " ".join(planted_secrets.process_arguments(p)))
    return p, "\n".join(texts)


def test_text_of_any_kind_loses_what_a_name_or_a_shape_gives_away() -> None:
    p, text = everything()
    said = redact_text(text)
    # a value whose name says nothing is hidden where files are known by their kind, not in any text
    assert [seen for seen in p.seen_in(said.encode()) if not seen.startswith("variable: ")] == []
    assert said.count("\n") == text.count("\n") and "[redacted: github]" in said and "[redacted: jwt]" in said


@pytest.mark.parametrize("line", PROSE)
def test_prose_stays_as_it_is(line: str) -> None:
    assert redact_text(line) == line


@pytest.mark.parametrize(("line", "kept"), [
    ("SMTP_PASS=hunter2Q", "SMTP_PASS="), ("proxy_pass http://127.0.0.1:8000;", "proxy_pass http://127.0.0.1:8000;"),
    ("curl -u admin:hunter2Q http://x/", "curl -u admin:"), ("app --api-key hunter2Q --port 80", "--port 80"),
    ('{"password": "hunter2Q and more', '{"password": '), ("set $api_token hunter2Q;", "set $api_token "), ("set $upstream http://127.0.0.1:1;", "set $upstream http://127.0.0.1:1;"),
])
def test_what_stands_around_it_stays(line: str, kept: str) -> None:
    said = redact_text(line)
    assert kept in said and "hunter2Q" not in said


@pytest.mark.parametrize("part", ["a", "a.", "X-", "eyJ-", "a=", 'a="', "cookie ", "http://a:", "password=", "token: ", "password=\"", "-u a:", "PASS", "--token ", "set $a ", "9-"])
def test_a_long_line_costs_no_more_than_its_length(part: str) -> None:
    """Anybody may send a long line; reading it for secrets must not take minutes."""
    began = time.process_time()
    redact_text(part * (40_000 // len(part)))
    assert time.process_time() - began < 1.0


def test_a_diff_shows_no_value_of_the_lines_around_it() -> None:
    before = b"NOTE=quiet-Q7value\nPORT=8000\nWORKERS=1\n"
    step = WriteFile("local", "/etc/default/shop", before, before.replace(b"WORKERS=1", b"WORKERS=4"), "more workers")
    said = diff_of((step,))
    assert "quiet-Q7value" not in said and "-WORKERS=1" in said and "+WORKERS=4" in said and " PORT=8000" in said


@pytest.fixture
def machine(badgateway_lab: StartLab) -> tuple[str, PlantedSecrets]:
    """A host whose backend ends at once and whose nginx says 502, with secrets in every place."""
    name, p = badgateway_lab("crash-missing-env", stack="host", seed=5).container, PlantedSecrets()
    _plant(name, p)
    return name, p


def shell(name: str, script: str, stdin: str = "") -> str:
    done = subprocess.run(["docker", "exec", "-i", name, "sh", "-euc", script], input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _plant(name: str, p: PlantedSecrets) -> None:
    unit = shell(name, "grep -lE '^ExecStart=.*(uvicorn|serve|gunicorn|/srv|/opt|/home)' /etc/systemd/system/*.service | head -n 1")
    site = shell(name, "ls -d /etc/nginx/sites-enabled/* /etc/nginx/conf.d/*.conf 2>/dev/null | head -n 1")
    home = shell(name, f"sed -n 's/^WorkingDirectory=//p' {unit} | head -n 1") or "/srv"
    shell(name, f"mkdir -p {unit}.d /etc/nginx/snippets; cat > {unit}.d/60-more.conf",
          planted_secrets.unit_dropin(p) + "EnvironmentFile=-/etc/default/more\n")
    shell(name, "cat > /etc/default/more", planted_secrets.env_file_lines(p))
    shell(name, "cat > /etc/nginx/snippets/more.conf", planted_secrets.nginx_locations(p))
    shell(name, f"f=$(readlink -f {site}); sed -i '0,/server_name/s//include snippets\\/more.conf; server_name/' $f; nginx -t 2>&1; systemctl reload nginx")
    for path, text in planted_secrets.boot_entries(p, 7997).items():
        shell(name, f"mkdir -p $(dirname {path}); cat > {path}; chmod {'600' if 'cron' in path else '755'} {path}", text)
    shell(name, "mkdir -p /etc/service; ln -s /etc/sv/web /etc/service/web")
    shell(name, "cat > /srv/words; chmod 644 /srv/words", planted_secrets.crash_output(p))
    shell(name, f"f=$(ls {home}/app/settings.py); cat - $f > $f.new; cat $f.new > $f; rm $f.new", "import sys\nsys.stderr.write(open('/srv/words').read())\n")
    now = time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime())
    shell(name, "cat >> /var/log/nginx/error.log", planted_secrets.error_log(p, "_", 8000).replace("{now}", now))
    words = " ".join(f"'{word}'" for word in planted_secrets.process_arguments(p))
    subprocess.run(["docker", "exec", "-d", name, "sh", "-c", f"exec python3 -c 'import time; time.sleep(600)' {words}"], check=True)
    shell(name, f"systemctl daemon-reload; systemctl reset-failed; systemctl restart $(basename {unit}) || true")


@pytest.mark.docker
@pytest.mark.timeout(400)
def test_nothing_comes_out_of_a_machine_full_of_them(machine: tuple[str, PlantedSecrets], tmp_path: Path) -> None:
    name, p = machine
    target = f"docker://{name}"
    assert len(p.all) >= 50 and len(p.made) == 12
    commands = [
        ["diagnose", target, "--verbose"], ["diagnose", target, "--json"], ["diagnose", target, "--format", "markdown"],
        ["diagnose", target, "--format", "html"], ["verify", target, "--json"], ["collect", target, "-o", str(tmp_path / "b.tgz")],
        ["repair", target, "--dry-run", "--json"], ["repair", target, "--yes", "--max-risk", "disruptive", "--json"],
        ["repair", target, "--yes", "--max-risk", "disruptive", "--json", *_given(target)],
        ["history", target, "--json"], ["history", target], ["undo", target, "--json"],
    ]
    leaks = []
    for words in commands:
        done = subprocess.run([*FIXER, *words], capture_output=True, check=False, stdin=subprocess.DEVNULL,
                              env={**os.environ, "BADGATEWAY_DEBUG": "1"})
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        assert "--set" not in words or done.returncode == 0, (done.stdout + done.stderr).decode()  # else no journal is read below
        leaks += [f"{' '.join(words[:1] + words[2:4])}: {seen}" for seen in p.seen_in(done.stdout + done.stderr)]
        leaks += [f"{words[0]}: the given value" for _ in [0] if b"given-Zz9-value" in done.stdout + done.stderr]
    with tarfile.open(tmp_path / "b.tgz") as tar:
        for member in tar:
            held = tar.extractfile(member)
            leaks += [f"bundle {member.name}: {seen}" for seen in p.seen_in(held.read() if held else b"")]
    leaks += [*_by_script(name, p), *_in_journals(name, p)]
    assert leaks == []


def _by_script(name: str, p: PlantedSecrets) -> list[str]:
    """What `collect --script` writes there, which has read all that may start a server."""
    script = subprocess.run([*FIXER, "collect", "--script"], capture_output=True, text=True, check=True).stdout
    shell(name, "cat > /tmp/look.sh; sh /tmp/look.sh /tmp/look.gz 2>/dev/null", script)
    packed = subprocess.run(["docker", "exec", name, "cat", "/tmp/look.gz"], capture_output=True, check=True).stdout
    data = gzip.decompress(packed)
    for path in planted_secrets.boot_entries(PlantedSecrets(), 1):
        assert path.encode() in data, path
    assert b"uvicorn web:app --port 7997" in data and b"[redacted: " in data
    return [f"script: {seen}" for seen in p.seen_in(data)]


def _given(target: str) -> list[str]:
    """A value for what the repair asks for."""
    done = subprocess.run([*FIXER, "diagnose", target, "--json"], capture_output=True, text=True, check=False)
    keys = re.findall(r'"key": "([A-Z][A-Z0-9_]*)"', done.stdout)
    assert keys, done.stdout
    return ["--set", f"{keys[0]}=given-Zz9-value"]


def _in_journals(name: str, p: PlantedSecrets) -> list[str]:
    """Records hold no secret; only a before-image may, and it is 0600 in a 0700 folder."""
    packed = subprocess.run(["docker", "exec", name, "tar", "-cf", "-", "-C", "/var/lib/badgateway", "."], capture_output=True, check=True)
    leaks = []
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as tar:
        for member in tar:
            if member.isdir():
                assert member.mode & 0o077 == 0, member.name
                continue
            assert member.mode & 0o177 == 0, member.name
            held = tar.extractfile(member)
            data = held.read() if held else b""
            if "/blobs/" not in member.name:
                leaks += [f"journal {member.name}: {seen}" for seen in p.seen_in(data)]
                leaks += [f"journal {member.name}: the given value"] if b"given-Zz9-value" in data else []
    return leaks
