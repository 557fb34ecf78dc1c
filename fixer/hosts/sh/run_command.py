"""One command behind a shell on a node, with its exit code and output separated from the transport's."""

from __future__ import annotations

from collections.abc import Callable

from fixer.errors import Unreachable
from fixer.lazy.regex import regex
from fixer.model.host import CommandResult

# A login shell may print on both outputs first: our output starts at the nonce. Environment and PATH are those of this
# machine's own commands (command_environment): no user's PATH contains nft.
RUN_SCRIPT = r"""LC_ALL=C; SYSTEMD_COLORS=0; SYSTEMD_PAGER=; PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
export LC_ALL SYSTEMD_COLORS SYSTEMD_PAGER PATH
printf '%s\n' "$1"; printf '%s %s\n' "$1" "$$" >&2; n=$1; shift
command -v "$1" >/dev/null 2>&1 || { printf '\n%s none\n' "$n" >&2; exit 127; }
"$@"; r=$?; printf '\n%s %s\n' "$n" "$r" >&2; exit "$r"
"""

CLOCK_FRAME = regex(rb"(?:\A|\n)\n[0-9a-f]{32} clock \d* (\d+)\n")
"""The first line of a round of questions: the process id of its script."""

_DOCKER_API_URL = regex(r'(?:Get|Head|Post|Put|Delete) "http[^"]*": ')


def unwrap_result(
    node: str, nonce: bytes, result: CommandResult, *, argv: tuple[str, ...], kill: Callable[[int], None],
    explained: Callable[[CommandResult], Unreachable] | None = None,
) -> CommandResult:
    """Return the command's own result; raise `Unreachable` if it never started. `kill` ends what a timeout leaves."""
    _, began, stderr = result.stderr.partition(nonce + b" ")
    if not began:
        if result.timed_out:
            return CommandResult(argv, None, b"", b"", timed_out=True)
        if explained is not None:
            raise explained(result)
        said = without_api_url((result.stderr + result.stdout).decode(errors="replace"))
        raise Unreachable(f"{node} cannot be reached: {said.splitlines()[-1][:300] if said else 'no answer'}")
    pid, _, rest = stderr.partition(b"\n")
    if result.timed_out:
        kill(int(pid))
    stdout = result.stdout.partition(nonce + b"\n")[2]
    stderr, ended, code = rest.rpartition(b"\n" + nonce + b" ")
    if not ended:
        return CommandResult(argv, None, stdout, rest, timed_out=result.timed_out, truncated=result.truncated)
    missing = code.strip() == b"none"
    number = None if missing else int(code)
    return CommandResult(argv, number, stdout, stderr, missing=missing, truncated=result.truncated)


def without_api_url(said: str) -> str:
    """Return the message without docker's API address, which helps no reader."""
    return _DOCKER_API_URL.sub("", said).strip()
