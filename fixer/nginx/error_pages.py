"""What `error_page` makes of a 502 or 504 of nginx."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.nginx.address import text_of
from fixer.nginx.effective_config import Node


def pages_in_force(block: list[Node], above: tuple[Node, ...]) -> tuple[Node, ...]:
    """Return the error pages in force in a block: inherited only if it sets none itself."""
    own = tuple(node for node in block if node.name == b"error_page" and len(node.args) > 1)
    return own or above


def mask_of(pages: tuple[Node, ...]) -> str:
    """Return the error page that changes a 502 or 504 into another status, as written; empty for none."""
    for node, page, given in _pages_of_gateway(pages):
        away = given is None and page.startswith((b"http://", b"https://"))  # redirects there with 302
        if away or (given is not None and not (given.isdigit() and int(given) >= 500)):
            return _written(node)
    return ""


def local_page_of(pages: tuple[Node, ...]) -> str:
    """Return the page of this nginx for a 502 or 504 with its own status, as written; empty for none.
    If nginx cannot send that page, visitors get the status of that failure: 404, or 403."""
    return next((_written(node) for node, page, given in _pages_of_gateway(pages)
                 if given is None and page.startswith(b"/")), "")


def _pages_of_gateway(pages: tuple[Node, ...]) -> Iterator[tuple[Node, bytes, bytes | None]]:
    """Yield the directive, the page and the status after `=` of each that is for a 502 or 504."""
    for node in pages:
        codes, page = node.args[:-1], node.args[-1]
        if {b"502", b"504"}.intersection(codes):
            yield node, page, next((code[1:] for code in codes if code.startswith(b"=")), None)


def _written(node: Node) -> str:
    words = " ".join(text_of(word) for word in (node.name, *node.args))
    return f"{words}, {node.tree.file}:{node.tree.line(node.start)}"
