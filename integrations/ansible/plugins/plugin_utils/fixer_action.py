"""What the four actions share: their options, fixer.pyz on the controller, and one command on the host.

Nothing runs as a module: a host needs no Python for it, and a look is one command of one connection."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.badgateway.fixer.plugins.plugin_utils.host_program import (
    CANDIDATES,
    Frame,
    HostProgram,
    decode,
)
from ansible_collections.badgateway.fixer.plugins.plugin_utils.reasons import Reason, no_python, reason_of
from ansible_collections.badgateway.fixer.plugins.plugin_utils.results import error_report

TARGETS = ("local", "docker://", "compose://")
Spec: TypeAlias = "dict[str, dict[str, Any]]"

TARGET_SPEC: Spec = {
    "target": {"type": "str", "default": "local"},
    "fixer": {"type": "path"},
    "python": {"type": "path"},
}
LOOK_SPEC: Spec = {
    "url": {"type": "str"}, "wait": {"type": "float"}, "probe": {"type": "bool", "default": True},
}
OWN_FIXER = Path(__file__).resolve().parents[2] / "files" / "fixer.pyz"
_JUDGE_SECONDS = 120


class CannotLook(Exception):
    """The host could not be looked at."""

    def __init__(self, reason: Reason, *, is_unreachable: bool = False) -> None:
        super().__init__(reason.message)
        self.reason = reason
        self.is_unreachable = is_unreachable


class NoPython(CannotLook):
    """The host has no Python that runs fixer. It may still run the collect script."""


class FixerAction(ActionBase):
    """An action that runs fixer on a host. A subclass has `spec` and `work`."""

    spec: ClassVar[Spec] = {}

    def run(self, tmp: Any = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the result of the task; one that could not look has one line, never a traceback."""
        result: dict[str, Any] = super().run(tmp, dict(task_vars or {}))
        self._vars = task_vars or {}
        self._copied = False
        _, self.options = self.validate_argument_spec(argument_spec={**TARGET_SPEC, **self.spec})
        try:
            self._check_target()
            result |= self.work()
            result["copied"] = self._copied
        except CannotLook as failure:
            result |= self._failure(failure)
        except AnsibleConnectionFailure as error:
            result |= self._failure(CannotLook(reason_of(str(error), kind="unreachable"), is_unreachable=True))
        except AnsibleError as error:
            result |= self._failure(CannotLook(reason_of(str(error))))
        return result

    def work(self) -> dict[str, Any]:
        """Return the result of the task."""
        raise AssertionError("an action says what it does")

    def run_fixer(self, words: Sequence[str], data: bytes = b"\n") -> tuple[str, int, str]:
        """Run fixer on the host with these arguments and this standard input. Return stdout, exit code and stderr."""
        frames = self._with_fixer(lambda program: program.run(words), data)
        return self._ended(frames, "run")

    def collect_with_fixer(self, words: Sequence[str]) -> bytes:
        """Return the bundle that fixer writes on the host."""
        frames = self._with_fixer(lambda program: program.collect(words), b"\n")
        return self._bundle(frames)

    def collect_with_script(self) -> bytes:
        """Return the bundle that the collect script writes on a host without Python 3.11."""
        script = self._here(["collect", "--script"]).stdout
        return self._bundle(self._ask(self._program.run_script(), script))

    def judge(self, bundle: bytes) -> tuple[str, int, str]:
        """Diagnose a bundle on the controller. Return stdout, exit code and stderr."""
        with tempfile.NamedTemporaryFile(prefix="badgateway-", suffix=".bundle") as file:
            file.write(bundle)
            file.flush()
            done = self._here(["diagnose", f"bundle:{file.name}", "--json"])
        return done.stdout.decode(errors="replace"), done.returncode, done.stderr.decode(errors="replace")

    def look_words(self) -> list[str]:
        """Return the arguments for the options of LOOK_SPEC that are set."""
        options = self.options
        words = [] if options["target"] == "local" else [options["target"]]
        words += ["--url", options["url"]] if options.get("url") else []
        words += ["--wait", f"{options['wait']:g}"] if options.get("wait") else []
        return [*words, *([] if options.get("probe", True) else ["--no-probe"])]

    def _check_target(self) -> None:
        target = self.options["target"]
        if target != "local" and not target.startswith(TARGETS[1:]):
            raise CannotLook(Reason("usage", f"target {target!r} is none of this host",
                                    "target is local, docker://CONTAINER or compose://PROJECT"))

    @property
    def _pyz(self) -> Path:
        path = Path(self.options["fixer"]) if self.options["fixer"] else OWN_FIXER
        if not path.is_file():
            raise CannotLook(Reason("usage", f"there is no {path} on the controller",
                                    "install the collection that script/build makes, or set the option fixer"))
        return path

    @property
    def _program(self) -> HostProgram:
        if not hasattr(self, "_known_program"):
            named = self.options["python"]
            told = str(self._vars.get("ansible_python_interpreter") or "")
            pythons = [named] if named else [*([told] if told.startswith("/") else []), *CANDIDATES]
            self._known_program = HostProgram(self._digest(), pythons)
        return self._known_program

    def _digest(self) -> str:
        """Return the checksum of fixer.pyz. The build wrote it: each host's task would compute it again."""
        written = self._pyz.with_name(self._pyz.name + ".digest")
        if written.is_file():
            digest, _, size = written.read_text(encoding="ascii").strip().partition(" ")
            if size == str(self._pyz.stat().st_size):
                return digest
        return hashlib.sha256(self._pyz.read_bytes()).hexdigest()

    def _with_fixer(self, command: Any, data: bytes) -> list[Frame]:
        """Run the command; store fixer.pyz first if the host does not have this version."""
        frames = self._ask(command(self._program), data)
        if frames[0].state == "missing":
            packed = self._pyz.with_name(self._pyz.name + ".gz")
            self._ask(self._program.store(), (packed if packed.is_file() else self._pyz).read_bytes())
            self._copied = True
            frames = self._ask(command(self._program), data)
        return frames

    def _ask(self, command: str, data: bytes) -> list[Frame]:
        """Run one command on the host; raise CannotLook if it did not run, or if it says that it cannot."""
        if not getattr(self._connection, "has_pipelining", False):
            raise CannotLook(Reason("usage", f"the connection {self._connection.transport} sends no data to commands",
                                    "use ssh"))
        done = self._low_level_execute_command(command, in_data=data)
        frames = self._program.frames(done["stdout"])
        if not frames:
            text = f"{done['stdout']}\n{done['stderr']}"
            raise CannotLook(reason_of(text), is_unreachable=done["rc"] == 255)
        first = frames[0]
        if first.state == "nopython":
            raise NoPython(no_python(first.argument))
        if first.state == "cannot":
            raise CannotLook(Reason("cannot-observe", f"fixer cannot be stored there: {first.argument}",
                                    "free some space, or use target ssh:// from here"))
        return frames

    def _ended(self, frames: Sequence[Frame], state: str) -> tuple[str, int, str]:
        text = next((frame.text for frame in frames if frame.state == state), "")
        end = next((frame for frame in frames if frame.state == "end"), None)
        if end is None or not end.argument.isdecimal():
            raise CannotLook(Reason("unreachable", "the connection was lost",
                                    "run the play again; after a repair: fixer history on the host says what it did"))
        return text, int(end.argument), end.text.strip()

    def _bundle(self, frames: Sequence[Frame]) -> bytes:
        _, code, said = self._ended(frames, "bundle")
        packed = next((frame for frame in frames if frame.state == "bundle"), None)
        if packed is None:
            raise CannotLook(reason_of(said or f"the collect script ended with {code} and wrote nothing"))
        try:
            return decode(packed)
        except ValueError:
            raise CannotLook(Reason("unreachable", "the bundle arrived damaged", "run the play again")) from None

    def _here(self, words: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
        """Run fixer.pyz on the controller, without a state of its own."""
        with tempfile.TemporaryDirectory(prefix="badgateway-") as folder:
            try:
                return subprocess.run([sys.executable, "-I", str(self._pyz), *words], capture_output=True, check=False,
                                      timeout=_JUDGE_SECONDS, stdin=subprocess.DEVNULL,
                                      env={"PATH": os.environ.get("PATH", os.defpath), "BADGATEWAY_STATE": folder})
            except (OSError, subprocess.TimeoutExpired) as error:
                raise CannotLook(Reason("cannot-observe", f"fixer did not run on the controller: {error}",
                                        "")) from None

    def _failure(self, failure: CannotLook) -> dict[str, Any]:
        reason = failure.reason
        text = f"{reason.message} ({reason.hint})" if reason.hint else reason.message
        result = {"changed": False, "msg": text, "verdict": "unknown", "exit_code": 3, "report": error_report(reason)}
        return {**result, "unreachable": True} if failure.is_unreachable else {**result, "failed": True}
