"""Files of nginx that its container makes of templates at each start, and where each of their bytes is written."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from fixer.formats.addresses import DOCKER_RESOLVER
from fixer.formats.docker_conventions import environment_paths
from fixer.formats.env_file import read_env_file
from fixer.formats.folders import is_within
from fixer.formats.server_names import script_of
from fixer.formats.shell_words import Piece, Word
from fixer.formats.template_text import TemplateRun, align_template
from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.regex import regex
from fixer.model.facts import Known
from fixer.model.nginx_config import GeneratedFile, SourceRun
from fixer.model.query import FileAnswer, Query, ReadFile, ReadGlob
from fixer.model.snapshot import Container, FileContent
from fixer.observe.docker.compose_files import (
    ComposeFile,
    compose_files_of,
    defined_services,
    interpolation_env,
    paths_to_read,
)
from fixer.observe.docker.compose_service import compose_service
from fixer.observe.docker.container_service import container_environment
from fixer.observe.editable_files import file_content, host_path_of
from fixer.observe.nginx.sites import Site
from fixer.observe.view.node_view import ENGINE, View, container_of, is_readable
from fixer.redaction.secrets import is_secret_name

TEMPLATE_ENDINGS = (".template", ".tmpl", ".tpl")
_OTHER_ENDINGS = (".j2", ".jinja2", ".template.conf")      # of what no entry point of nginx's own images reads
_SUFFIX, _FOLDER = "NGINX_ENVSUBST_TEMPLATE_SUFFIX", "NGINX_ENVSUBST_TEMPLATE_DIR"
# The official image's entry point adds a line to this file of the image at each start.
_OWN_DEFAULT = "/etc/nginx/conf.d/default.conf"
_RESOLVERS = "NGINX_ENTRYPOINT_LOCAL_RESOLVERS"
_GLOB = regex(r"[*?\[\]\\]")
_PATH = regex(r"(?:/[\w.-]+){2,12}")
_PARTS = "/docker-entrypoint.d"      # whose scripts the official image's entry point runs
_SCRIPT_PATH = regex(r"(?<![\w.-])(?:/[\w.-]{1,80}){1,12}\.(?:sh|py|envsh)\b")
MOST_SCRIPTS = 6
MOST_TEMPLATES = 8      # templates outside /etc/nginx that are read
MOST_CANDIDATES = 40      # templates that a file is compared with


@dataclass(frozen=True, slots=True)
class _Place:
    """An nginx in a container, with the variables that its start script sees."""

    site: Site
    box: Container
    engine: View
    values: Mapping[str, bytes]
    words: Mapping[str, Word]
    containers: tuple[Container, ...]

    @property
    def endings(self) -> tuple[str, ...]:
        """Return how the names of its templates may end."""
        return tuple(dict.fromkeys((*self.own_endings, *_OTHER_ENDINGS)))

    @property
    def own_endings(self) -> tuple[str, ...]:
        """Return how those end that the image's own entry point may read."""
        own = self.values.get(_SUFFIX, b"").decode("utf-8", "replace")
        return tuple(dict.fromkeys(filter(None, (own, *TEMPLATE_ENDINGS))))


def generated_files_of(sites: Sequence[Site], views: Mapping[str, View],
                       containers: tuple[Container, ...]) -> tuple[GeneratedFile, ...]:
    """Return the generated files of every nginx in a container; none of an nginx if one of its files is unexplained."""
    return tuple(made for site in sites if (place := _place_of(site, views, containers)) is not None
                 for made in _generated_files(place))


def template_contents(made: Sequence[GeneratedFile], views: Mapping[str, View],
                      containers: tuple[Container, ...]) -> Iterator[FileContent]:
    """Yield the templates of the files, as nginx's container names them, with their bytes."""
    for node, path in dict.fromkeys((one.node, one.template) for one in made):
        yield file_content(node, views[node].files[path], containers)


def template_queries(site: Site, failing: Collection[str], views: Mapping[str, View],
                     containers: tuple[Container, ...]) -> Iterator[tuple[str, Query]]:
    """Yield queries for the templates of the files that name a failing address: their bytes if they are mounted outside
    /etc/nginx, and their paths on the Docker host."""
    place = _place_of(site, views, containers, templates=False)
    if place is None:
        return
    for query in _outside_queries(place):
        yield site.view.name, query
    for name in dict.fromkeys(name for path in failing for name in _candidates(place, path)):
        mount = host_path_of(site.view.name, site.view.files[name], containers)
        if mount is not None:
            yield ENGINE, ReadFile(mount[0])


def _outside_queries(place: _Place) -> Iterator[Query]:
    """Yield queries for templates outside /etc/nginx: mounted files, those that the start script names, and the folder
    that the container names."""
    mounted = (posixpath.normpath(mount[1]) for mount in place.box.mounts)
    named = [path for path in mounted if path.endswith(place.endings) and not is_within(path, "/etc/nginx")]
    scripts = tuple(dict.fromkeys(_start_scripts(place)))
    yield from map(ReadFile, scripts)
    texts = {path: (place.site.view.data(path) or b"").decode("latin-1") for path in scripts}
    yield from map(ReadFile, dict.fromkeys(name for path, text in texts.items() for name in called_scripts(path, text)))
    if any(_PARTS in text for text in texts.values()):
        yield ReadGlob((f"{_PARTS}/*.sh", f"{_PARTS}/*.envsh"))
    told = (name for path in scripts for name in _paths_of_templates(place, place.site.view.data(path) or b""))
    yield from map(ReadFile, tuple(dict.fromkeys((*named, *told)))[:MOST_TEMPLATES])
    folder = place.values.get(_FOLDER, b"").decode("utf-8", "replace")
    if folder.startswith("/") and not is_within(folder, "/etc/nginx") and not _GLOB.search(folder):
        yield ReadGlob(tuple(f"{folder}/*{ending}" for ending in place.own_endings if not _GLOB.search(ending)))


def called_scripts(script: str, text: str) -> tuple[str, ...]:
    """Return the scripts that a script names by their whole paths: one of them may write the file."""
    return tuple(dict.fromkeys(path for path in _SCRIPT_PATH.findall(text) if path != script))[:MOST_SCRIPTS]


def _start_scripts(place: _Place) -> Iterator[str]:
    """Yield the scripts that the container's command and its first process run. A bare name is looked for where images
    put such scripts."""
    main = place.site.view.by_pid.get(1)
    for argv in (place.box.argv, main.argv if main is not None else ()):
        script = script_of(argv) or ""
        if script.endswith(".sh") or "entrypoint" in posixpath.basename(script):
            yield posixpath.join("/usr/local/bin", script)


def _paths_of_templates(place: _Place, script: bytes) -> Iterator[str]:
    """Yield the templates outside /etc/nginx that a script names by their whole paths."""
    for match in _PATH.finditer(script.decode("latin-1")):
        if match[0].endswith(place.endings) and not is_within(match[0], "/etc/nginx"):
            yield posixpath.normpath(match[0])


def scripts_at_start(site: Site, views: Mapping[str, View],
                     containers: tuple[Container, ...]) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """Return the texts of the start scripts that were read, with those that they run, and nginx's files that the last
    start wrote. Both are empty on a machine."""
    place = _place_of(site, views, containers, templates=False)
    own = [path for path in _start_scripts(place) if site.view.data(path) is not None] if place is not None else []
    if place is None or not own or not isinstance(site.config, Known):
        return {}, ()
    texts = {path: (site.view.data(path) or b"").decode("latin-1") for path in own}
    called = [name for path in own for name in called_scripts(path, texts[path])]
    parts = [path for path in site.view.files if path.startswith(f"{_PARTS}/")]
    texts |= {path: (site.view.data(path) or b"").decode("latin-1") for path in (*called, *parts)}
    return texts, tuple(path for path in site.config.value.files if (file := site.view.files.get(path)) is not None
                        and _is_written_at_start(place, file))


def _place_of(site: Site, views: Mapping[str, View], containers: tuple[Container, ...], *,
              templates: bool = True) -> _Place | None:
    """Return the nginx if it is in a container that is no machine, with `templates` only if it has one."""
    box, engine = container_of(site.view.name, containers), views.get(ENGINE)
    if box is None or box.is_machine or engine is None or not isinstance(site.config, Known):
        return None
    raw = container_environment(box, engine)
    values = {name: text.encode("utf-8", "surrogateescape") for name, text in raw.items()}
    if _RESOLVERS in values:
        values["NGINX_LOCAL_RESOLVERS"] = DOCKER_RESOLVER.encode()      # the entry point sets it on Docker's networks
    bare = _Place(site, box, engine, values, {}, containers)
    if not templates:
        return bare
    if not _templates(bare):
        return None
    written = compose_service(box, engine)
    return bare if written is None else replace(bare, words=written.env)


def _templates(place: _Place) -> tuple[str, ...]:
    """Return the templates that were read, the first of many."""
    return tuple(path for path, file in place.site.view.files.items()
                 if path.endswith(place.endings) and is_readable(file) and not file.truncated)[:MOST_CANDIDATES]


def _templates_of(place: _Place, path: str) -> tuple[str, ...]:
    """Return those with the name of the file."""
    name = posixpath.basename(path)
    names = {name + ending for ending in place.endings}
    names |= {name.removesuffix(".conf") + ending for ending in place.endings if ending.endswith(".conf")}
    return tuple(other for other in _templates(place) if posixpath.basename(other) in names)


def _candidates(place: _Place, path: str) -> tuple[str, ...]:
    """Return those with its name; all, if none has it and the last start wrote the file."""
    named, file = _templates_of(place, path), place.site.view.files.get(path)
    if file is None or not _is_shared(place, file):
        return named or (_templates(place) if file is not None and _is_written_at_start(place, file) else ())
    return tuple(one for one in named if posixpath.dirname(one) == posixpath.dirname(path))


def _is_shared(place: _Place, file: FileAnswer) -> bool:
    """Return whether others may write it, too: then only a template beside it with its name tells who makes it."""
    return any(is_within(_real_path(file), at) for _, at in place.box.shares)


def _is_written_at_start(place: _Place, file: FileAnswer) -> bool:
    """Return whether the last start wrote the file, or something since."""
    started = int(place.box.started_at)      # a file's time has whole seconds
    return file.stat is not None and 0 < started <= file.stat.end.mtime


def _generated_files(place: _Place) -> tuple[GeneratedFile, ...]:
    files = place.site.config.value.files if isinstance(place.site.config, Known) else ()
    found: dict[str, GeneratedFile] = {}
    for path in dict.fromkeys((*files, *_outputs_of_templates(place))):
        file = place.site.view.files.get(path)
        made = _generated_file(place, path, file) if file is not None else None
        if made is not None:
            found[path] = made
        elif _templates_of(place, path):
            return ()       # the next start would change more than a repair of another file
    if not all(_is_used(template, found) for template in _listed_templates(place, found)):
        return ()
    if any(_is_stale(place, path) for path in files):
        return ()
    lost = next((path for path in files if path not in found and _is_lost_with_container(place, path)), "")
    return tuple(replace(made, lost_file=lost) for made in found.values())


def _outputs_of_templates(place: _Place) -> Iterator[str]:
    """Yield files below /etc/nginx that have a template, whether nginx includes them or not."""
    names = {posixpath.basename(path) for path in place.site.view.files}
    for path in place.site.view.conf_files:
        if any(posixpath.basename(path) + ending in names for ending in place.endings):
            yield path


def _listed_templates(place: _Place, found: Mapping[str, GeneratedFile]) -> Iterator[str]:
    """Yield every template in the folders of those that are used."""
    folders = {posixpath.dirname(made.template) for made in found.values()}
    endings = {made.template[len(posixpath.splitext(made.template)[0]):] for made in found.values()}
    for path, file in place.site.view.files.items():
        if posixpath.dirname(path) in folders and path.endswith(tuple(endings)) and file.status == "ok":
            yield path


def _is_used(template: str, found: Mapping[str, GeneratedFile]) -> bool:
    return any(template == made.template for made in found.values())


def _generated_file(place: _Place, path: str, file: FileAnswer) -> GeneratedFile | None:
    """Return the file if a template gives its bytes, and the last start wrote it."""
    if not is_readable(file) or file.truncated or not file.data or not _is_written_at_start(place, file):
        return None
    for template in _candidates(place, path):
        source = place.site.view.files[template]
        runs = align_template(source.data, file.data, place.values)
        if runs is not None:
            node = place.site.view.name
            parts = tuple(part for run in runs for part in _source_runs(place, template, run))
            return GeneratedFile(node, _real_path(file), template, parts)
    return None


def _real_path(file: FileAnswer) -> str:
    return file.stat.real_path or file.path if file.stat is not None else file.path


def _is_stale(place: _Place, path: str) -> bool:
    """Return whether the next start reads other bytes of a mounted file than the container sees now."""
    file = place.site.view.files.get(path)
    mount = host_path_of(place.site.view.name, file, place.containers) if file is not None else None
    outside = place.engine.files.get(mount[0]) if mount is not None else None
    return file is not None and outside is not None and is_readable(outside) and outside.data != file.data


def _is_lost_with_container(place: _Place, path: str) -> bool:
    """Return whether somebody wrote the file into the container's own layer, where a new container has it not."""
    file = place.site.view.files.get(path)
    if file is None or file.stat is None or _real_path(file) == _OWN_DEFAULT:
        return False
    mounted = any(is_within(_real_path(file), at) for _, at in (*place.box.shares, *(m[:2] for m in place.box.mounts)))
    return not mounted and 0 < int(place.box.created_at) <= file.stat.end.mtime


def _source_runs(place: _Place, template: str, run: TemplateRun) -> Iterator[SourceRun]:
    """Yield where the bytes of a run are written; a value may be assembled from several places."""
    if not run.variable:
        yield SourceRun(run.start, run.end, place.site.view.name, template, run.at)
        return
    name, value = run.variable, place.values.get(run.variable)
    word = place.words.get(name)
    if value is None:
        yield SourceRun(run.start, run.end, "", "", None, name, f"the start script itself makes the value of {name}")
    elif is_secret_name(name):
        yield SourceRun(run.start, run.end, "", "", None, name, f"the value of {name} may be a secret")
    elif word is None or word.text.encode("latin-1", "replace") != value:
        yield SourceRun(run.start, run.end, "", "", None, name, _unset_value_text(place.box, name, word))
    else:
        at = run.start
        for piece in word.pieces:
            yield _run_of_piece(place, piece, name, at)
            at += len(piece.text)


def _unset_value_text(box: Container, name: str, word: Word | None) -> str:
    """Return why no place in the compose files gives a container its value of a variable."""
    at = next((f"{piece.file}:{piece.line}" for piece in word.pieces if piece.file), "") if word is not None else ""
    if not at:
        return f"{name} of container {box.name} is set in none of its compose files"
    return (f"{at} gives {name} another value than container {box.name} was created with. `docker compose up -d "
            f"{box.service}` applies it, and no file holds the old value for an undo")


def _run_of_piece(place: _Place, piece: Piece, name: str, at: int) -> SourceRun:
    end, file, where = at + len(piece.text), piece.file or "", f"{piece.file}:{piece.line}"
    data = place.engine.data(file) if file else None
    if piece.start is None or data is None or not data.startswith(piece.text.encode("latin-1", "replace"), piece.start):
        return SourceRun(at, end, ENGINE, file, None, name, f"{name} is not written literally at {where}")
    reader = _other_reader(place, file, piece)
    why = f"{reader} reads {where} too" if reader else ""
    return SourceRun(at, end, ENGINE, file, None if why else piece.start, name, why)


def _other_reader(place: _Place, file: str, piece: Piece) -> str:
    """Return what else takes its value from there: another service, or another setting of this one."""
    outer = interpolation_env(place.box, place.engine)
    own = compose_files_of(place.box, place.engine, outer)
    names = defined_services(place.box, place.engine, outer)
    for name in names:
        if name != place.box.service and _reads(place, name, piece):
            return f"service {name}"
    if file not in environment_paths(place.box):
        return ""
    inserted = [key for key, word in read_env_file(file, place.engine.data(file) or b"").items()
                if any(part.start == piece.start for part in word.pieces)]
    return next((f"another setting of the compose files ({key})" for key in inserted
                 if _count_uses(place, key) > sum(_uses_in_environment(one, key) for one in own)), "")


def _reads(place: _Place, name: str, piece: Piece) -> bool:
    """Return whether another service of the project has that file, or takes a variable or an argument from there."""
    other = compose_service(replace(place.box, service=name), place.engine)
    return other is not None and (piece.file in other.env_files or any(
        (part.file, part.start) == (piece.file, piece.start)
        for word in (*other.env.values(), *other.command) for part in word.pieces))


def _count_uses(place: _Place, name: str) -> int:
    return sum(_uses(place.engine.data(path) or b"", name) for path in dict.fromkeys(
        paths_to_read(place.box, place.engine)))


def _uses(data: bytes, name: str) -> int:
    return len(re.findall(rb"\$\{?" + re.escape(name.encode()) + rb"(?!\w)", data))


def _uses_in_environment(file: ComposeFile, name: str) -> int:
    node = file.service.get("environment")
    return _uses(file.data[node.start:node.end], name) if node is not None and file.owns(node) else 0
