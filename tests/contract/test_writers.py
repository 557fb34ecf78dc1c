"""Running commands in a container: their own codes, told apart from docker's, and nothing left behind."""

import time

import pytest

from fixer.errors import NeedsPerson, Unreachable
from fixer.hosts.container import ContainerWriter
from fixer.hosts.local import LocalWriter

pytestmark = pytest.mark.docker


@pytest.fixture(params=["local", "docker"])
def any_writer(request: pytest.FixtureRequest):
    return LocalWriter() if request.param == "local" else request.getfixturevalue("writer")


@pytest.mark.parametrize("code", [0, 1, 125, 126, 127, 255])
def test_codes_are_the_commands_own(any_writer, code: int) -> None:
    result = any_writer.run(["sh", "-c", f"exit {code}"])
    assert (result.returncode, result.stdout, result.stderr, result.missing) == (code, b"", b"", False)


def test_arguments_and_output_are_exact(any_writer) -> None:
    words = ["$HOME", "a b", "'\"", "new\nline", "%s", "`id`", ";id", "*", ""]
    result = any_writer.run(["printf", "<%s>", *words])
    assert result.stdout == "".join(f"<{w}>" for w in words).encode()
    result = any_writer.run(["sh", "-c", r"printf 'a\377\0'; printf 'no end' >&2"])
    assert (result.stdout, result.stderr) == (b"a\xff\0", b"no end")


def test_a_missing_tool(any_writer) -> None:
    result = any_writer.run(["no-such-tool", "x"])
    assert (result.missing, result.returncode) == (True, None)


def test_stdin_and_much_output(any_writer) -> None:
    data = bytes(range(256)) * 40_000
    assert any_writer.run(["cat"], stdin=data).stdout == data
    assert any_writer.run(["cat"]).stdout == b""


def test_a_timeout_leaves_no_process(any_writer) -> None:
    started = time.monotonic()
    result = any_writer.run(["sh", "-c", "trap '' TERM; echo part; sleep 4321 & sleep 4321"], timeout=2)
    assert (result.timed_out, result.returncode, result.stdout) == (True, None, b"part\n")
    assert time.monotonic() - started < 20
    script = "for f in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <$f; echo; done 2>/dev/null | grep '^sleep 4321' | wc -l"
    assert any_writer.run(["sh", "-c", script]).stdout.strip() == b"0"


def test_a_container_that_is_gone_is_unreachable_not_a_failed_command(writer: ContainerWriter) -> None:
    lost = ContainerWriter("x", {"Name": "/no-such-container-here", "Path": "/sbin/init"})
    with pytest.raises(Unreachable):
        lost.run(["true"])
    with pytest.raises(Unreachable):
        lost.files.read("/etc/passwd")


def test_files_of_a_container_that_is_no_machine_are_no_place(writer: ContainerWriter) -> None:
    with pytest.raises(NeedsPerson):
        _ = writer.files
