"""`lab shell`: a shell in a part of a lab, or beside it."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from lab.languages import translate
from lab.paths import state_label
from lab.recording.recorder import new_recording, record_command
from lab.stack import images
from lab.stack.docker_command import LABEL, STATE_LABEL, ListedContainer
from lab.stack.find_lab import find_lab_and_part
from lab.stack.lab_parts import TOOLS_MARK, find_part, listed_parts, running_container
from lab.stack.running_lab import Lab

RECORDED = " (recorded)"  # in the prompt


def open_shell(lab_word: str, part_word: str, say: Callable[[str], None], *, tools: bool, record: bool) -> NoReturn:
    """Become a shell in what the words name; with `tools`, in a container beside it."""
    lab, part = find_lab_and_part(lab_word, part_word)
    if record and sys.stdin.isatty() and sys.stdout.isatty():
        sys.exit(recorded_shell(lab, part, say, tools=tools))
    listed = listed_parts(lab)
    argv = tools_argv(lab, part, listed, say) if tools else shell_argv(lab, part, listed)
    os.execvp(argv[0], argv)  # noqa: S606


def recorded_shell(lab: Lab, part: str, say: Callable[[str], None], *, tools: bool) -> int:
    """Run a shell whose output is kept, and say so, here and in its prompt; return its exit code."""
    listed = listed_parts(lab)
    argv = (tools_argv(lab, part, listed, say, mark=RECORDED) if tools else
            shell_argv(lab, part, listed, mark=RECORDED))
    path = new_recording(lab.id)
    told = (translate.say("console/recorded", "This shell is recorded: what it shows goes to {path}", path=path),
            translate.say("console/watch-it", "  watch it: lab replay {lab}; without: lab shell --no-record",
                          lab=lab.id))
    say("\n".join(told))
    return record_command(argv, path, f"{lab.id} {part or 'shell'}")


def shell_argv(lab: Lab, word: str, listed: Sequence[ListedContainer], *, mark: str = "") -> list[str]:
    """Return the command of a shell in a part; on the host stack in the machine."""
    part = find_part(lab, word, listed)
    return ["docker", "exec", *_terminal(lab, part, mark), "-u", "0", running_container(lab, part, listed), *_bash()]


def tools_argv(lab: Lab, word: str, listed: Sequence[ListedContainer], say: Callable[[str], None], *,
               mark: str = "") -> list[str]:
    """Return the command of a shell with the usual tools, which sees the processes and the network of a part.
    It may look at all of them: root of a real host sees whose socket is whose."""
    part = find_part(lab, word, listed)
    joined = f"container:{running_container(lab, part, listed)}"
    image = images.ensure(say, [images.TOOLS])[images.TOOLS]
    labels = ["--label", f"{LABEL}={lab.id}", "--label", f"{STATE_LABEL}={state_label()}"]
    return ["docker", "run", "--rm", *_terminal(lab, f"{part} tools", mark), "--name",
            f"{lab.id}{TOOLS_MARK}{secrets.token_hex(2)}", *labels, "--pid", joined, "--network", joined,
            "--cap-add", "SYS_PTRACE", "--pull", "never", image, *_bash()]


def _terminal(lab: Lab, part: str, mark: str) -> list[str]:
    """Return the options of a terminal, if there is one. Its prompt names lab and part: it is not the Docker host's."""
    return ["-it", "-e", f"PS1={lab.id} {part}{mark} \\$ "] if sys.stdin.isatty() else ["-i"]


def _bash() -> list[str]:
    """Return the shell; a start file of the image would replace the prompt."""
    return ["bash", "--norc"] if sys.stdin.isatty() else ["bash"]
