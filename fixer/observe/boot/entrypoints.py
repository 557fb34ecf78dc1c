"""Servers that a container's own script puts into the background before it becomes nginx: nobody watches them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from fixer.formats.server_names import runtime_of
from fixer.formats.shell_words import literal
from fixer.model.facts import Evidence
from fixer.model.snapshot import Container
from fixer.observe.commands.resolved_command import Follow, Told, followed
from fixer.observe.view.node_view import View


def entered(view: View, box: Container | None, reads: list[str]) -> Iterator[Told]:
    """What the container's command ends in besides nginx, as its scripts say: an entry script may hand over to another
    one that it is given. `reads` takes the files that say it."""
    if box is None or box.is_machine:
        return
    for at in range(len(box.argv)):
        follow = Follow(view.contents(), box.working_dir or "/")
        said = Evidence("container", box.name, " ".join(box.argv))
        words, env, style, said = followed([literal(word) for word in box.argv[at:]], {}, said, follow)
        reads += [posixpath.normpath(path) for path in follow.reads]
        told = Told(tuple(words), env, said, style, follow.directory, tuple(follow.reads))
        if style and runtime_of(told.argv):
            yield told
            return
