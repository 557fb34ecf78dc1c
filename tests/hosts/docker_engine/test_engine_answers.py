"""The last words of a container: its errors are not pushed out by the requests that it logs beside them."""

from fixer.hosts.docker_engine import engine_answers
from fixer.hosts.machine import run_process
from fixer.model.host import CommandResult

STAMP = "2026-01-02T03:04:{:02d}.{:09d}Z {}\n"


class Chatty:
    """`docker logs` of a program that logs a hundred requests a second to stdout, and an error a second to stderr."""

    def __init__(self, limit: int = run_process.MAX_OUTPUT) -> None:
        self.limit = limit

    def __call__(self, *words: str, stdin: bytes = b"", timeout: float = 30.0,
                 max_output: int = run_process.MAX_OUTPUT) -> CommandResult:
        told = sorted([(STAMP.format(n // 100, n % 100 + 1, f"GET /{n} 200"), 1) for n in range(2000)]
                      + [(STAMP.format(n, 0, f"error {n}"), 2) for n in range(20)])[-int(words[words.index("--tail") + 1]):]
        out, err = ("".join(text for text, stream in told if stream == which).encode() for which in (1, 2))
        cut = len(out) > self.limit
        return CommandResult(("docker", *words), None if cut else 0, out[: self.limit], err, truncated=cut)


def test_errors_of_a_busy_minute_are_kept_in_order() -> None:
    lines = engine_answers._answer_logs(Chatty(), "web", "200").data.decode().splitlines()
    assert [line.split(" ", 1)[1] for line in lines if "error" in line] == [f"error {n}" for n in range(20)]
    assert sum("GET" in line for line in lines) == 200 and lines == sorted(lines)


def test_lines_so_long_that_they_would_be_cut_are_asked_for_in_small() -> None:
    lines = engine_answers._answer_logs(Chatty(limit=20_000), "web", "200").data.decode().splitlines()
    assert lines[-1].endswith("GET /1999 200") and len(lines) == 200
