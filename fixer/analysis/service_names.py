"""Names that a site and a service share, without common words, which prove nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from fixer.analysis.case import Case, FailingAddress
from fixer.formats.dependency_systems import BY_IMAGE, BY_PROGRAM, system_at_port, system_of_unit
from fixer.lazy.regex import regex
from fixer.managers import manager_of
from fixer.model.snapshot import Container, RouteFacts, Service

_BETWEEN_WORDS = regex(r"[^a-z0-9]+")

_COMMON_WORDS = frozenset((
    "etc", "usr", "bin", "lib", "opt", "srv", "var", "home", "www", "root", "local", "localhost", "nginx", "conf",
    "angie", "openresty", "tengine",
    "default", "sites", "enabled", "available", "http", "https", "com", "net", "org", "example", "main", "py", "python",
    "python3", "uvicorn", "gunicorn", "service", "default_server", "run", "exec", "host", "port", "workers",
))

_GENERIC_WORDS = _COMMON_WORDS | frozenset((
    "app", "apps", "api", "application", "backend", "back", "front", "frontend", "web", "webapp", "webapps", "site",
    "server", "upstream", "proxy", "asgi", "wsgi", "django", "fastapi", "flask", "starlette", "node", "npm", "daemon",
    "prod", "production", "staging", "stage", "dev", "test", "live", "new", "my", "deploy", "svc", "share", "data",
    "user", "users", "admin", "runner", "html", "public", "internal", "intern", "corp", "lan", "src", "code", "venv",
    "env", "current", "release", "releases", "start", "manage", "serve", "index", "io", "co", "dev", "eu", "uk", "de",
    "js", "mjs", "cjs", "ts", "sh", "jar", "worker", "uvicornworker", "gthread", "gevent", "asyncio", "info", "unix",
    "sock", "socket", "false", "true", "lib64", "sbin",
))
_AUXILIARY_WORDS = frozenset(("exporter", "metrics", "prometheus", "statsd", "monitor", "monitoring", "telemetry",
                              "healthcheck", "stats", "control"))
_STAGE_WORDS = frozenset(("staging", "stage", "dev", "devel", "test", "testing", "demo", "preview", "qa", "uat",
                          "sandbox", "beta"))
_MEANINGLESS_WORDS = _COMMON_WORDS | frozenset((
    "app", "apps", "application", "backend", "back", "upstream", "upstreams", "server", "servers", "svc", "site",
    "proxy", "web", "webapp", "to", "the", "pool", "cluster",
))
_MIN_TELLING_LETTERS = 4     # letters from which one name inside another is no accident


def has_unrelated_name(trouble: FailingAddress, service: Service) -> bool:
    """Return whether both have distinctive names and share none. The only running application is not the backend of a
    site that does not use it."""
    site, ours = _site_words(trouble, locations=False) - _GENERIC_WORDS, _distinctive_words(service)
    known = ours | _script_words(service)
    return bool(site and ours) and not any(_is_similar(one, other) for one in site for other in known)


def is_named_after_other_site(case: Case, trouble: FailingAddress, service: Service) -> bool:
    """Return whether the service shares no name with the site and one with another site of that nginx: it is that
    one's."""
    if not has_unrelated_name(trouble, service):
        return False
    servers = {(facts.node, facts.conf, facts.route.server_index) for facts in trouble.routes}
    words = _distinctive_words(service)
    return any(_is_similar(one, other) for server, named in _words_of_servers(case).items()
               if server not in servers and server[0] == trouble.nginx.node
               and server[1] in ("", trouble.nginx.conf_path)
               for one in named for other in words)


def _words_of_servers(case: Case) -> Mapping[tuple[str, str, int], frozenset[str]]:
    """Return server -> the distinctive words of its names and files. Each service of each address asks."""
    if not case.server_words_cache:
        routes: dict[tuple[str, str, int], list[RouteFacts]] = {}
        for facts in case.snapshot.routes:
            routes.setdefault((facts.node, facts.conf, facts.route.server_index), []).append(facts)
        case.server_words_cache.update(
            (server, _words_of_routes(own, locations=False) - _GENERIC_WORDS) for server, own in routes.items())
    return case.server_words_cache


def has_only_name_of(trouble: FailingAddress, service: Service, used: Service) -> bool:
    """Return whether what the service shares with the site is also the name of another one that the site uses, and
    neither the location nor its upstream block has its name."""
    ours = service_words(service)
    places = [text for facts in trouble.routes for text in (facts.route.location, facts.route.upstream)]
    shared = _site_words(trouble, locations=False) & ours
    return bool(shared) and not _significant_words(places) & ours and shared <= service_words(used)


def _script_words(service: Service) -> frozenset[str]:
    """Return the words of the wrapper script that its command is in: what starts it may have no name of its own
    (`rc-local.service`). Many scripts are called `launch` or `boot`, so their words prove only what they share."""
    unit = service.unit
    written = {word.file for word in service.command[:1] if word.file} if service.container is None else set()
    units = {unit.fragment_path, *unit.drop_in_paths} if unit is not None else set()
    return _significant_words([path.rpartition("/")[2] for path in written - units]) - _GENERIC_WORDS


def _distinctive_words(service: Service) -> frozenset[str]:
    """Return its words without common ones and without the name of the server that it runs, which others run, too."""
    return service_words(service) - _GENERIC_WORDS - _significant_words([service.runtime])


def has_unrelated_unit_name(trouble: FailingAddress, service: Service) -> bool:
    """Return whether its unit and program have a distinctive name and the site has another. Two applications may share
    a folder or user, and the site's own may be missing. Compose service names are roles, not names."""
    if service.container is not None:
        return False
    site = _site_words(trouble, locations=False) - _GENERIC_WORDS
    unit, program = (words - _GENERIC_WORDS for words in _unit_and_program_words(service))
    telling = {word for word in unit - _significant_words([service.runtime]) if len(word) >= _MIN_TELLING_LETTERS}
    known = unit | program | _script_words(service)
    return bool(site and telling) and not any(_is_similar(one, other) for one in site for other in known)


def is_auxiliary_service(trouble: FailingAddress, service: Service) -> bool:
    """Return whether it serves HTTP for other programs by its own name, and the site's names do not say so."""
    unit, program = _unit_and_program_words(service)
    return bool(_AUXILIARY_WORDS & (unit | program) - _site_words(trouble))


def is_of_other_stage(trouble: FailingAddress, service: Service) -> bool:
    """Return whether its own name says that it is a trial of an application (`shop-staging`), and the site's names do
    not: visitors of the site are not to be led there."""
    box = service.container
    own = box.service or box.name if box is not None else service.name
    return bool(_STAGE_WORDS & _significant_words([own]) - _site_words(trouble))


def _unit_and_program_words(service: Service) -> tuple[frozenset[str], frozenset[str]]:
    """Return the words of the unit's name, and those of the program that its command runs."""
    return _significant_words([service.name.partition("@")[0]]), _significant_words(
        [word for word in service.argv[1:] if "/" not in word and not word.startswith("-")])


def is_named_after_site(trouble: FailingAddress, service: Service) -> bool:
    """Return whether site and service share a distinctive name."""
    return _is_any_similar(trouble, _distinctive_words(service))


def is_path_named_after_site(trouble: FailingAddress, path: str) -> bool:
    """Return whether a path and the site share a distinctive name, and it is none of figures for other programs."""
    words = _significant_words([path])
    return not words & _AUXILIARY_WORDS and _is_any_similar(trouble, words - _GENERIC_WORDS)


def _is_any_similar(trouble: FailingAddress, words: frozenset[str]) -> bool:
    site = _site_words(trouble, locations=False) - _GENERIC_WORDS
    return any(_is_similar(one, other) for one in site for other in words)


def is_named_in_config(trouble: FailingAddress, service: Service) -> bool:
    """Return whether the configuration names the address after this container and after no other. It compares the
    upstream, else the location, else the site and file. `shop_admin` is not `shop`, and a name common to the project is
    no container's own."""
    box = service.container
    own = _split_words(box.service or box.name if box is not None else service.name)
    for texts in _configured_names(trouble):
        named = [words for text in texts if (words := _split_words(text))]
        if any(words - _MEANINGLESS_WORDS for words in named):
            return any(_is_same_name(words, own) for words in named)
        if own in named:
            return True
    return False


def _configured_names(trouble: FailingAddress) -> Iterator[list[str]]:
    """Yield the names of an address, the most distinctive first."""
    routes = [facts.route for facts in trouble.routes]
    yield [route.upstream for route in routes]
    yield [route.location for route in routes]
    files = [span.file for route in routes for span in (route.source, *(listen.span for listen in route.listens))]
    yield [*(name.removeprefix("www.").partition(".")[0] for route in routes for name in route.server_names),
           *(file.rsplit("/", 1)[-1].partition(".")[0] for file in files)]


def _is_same_name(words: frozenset[str], own: frozenset[str]) -> bool:
    telling = words - _MEANINGLESS_WORDS
    return words == own or (bool(telling) and telling == own - _MEANINGLESS_WORDS)


def _split_words(text: str) -> frozenset[str]:
    return frozenset(word for word in _BETWEEN_WORDS.split(text.lower()) if word)


def _is_similar(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return short == long or (len(short) >= _MIN_TELLING_LETTERS and short in long)


def count_shared_names(trouble: FailingAddress, service: Service) -> int:
    """Return how many names the site and the service share."""
    return len(_site_words(trouble) & service_words(service))


def _site_words(trouble: FailingAddress, *, locations: bool = True) -> frozenset[str]:
    return _words_of_routes(trouble.routes, locations=locations)


def _words_of_routes(routes: Iterable[RouteFacts], *, locations: bool) -> frozenset[str]:
    texts: list[str] = []
    for facts in routes:
        route = facts.route
        places = (route.source.file, *(listen.span.file for listen in route.listens))    # a snippet, its includers
        texts += [*route.server_names, route.upstream, *(place.rsplit("/", 1)[-1] for place in places)]
        texts += [route.location] if locations else []
    return _significant_words(texts)


def service_words(service: Service) -> frozenset[str]:
    """Return the words of its names, command, folder and account, without common words; of a program of supervisord
    those of its group and file, too."""
    box, program = service.container, service.program
    texts = [service.name, *(word for word in service.argv if not word.startswith("-"))]
    if program is not None:
        texts += [program.group, program.file.rpartition("/")[2]]
    if box is not None:
        texts += [box.name, box.service or ""]
    else:
        texts += [service.start_folder, manager_of(service).account_name()]
    return _significant_words(texts)


def _significant_words(texts: list[str]) -> frozenset[str]:
    words = {word for text in texts for word in _BETWEEN_WORDS.split(text.lower())}
    return frozenset(word for word in words if len(word) > 1 and not word.isdigit() and word not in _COMMON_WORDS)


def system_kind_of(service: Service) -> str:
    """Return the kind of system that a service is; empty if unknown."""
    kind = system_of_unit(service.unit.name) if service.unit is not None else ""
    if kind:
        return kind
    for word in service.argv[:2]:
        if (system := BY_PROGRAM.get(word.rsplit("/", 1)[-1])) is not None:
            return system.name
    return _system_kind_of_container(service.container) if service.container is not None else ""


def _system_kind_of_container(box: Container) -> str:
    """Return the kind by the image's name, or by the only port that the image exposes."""
    image = box.image.rpartition("/")[2].partition("@")[0].partition(":")[0]
    if image in BY_IMAGE:
        return BY_IMAGE[image].name
    return system_at_port(box.exposes[0]) if len(box.exposes) == 1 else ""
