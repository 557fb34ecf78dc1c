"""Lines of start scripts that make a file of nginx: where they stand, and what they make the file of."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence

from fixer.lazy.regex import regex
from fixer.model.nginx_config import FileOrigin, GeneratedFile
from fixer.model.snapshot import Container, FileContent
from fixer.observe.generated_files import generated_files_of, scripts_at_start, template_contents
from fixer.observe.nginx.sites import Site
from fixer.observe.view.node_view import View

_PATH = regex(r"(?:/[\w.-]{1,80}){1,12}")
# how scripts write a file: what a redirection, an editor in place, a template engine or a copy leads to
_WRITES = regex(r">|\bsed\b[^|;]{0,80} -i|--in-place|\b(?:envsubst|jinja2?|j2|gomplate|dockerize|confd|tee|cp|install|"
                r"render|convert|template|write|dump)\b")
_TEMPLATE_MARKS = (".template", ".tmpl", ".tpl", ".j2", ".jinja", ".jinja2", ".in", ".conf", ".dist", ".example")


def origins_of(paths: Sequence[str], scripts: Mapping[str, str], node: str) -> Iterator[FileOrigin]:
    """Yield the first line of the scripts that writes each file by its whole path."""
    for path in paths:
        found = next((one for script, text in scripts.items() if (one := _origin_in(path, script, text, node))), None)
        if found is not None:
            yield found


def _origin_in(path: str, script: str, text: str, node: str) -> FileOrigin | None:
    for command, number in _lines_of(text):
        if path not in command or not _WRITES.search(command):
            continue
        named = _PATH.findall(command)
        if path not in named:
            continue
        other = next((one for one in named if one != path and _is_template(one, path)), "")
        return FileOrigin(node, path, script, number, other)
    return None


def _lines_of(text: str) -> Iterator[tuple[str, int]]:
    """Yield the lines that are no comment, with their numbers; one that goes on in the next counts by its last."""
    for number, line in enumerate(text.replace("\\\n", "  ").split("\n"), 1):
        if not line.lstrip().startswith("#"):
            yield line, number


def _is_template(one: str, path: str) -> bool:
    """Return whether a path beside the file's in a line that writes it is what it is made of."""
    name, made = posixpath.basename(one), posixpath.basename(path)
    stem = made.partition(".")[0]
    return name.endswith(_TEMPLATE_MARKS) and (stem in name or not name.endswith(".conf"))


def files_made_at_start(
    sites: Sequence[Site], views: Mapping[str, View], containers: tuple[Container, ...],
) -> tuple[tuple[GeneratedFile, ...], tuple[FileContent, ...], tuple[FileOrigin, ...]]:
    """Return the files of nginx that are proven to be made of templates, these templates, and which lines of the start
    scripts write files of nginx, as far as the scripts were read."""
    generated = generated_files_of(sites, views, containers)
    found: list[FileOrigin] = []
    for site in sites:
        texts, written = scripts_at_start(site, views, containers)
        found += origins_of(written, texts, site.view.name)
    return generated, tuple(template_contents(generated, views, containers)) if generated else (), tuple(found)
