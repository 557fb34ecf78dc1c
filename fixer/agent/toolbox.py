"""What the tools do. Each runs commands of fixer and returns their JSON; none touches a host by itself.

A tool takes names, ids and numbers from a closed list. The words of a command are therefore the server's own, whatever
a log told the model to send."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from hashlib import sha256
from typing import Any, TypeAlias

from fixer.agent.audit_log import AuditLog
from fixer.agent.child_command import CommandEnd, TooLong
from fixer.agent.input_question import AskedInputs, InputQuestion, input_question
from fixer.agent.issued_plans import VALID_SECONDS, IssuedPlan, IssuedPlans, RefusedPlan, command_line
from fixer.agent.settings import Settings
from fixer.errors import CannotObserve, FixerError, Interrupted, NeedsPerson, UsageError
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.report import SCHEMA_VERSION, ErrorReport, Failure
from fixer.render.to_json import to_value

with lazy_imports():
    import anyio  # only the server has it

Arguments: TypeAlias = Mapping[str, Any]
Answer: TypeAlias = dict[str, Any]

MOST_COMMANDS = 4  # that run at the same time
MOST_CALLS = 16  # that run or wait
MOST_BUNDLES = 50
_ON_A_TARGET = ("diagnose", "verify", "collect", "plan")
_UNDOABLE = ("committed", "undone-with-conflicts", "unfinished")


@dataclass(frozen=True, slots=True)
class Consent:
    """Whether a plan was agreed to, and how that is known. `answer`: `yes`, `no`, `nobody` (nobody can be asked), or
    `unattended` (nobody can be asked, and the server allows that)."""

    answer: str
    by: str


class MustAsk(Exception):
    """The client must ask the person and call again: its version of the protocol lets no server ask."""

    def __init__(self, issued: IssuedPlan | InputQuestion) -> None:
        super().__init__(issued.target)
        self.issued = issued


class CannotAsk(Exception):
    """The client can ask nobody."""


async def ask_nobody(_: InputQuestion) -> Mapping[str, Any] | None:
    """Ask nobody for inputs."""
    raise CannotAsk


Ask: TypeAlias = Callable[[IssuedPlan], Awaitable[Consent]]
AskInputs: TypeAlias = Callable[[InputQuestion], Awaitable[Mapping[str, Any] | None]]
RunCommand: TypeAlias = Callable[..., Awaitable[CommandEnd]]


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls a tool, and how to ask the person. `token`: the person was asked in an earlier call."""

    client: str
    ask: Ask
    token: str = ""
    ask_inputs: AskInputs = ask_nobody


Tool: TypeAlias = Callable[[Arguments, Call], Awaitable[Answer]]


class Toolbox:
    """The tools of one server."""

    def __init__(self, settings: Settings, audit: AuditLog, run: RunCommand) -> None:
        self.plans = IssuedPlans()
        self.inputs = AskedInputs()
        self._settings = settings
        self._audit = audit
        self._run = run
        self._turns = {target: anyio.Lock() for _, target in settings.targets}
        self._places = anyio.Semaphore(MOST_COMMANDS)
        self._calls = 0

    async def call(self, tool: str, arguments: Arguments, call: Call) -> Answer:
        """Return the answer of one call: an object of the tool's schema, the error object included. Both ends of the
        call are in the audit log; nothing is done without the first. Raise MustAsk if the client must ask the person
        and then call again."""
        started, outcome = time.monotonic(), {"outcome": "interrupted"}
        record = {"tool": tool, "call": secrets.token_hex(4), "arguments": dict(arguments)}
        if tool in _ON_A_TARGET:
            record["target"] = self._target_of(arguments)
        self._calls += 1
        try:
            self._audit.write("begin", call.client, record)
            if self._calls > MOST_CALLS:
                raise CannotObserve(f"{MOST_CALLS} calls run or wait already", "wait for their answers")
            answer = await self._tools()[tool](arguments, call)
            outcome = _outcome(answer)
            return answer
        except MustAsk:
            outcome = {"outcome": "asked"}
            raise
        except FixerError as error:
            outcome = {"outcome": error.kind}
            return failure(self._target_of(arguments), error)
        finally:
            self._calls -= 1
            seconds = round(time.monotonic() - started, 3)
            with suppress(NeedsPerson):  # the first record is on the disk
                self._audit.write("end", call.client, {**record, **outcome, "seconds": seconds})

    def refuse(self, tool: str, arguments: Arguments, client: str, why: str) -> Answer:
        """Return the error object for a call that no tool takes. The audit log gets the names of its arguments only:
        a value may be a secret."""
        with suppress(NeedsPerson):
            self._audit.write("refused", client, {"tool": tool[:100], "arguments": sorted(arguments)[:20], "why": why})
        return failure(self._settings.names[0], UsageError(why, "see the tool's description"))

    def _tools(self) -> dict[str, Tool]:
        return {"diagnose": partial(self._look, "diagnose"), "verify": partial(self._look, "verify"),
                "explain": self._explain, "collect": self._collect, "plan": self._plan, "repair": self._repair,
                "undo": self._undo}

    def _target_of(self, arguments: Arguments) -> str:
        return "" if "plan_id" in arguments else str(arguments.get("target", self._settings.names[0]))

    async def _command(self, words: tuple[str, ...], target: str = "", **more: Any) -> Answer:
        """Run a command and return its object. One command at a time works on a target, four in all."""
        async with self._turns.get(target, anyio.Lock()), self._places:
            try:
                end = await self._run((*words, "--json"), **more)
            except TooLong:
                raise CannotObserve("the answer is too long", "run the command at a terminal") from None
        try:
            answer = json.loads(end.output)
        except ValueError:
            raise Interrupted("the command ended without an answer", "try it again") from None
        assert isinstance(answer, dict)
        return answer

    async def _look(self, command: str, arguments: Arguments, _: Call) -> Answer:
        target = self._settings.target(self._target_of(arguments))
        requests = arguments.get("requests", 0)
        return await self._command((command, target, *(("--requests", str(requests)) if requests else ())), target)

    async def _explain(self, arguments: Arguments, _: Call) -> Answer:
        return await self._command(("explain", str(arguments["topic"])))

    async def _collect(self, arguments: Arguments, _: Call) -> Answer:
        name = self._target_of(arguments)
        target = self._settings.target(name)
        return await self._command(("collect", target, "--output", self._bundle_path(name)), target)

    def _bundle_path(self, name: str) -> str:
        folder = self._settings.bundle_folder
        os.makedirs(folder, 0o700, exist_ok=True)  # noqa: PTH103
        if sum(1 for _ in os.scandir(folder)) >= MOST_BUNDLES:
            raise UsageError(f"{folder} holds {MOST_BUNDLES} files already", "a person must remove bundles first")
        safe = "".join(char if char.isalnum() else "-" for char in name)[:40].strip("-")
        moment = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        return f"{folder}/{safe}-{moment}-{secrets.token_hex(2)}.tgz"

    async def _plan(self, arguments: Arguments, call: Call) -> Answer:
        name = self._target_of(arguments)
        target = self._settings.target(name)
        if arguments.get("action", "repair") == "undo":
            plan = undo_plan(await self._command(("history", target), target), arguments.get("run"))
            self.plans.issue(name, plan, (target, "--id", str(plan["run"])))
            return _plan_answer({"target": target, "verdict": "unknown"}, plan)
        options = (target, *(("--only", str(arguments["repair_id"])) if "repair_id" in arguments else ()))
        if call.token:  # a person has answered
            options += await self._chosen(self.inputs.answered(call.token, name, options), call)
        report = await self._dry_run(options)
        if not call.token and (question := self._question(name, options, report)) is not None:
            with suppress(CannotAsk):
                options += await self._chosen(question, call)
                report = await self._dry_run(options)
        if "error" in report:
            return report
        plan = report["plan"]
        if plan is None:
            return _plan_answer(report, None)
        self.plans.issue(name, plan, options)
        # without the command line that would apply it: the tool repair asks the person, and a shell does not
        return _plan_answer({**report, "withheld": report["withheld"][1:], "notes": report["before"]["notes"]}, plan)

    async def _dry_run(self, options: tuple[str, ...]) -> Answer:
        return await self._command(("repair", *options, "--dry-run", *self._limits()), options[0])

    def _question(self, name: str, options: tuple[str, ...], report: Answer) -> InputQuestion | None:
        """Return what a person could choose to complete a repair; None if this server may not repair anyway."""
        if not self._settings.allow_repair or "error" in report or report["plan"] is not None:
            return None
        return input_question(name, options, report["before"], self._settings.max_risk)

    async def _chosen(self, question: InputQuestion, call: Call) -> tuple[str, ...]:
        """Return the options that a person chose in a form; raise CannotAsk if nobody can be asked."""
        answer = await call.ask_inputs(question)
        said = {"target": question.target, "inputs": [need["key"] for need in question.needs]}
        self._audit.write("inputs", call.client, {**said, "answer": "no" if answer is None else "yes"})
        return question.words(answer)

    def _limits(self) -> tuple[str, ...]:
        """Return the options that every repair of this server has: the policy files bind it."""
        return ("--yes", "--max-risk", self._settings.max_risk)

    async def _repair(self, arguments: Arguments, call: Call) -> Answer:
        issued = await self._agreed("repair", arguments, call)
        words = ("repair", *issued.options, "--plan", issued.id, *self._limits())
        return await self._command(words, issued.options[0], seconds=None)

    async def _undo(self, arguments: Arguments, call: Call) -> Answer:
        issued = await self._agreed("undo", arguments, call)
        target = issued.options[0]
        now = undo_plan(await self._command(("history", target), target), str(issued.plan["run"]))
        if now["id"] != issued.id:
            raise RefusedPlan("that run is not as it was when the plan was made: nothing was changed", "plan again")
        return await self._command(("undo", *issued.options), target, seconds=None)

    async def _agreed(self, action: str, arguments: Arguments, call: Call) -> IssuedPlan:
        """Return the plan once it is agreed to; raise RefusedPlan if it is not."""
        plan_id = str(arguments["plan_id"])
        issued = (self.plans.answered(call.token, plan_id, action) if call.token
                  else self.plans.take(plan_id, action))
        consent = await call.ask(issued)
        said = {"plan": issued.id, "target": issued.target, "answer": consent.answer, "by": consent.by}
        self._audit.write("consent", call.client, said)
        if consent.answer == "no":
            raise RefusedPlan("the person did not agree: nothing was changed", "ask the person what to do instead")
        if consent.answer == "nobody":
            raise RefusedPlan("this client cannot ask the person, and the server repairs nothing without a yes",
                              f"a person can run: {command_line(issued)}")
        self.plans.require_young(issued)
        return issued


def undo_plan(history: Answer, run_id: str | None) -> Answer:
    """Return the plan that undoes a run of this history, the last one in force by default."""
    if "error" in history:
        raise CannotObserve(history["error"]["message"], history["error"]["hint"])
    runs = [run for run in history["runs"] if run["state"] in _UNDOABLE and run_id in (None, run["id"])]
    if not runs:
        raise RefusedPlan("there is no such repair in force: nothing to undo", "the history lists earlier repairs")
    run = runs[0]
    digest = sha256(json.dumps([history["target"], run], sort_keys=True).encode()).hexdigest()[:32]
    return {"id": digest, "action": "undo", "cause": run["cause"], "variant": None, "service": None, "node": None,
            "repair": None, "risk": None, "proof": None, "summary": f"undo the repair {run['id']}",
            "steps": [f"take back: {step}" for step in reversed(run["steps"])], "diff": "", "warnings": [],
            "run": run["id"]}


def _plan_answer(report: Answer, plan: Answer | None) -> Answer:
    return {"schema_version": SCHEMA_VERSION, "target": report["target"], "verdict": report["verdict"], "plan": plan,
            "valid_seconds": VALID_SECONDS if plan is not None else 0, "withheld": report.get("withheld", []),
            "notes": report.get("notes", [])}


def failure(target: str, error: FixerError) -> Answer:
    """Return the error object of the published JSON."""
    report = ErrorReport(error.kind, error.message, error.hint)
    return dict(to_value(Failure(SCHEMA_VERSION, target, "unknown", report)))


def _outcome(answer: Answer) -> dict[str, str]:
    """Return how a call ended for the audit log, with the plan that it showed and the journal that it wrote."""
    if "error" in answer:
        return {"outcome": str(answer["error"]["kind"])}
    told = answer.get("outcome") or answer.get("verdict") or ("conflicts" if answer.get("conflicts") else "done")
    found = {"outcome": str(told)}
    if answer.get("plan"):
        found["plan"] = str(answer["plan"]["id"])
    if journal := answer.get("journal") or answer.get("id"):
        found["journal"] = str(journal)
    return found
