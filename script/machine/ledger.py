"""The backend of a whole machine: it answers, and takes memory when it is asked to."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

KEPT: list[bytearray] = []


async def page(request: Request) -> PlainTextResponse:
    """What visitors ask for."""
    return PlainTextResponse("well\n")


async def report(request: Request) -> PlainTextResponse:
    """A report that is kept in memory: 20 MiB of it with each request."""
    KEPT.append(bytearray(20 << 20))
    return PlainTextResponse(f"{len(KEPT)}\n")


app = Starlette(routes=[Route("/", page), Route("/login", page), Route("/report", report)])
