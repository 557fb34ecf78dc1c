"""A scripted client of the protocol's own SDK, for a server in a process of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp_types import ElicitResult

Session = Callable[["Agent"], Awaitable[None]]


class Agent:
    """The client's side: it calls tools, and answers for the person."""

    def __init__(self, client: Client, asked: list[str]) -> None:
        self.client = client
        self.asked = asked

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The structured answer; what the model reads holds the same."""
        result = await self.client.call_tool(tool, arguments)
        text = result.content[0].text  # type: ignore[union-attr]
        assert json.loads(text.partition("\n")[2]) == result.structured_content
        assert result.is_error is ("error" in result.structured_content)
        return dict(result.structured_content)


def server(folder: Path, *words: str, shell: str = "", **env: str) -> StdioServerParameters:
    """A server with its state in this folder; `shell` are commands that run in its shell before."""
    command = [sys.executable, "-m", "fixer", "mcp", *words]
    argv = ["bash", "-c", f'{shell}\nexec "$@"', "bash", *command] if shell else command
    return StdioServerParameters(command=argv[0], args=argv[1:], cwd=Path(__file__).parents[2],
                                 env={"BADGATEWAY_STATE": str(folder / "state"), **env})


@asynccontextmanager
async def agent(parameters: StdioServerParameters, answer: Any = None, mode: str = "auto") -> AsyncIterator[Agent]:
    """A client that is connected. `answer` is what the person says when asked; None: the client can ask nobody. Where the
    form has choices, a person who says yes takes the first one of each."""
    asked: list[str] = []

    async def elicit(_: Any, params: Any) -> ElicitResult:
        asked.append(params.message)
        choices = {name: field["enum"][0] for name, field in params.requested_schema["properties"].items() if "enum" in field}
        if choices and answer == "yes":
            return ElicitResult(action="accept", content=choices)
        return ElicitResult(action="accept", content={"approve": True}) if answer == "yes" else ElicitResult(action=answer)

    async with Client(parameters, mode=mode, elicitation_callback=elicit if answer else None) as client:
        yield Agent(client, asked)


def run(session: Session, parameters: StdioServerParameters, **more: Any) -> None:
    """Run one session to its end."""
    async def go() -> None:
        async with agent(parameters, **more) as there:
            await session(there)

    anyio.run(go)
