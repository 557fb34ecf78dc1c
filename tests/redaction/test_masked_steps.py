"""Steps in words, as a diff, and as JSON: exact, harmless to a terminal, without a secret."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixer.model.plan import (
    CheckNginx,
    ComposeUp,
    ContainerAction,
    DaemonReload,
    FileMeta,
    ReloadNginx,
    SignalProcess,
    StartNginx,
    Step,
    UnitAction,
    WaitForListener,
    WriteFile,
)
from fixer.redaction import masked_steps
from fixer.redaction.masked_steps import describe_step, diff_of, is_reversible, step_from_json, step_to_json
from fixer.redaction.secrets import printable, redact_text
from tests.apply.steps.packet_filter_step_builders import NFT, RULES, step


def edit(before: bytes | None, after: bytes | None, **more: object) -> WriteFile:
    return WriteFile("local", "/etc/app/x.conf", before, after, "change it", **more)  # type: ignore[arg-type]


STEPS: list[tuple[Step, str]] = [
    (edit(b"a", b"b"), "edit /etc/app/x.conf"),
    (edit(None, b"b"), "create /etc/app/x.conf"),
    (edit(b"a", None), "delete /etc/app/x.conf"),
    (edit(b"a", b"a", meta=FileMeta(0o640, 0, 33)), "set mode 0640 and owner 0:33 on /etc/app/x.conf"),
    (edit(None, None, link_target="../y"), "remove the link /etc/app/x.conf"),
    (edit(None, b"", link_target="../y"), "link /etc/app/x.conf to ../y"),
    (edit(b"a", b"b", display_path="/etc/nginx/sites-enabled/x"), "edit /etc/nginx/sites-enabled/x"),
    (CheckNginx("local", "nginx", "/etc/nginx/nginx.conf", "/"), "check the configuration (nginx -t)"),
    (ReloadNginx("local", 7, "nginx", "/c", "/", "/e"), "reload nginx (nginx -t first)"),
    (DaemonReload("local"), "let systemd read its unit files again (systemctl daemon-reload)"),
    (UnitAction("local", "b.service", "start", "failed", "enabled"), "start b.service"),
    (UnitAction("local", "b.service", "restart", "active", "enabled", 812, "age 3 h"),
     "restart b.service (main process 812, age 3 h)"),
    (UnitAction("local", "b.service", "enable", "active", "disabled"), "enable at boot b.service"),
    (UnitAction("local", "b.service", "reset-failed", "failed", "enabled"),
     "clear the failures of b.service (systemctl reset-failed; an undo does not bring that mark back)"),
    (ContainerAction("abc", "shop-1", "start", "exited"), "start container shop-1"),
    (ComposeUp("shop", "web", "/srv", ("/srv/c.yml",), (), "h"),
     "bring service web of project shop up (docker compose up -d --no-deps --no-build --pull never)"),
    (SignalProcess("local", 412, 9, "TERM", "uvicorn app.main:app, user www-data, age 3 h"),
     "stop process 412 (uvicorn app.main:app, user www-data, age 3 h): cannot be undone"),
    (SignalProcess("local", 412, 9, "CONT", "uvicorn"), "resume process 412 (uvicorn)"),
    (StartNginx("local", "/usr/sbin/nginx", "/c", "/", True), "start /usr/sbin/nginx -c /c"),
    (WaitForListener("local", "::1", 8000), "wait until [::1]:8000 accepts connections (at most 60 s)"),
    (WaitForListener("local", "127.0.0.1", 8000), "wait until 127.0.0.1:8000 accepts connections (at most 60 s)"),
    (WaitForListener("local", "", 0, "/run/a.sock"), "wait until /run/a.sock accepts connections (at most 60 s)"),
    (WaitForListener("local", "127.0.0.1", 80, container="shop-web-1"), "wait until 127.0.0.1:80 accepts connections (at most 60 s)"),
    (WaitForListener("store", "127.0.0.1", 6695, container="t1d9b99a0desk-store-1"),
     "wait until 127.0.0.1:6695 in container t1d9b99a0desk-store-1 accepts connections (at most 60 s)"),
    (WaitForListener("archive-900ee8", "127.0.0.1", 80, unit="a.service"), "wait until 127.0.0.1:80 accepts connections (at most 60 s)"),
    (WaitForListener("archive-900ee8", "127.0.0.1", 6695), "wait until 127.0.0.1:6695 of archive-900ee8 accepts connections (at most 60 s)"),
]


@pytest.mark.parametrize(("step", "words"), STEPS, ids=lambda value: value if isinstance(value, str) else "")
def test_words_and_json(step: Step, words: str) -> None:
    assert describe_step(step) == words
    back = step_from_json(step_to_json(step))
    assert type(back) is type(step)
    if not isinstance(step, WriteFile):
        assert back == step


def test_only_ended_processes_cannot_come_back() -> None:
    assert [words for step, words in STEPS if not is_reversible(step)] == [words for _, words in STEPS if "cannot" in words]


def test_json_of_a_file_has_its_meta_and_no_bytes() -> None:
    step = edit(b"old", b"new", meta=FileMeta(0o600, 1, 2, "l", b"\x01\xff"), mask=(b"new",), create_dirs=("/a", "/a/b"),
                expect_meta=FileMeta(0o644, 0, 0))
    text = step_to_json(step)
    assert "old" not in text and "new" not in text
    back = step_from_json(text)
    assert isinstance(back, WriteFile)
    assert (back.meta, back.expect_meta, back.create_dirs, back.before, back.mask) == (
        step.meta, step.expect_meta, step.create_dirs, None, ())


def test_json_of_a_newer_version_is_read_and_nonsense_is_refused() -> None:
    assert step_from_json('{"kind":"DaemonReload","node":"local","later":1}') == DaemonReload("local")
    for text in ("[]", '{"kind":"Sudo"}', '{"kind":"DaemonReload"}', "{"):
        with pytest.raises(ValueError):
            step_from_json(text)


def test_a_hostile_name_cannot_steer_a_terminal() -> None:
    step = SignalProcess("local", 1, 1, "TERM", "a\x1b[2J\nb\u202ec\udcff")
    assert describe_step(step) == "stop process 1 (a\\x1b[2J\\x0ab\\u202ec\\xff): cannot be undone"
    assert printable("a\tb") == "a\tb"
    assert printable("\U000e0001") == "\\U000e0001"


def test_diff_of_an_edit() -> None:
    before = b"one\ntwo\nthree\n"
    assert diff_of((edit(before, b"one\n2\nthree\n"),)) == (
        "--- /etc/app/x.conf\n+++ /etc/app/x.conf\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n")
    assert diff_of((DaemonReload("local"),)) == ""


def test_diff_of_creation_deletion_link_and_mode() -> None:
    assert diff_of((edit(None, b"x", meta=FileMeta(0o600, 0, 0)),)) == (
        "--- /dev/null\n+++ /etc/app/x.conf\n# mode 0600, owner 0:0\n@@ -0,0 +1 @@\n+x\n\\ No newline at end of file\n")
    assert diff_of((edit(b"x\n", None),)) == "--- /etc/app/x.conf\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n"
    assert diff_of((edit(None, None, link_target="../y"),)) == "--- /etc/app/x.conf\n+++ /dev/null\n-link to ../y\n"
    assert diff_of((edit(None, b"", link_target="../y"),)) == "--- /dev/null\n+++ /etc/app/x.conf\n+link to ../y\n"
    assert diff_of((edit(b"x", b"x", meta=FileMeta(0o600, 3, 4)),)) == (
        "--- /etc/app/x.conf\n+++ /etc/app/x.conf\n# mode 0600, owner 3:4\n")


def test_diff_shows_a_missing_last_newline_and_bytes_that_are_no_text() -> None:
    assert diff_of((edit(b"a", b"a\n"),)).splitlines()[3:] == ["-a", "\\ No newline at end of file", "+a"]
    assert diff_of((edit(b"\xff\x1b\n", b"b\r\n"),)).splitlines()[3:] == ["-\\xff\\x1b", "+b\\x0d"]


def test_diff_hides_the_old_and_the_new_secret_but_shows_that_it_changes() -> None:
    before = b"DEBUG=1\nSECRET_KEY=alpha\nPORT=8000\n"
    after = b"DEBUG=1\nSECRET_KEY=beta\nPORT=8000\nODD=gamma delta\n"
    text = diff_of((edit(before, after, mask=(b"gamma delta",)),))
    assert "alpha" not in text and "beta" not in text and "gamma" not in text
    assert "-SECRET_KEY=[masked 1]\n+SECRET_KEY=[masked 2]" in text
    assert "+ODD=[masked 3]" in text


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes_give_a_diff_that_a_terminal_survives(before: bytes, after: bytes) -> None:
    text = diff_of((edit(before, after),))
    assert all(line == printable(line) for line in text.split("\n"))


@given(st.lists(st.sampled_from(["a", "b", "", "x=1", "c d"]), max_size=12),
       st.lists(st.sampled_from(["a", "b", "", "x=1", "c d"]), max_size=12))
def test_a_diff_says_what_both_files_hold(old: list[str], new: list[str]) -> None:
    before, after = ("".join(f"{line}\n" for line in lines).encode() for lines in (old, new))
    body = diff_of((edit(before, after),)).splitlines()[2:]
    assert [line[1:] for line in body if line[:1] in "-" and line] == _changed(body, "-", old)
    assert [line[1:] for line in body if line[:1] == "+"] == _changed(body, "+", new)


def _changed(body: list[str], sign: str, lines: list[str]) -> list[str]:
    """The lines of one side that the hunks name, looked up by the hunks' own numbers."""
    found: list[str] = []
    at = 0
    for line in body:
        if line.startswith("@@"):
            start, _, length = line.split()[1 if sign == "-" else 2][1:].partition(",")
            at = int(start) - (length != "0")
        elif line[0] == sign:
            found.append(lines[at])
            at += 1
        elif line[0] == " ":
            at += 1
    return found


def test_of_a_long_file_only_what_is_shown_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration of ten thousand routes takes no longer to show one line of than a short one."""
    masked: list[str] = []
    monkeypatch.setattr(masked_steps, "redact_text", lambda text: masked.append(text) or redact_text(text))
    lines = [f"route{n} API_KEY=value-{n}\n" for n in range(5000)]
    before, after = "".join(lines), "".join([*lines[:2500], "route API_KEY=other-one\n", *lines[2501:]])
    shown = diff_of([edit(before.encode(), after.encode())])
    assert "value-" not in shown and "other-one" not in shown and shown.count("[redacted: API_KEY]") == len(masked) == 8


def test_in_words_and_in_the_journal() -> None:
    made = step("remove", RULES[1], 1)
    assert step_from_json(step_to_json(made)) == made
    assert describe_step(made) == f"delete rule 2 from iptables filter INPUT: {RULES[1]}"
    nft = step("add", NFT[0], 0, (), tool="nft", family="inet")
    assert describe_step(nft) == f"insert rule 1 into nft inet filter INPUT: {NFT[0]}"
