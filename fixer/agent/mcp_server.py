"""The server of the Model Context Protocol, on stdin and stdout. The one module that knows the protocol's SDK."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import Any

import anyio
from jsonschema import Draft202012Validator
from mcp.server import Server, ServerRequestContext
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ClientCapabilities,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from fixer import __version__
from fixer.agent.audit_log import AuditLog
from fixer.agent.bounded_answer import answer_text, bounded_answer
from fixer.agent.child_command import run_fixer
from fixer.agent.input_question import InputQuestion
from fixer.agent.issued_plans import IssuedPlan, approval_text
from fixer.agent.settings import Settings
from fixer.agent.tool_catalogue import INSTRUCTIONS, ToolEntry, tool_entries
from fixer.agent.toolbox import Answer, Call, CannotAsk, Consent, MustAsk, Toolbox, failure
from fixer.errors import Interrupted

_ANSWER_KEY = "approval"
_QUESTION: dict[str, Any] = {
    "type": "object", "required": ["approve"],
    "properties": {"approve": {"type": "boolean", "title": "Apply it", "default": False}},
}


class McpServer:
    """One server for one client."""

    def __init__(self, settings: Settings, audit: AuditLog) -> None:
        self._settings = settings
        self._entries = {entry.name: entry for entry in tool_entries(settings)}
        self._tools = Toolbox(settings, audit, run_fixer)
        self._calls: set[anyio.CancelScope] = set()
        self._server: Server[Any] = Server(
            "badgateway", version=__version__, title="fixer", instructions=INSTRUCTIONS,
            on_list_tools=self._list_tools, on_call_tool=self._call_tool)
        self._server.middleware.clear()  # its telemetry: fixer sends nothing anywhere

    async def serve(self) -> None:
        """Serve until the client closes stdin, or a signal ends this process. A repair in progress is rolled back."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._end_at_signal)
            async with stdio_server() as (read, write):
                await self._server.run(read, write, self._server.create_initialization_options())
            tasks.cancel_scope.cancel()

    async def _end_at_signal(self) -> None:
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            async for number in signals:
                while self._calls:
                    for call in self._calls:
                        call.cancel()
                    await anyio.sleep(0.05)
                os._exit(128 + number)  # the thread that reads stdin cannot be ended otherwise

    async def _list_tools(self, _: ServerRequestContext[Any], __: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[_tool(entry) for entry in self._entries.values()])

    async def _call_tool(
        self, context: ServerRequestContext[Any], params: CallToolRequestParams,
    ) -> CallToolResult | InputRequiredResult:
        entry = self._entries.get(params.name)
        arguments, client = dict(params.arguments or {}), _client_name(context)
        wrong = "there is no such tool" if entry is None else _wrong_argument(entry, arguments)
        if entry is None or wrong:
            return _result(self._tools.refuse(params.name, arguments, client, wrong))

        async def ask(issued: IssuedPlan) -> Consent:
            return await self._consent(context, params, issued)

        async def ask_inputs(question: InputQuestion) -> Mapping[str, Any] | None:
            return await self._chosen(context, params, question)

        call = Call(client, ask, params.request_state or "", ask_inputs)
        with anyio.CancelScope() as scope:
            self._calls.add(scope)
            try:
                return _result(await self._tools.call(entry.name, arguments, call))
            except MustAsk as asked:
                return self._input_required(asked.issued)
            finally:
                self._calls.discard(scope)
        return _result(failure("", Interrupted("interrupted: the server ends")))

    async def _consent(
        self, context: ServerRequestContext[Any], params: CallToolRequestParams, issued: IssuedPlan,
    ) -> Consent:
        """Ask the person, by the way that this version of the protocol has."""
        question = approval_text(issued)  # too long a plan ends here
        if not _can_ask(context.session.client_capabilities):
            return Consent("unattended" if self._settings.allow_unattended else "nobody", "nobody was asked")
        answer = await self._answer(context, params, issued, question, _QUESTION)
        if isinstance(answer, str):
            return Consent("no", f"elicitation: {answer}")
        agreed = answer.action == "accept" and (answer.content or {}).get("approve") is True
        return Consent("yes" if agreed else "no", f"elicitation: {answer.action}")

    async def _chosen(
        self, context: ServerRequestContext[Any], params: CallToolRequestParams, question: InputQuestion,
    ) -> Mapping[str, Any] | None:
        """Ask the person for inputs; None if they choose nothing. Raise CannotAsk if the client shows no forms."""
        if not _can_ask(context.session.client_capabilities):
            raise CannotAsk
        answer = await self._answer(context, params, question, question.text, question.form())
        return None if isinstance(answer, str) or answer.action != "accept" else answer.content or {}

    async def _answer(
        self, context: ServerRequestContext[Any], params: CallToolRequestParams, asked: IssuedPlan | InputQuestion,
        question: str, form: dict[str, Any],
    ) -> ElicitResult | str:
        """Return the person's answer, by the way that this version of the protocol has; or why there is none."""
        if context.protocol_version in MODERN_PROTOCOL_VERSIONS:
            if not params.request_state:
                raise MustAsk(asked)
            answer = (params.input_responses or {}).get(_ANSWER_KEY)
        else:
            try:
                answer = await context.session.elicit_form(question, form, context.request_id)
            except MCPError as error:
                return f"failed, {error.error.code}"
        return answer if isinstance(answer, ElicitResult) else "no answer"

    def _input_required(self, asked: IssuedPlan | InputQuestion) -> InputRequiredResult:
        """Return what the client has to ask before it calls again."""
        if isinstance(asked, InputQuestion):
            text, form, token = asked.text, asked.form(), self._tools.inputs.wait_for_answer(asked)
        else:
            text, form, token = approval_text(asked), _QUESTION, self._tools.plans.wait_for_answer(asked)
        request = ElicitRequest(params=ElicitRequestFormParams(message=text, requested_schema=form))
        return InputRequiredResult(input_requests={_ANSWER_KEY: request}, request_state=token)


def _can_ask(capabilities: ClientCapabilities | None) -> bool:
    """Return whether the client shows forms; one that declares no mode of elicitation does."""
    modes = capabilities.elicitation if capabilities is not None else None
    return modes is not None and (modes.form is not None or modes.url is None)


def _tool(entry: ToolEntry) -> Tool:
    return Tool(
        name=entry.name, title=entry.title, description=entry.description, input_schema=entry.input_schema(),
        output_schema=entry.output_schema(), annotations=ToolAnnotations(
            title=entry.title, read_only_hint=not entry.is_destructive, destructive_hint=entry.is_destructive,
            idempotent_hint=not entry.is_destructive, open_world_hint=False))


def _wrong_argument(entry: ToolEntry, arguments: dict[str, Any]) -> str:
    """Return which argument is wrong and how; empty if all are right. No value is repeated: it may be a secret."""
    for error in Draft202012Validator(entry.input_schema()).iter_errors(arguments):
        where = ".".join(map(str, error.absolute_path)) or "the arguments"
        return f"wrong arguments: {where}: {error.validator} {error.validator_value!r}"[:300]
    unprintable = (name for name, value in arguments.items() if isinstance(value, str) and not value.isprintable())
    return next((f"wrong arguments: {name}: a control character" for name in unprintable), "")


def _client_name(context: ServerRequestContext[Any]) -> str:
    params = context.session.client_params
    return f"{params.client_info.name} {params.client_info.version}" if params is not None else "unknown"


def _result(answer: Answer) -> CallToolResult:
    bounded = bounded_answer(answer)
    return CallToolResult(content=[TextContent(type="text", text=answer_text(bounded))], structured_content=bounded,
                          is_error="error" in answer)


def serve(settings: Settings, audit: AuditLog) -> int:
    """Serve one client and return the exit code: 0 once it has gone."""
    async def run() -> None:
        await McpServer(settings, audit).serve()

    try:
        anyio.run(run)
    except* (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
        pass  # the client went without a word
    return 0
