"""nginx refuses its configuration: a file holds a mistake, or a link leads nowhere.
A running nginx serves what it loaded before; after its next restart nothing answers. Correct what `nginx -t` names.

By hand
  nginx -t                       # which file, which line?
  find -L /etc/nginx -type l     # links that lead nowhere
  nginx -t && nginx -s reload    # after the correction; if nginx does not run: systemctl start nginx
  Never restart before it passes: a failed reload is harmless, a failed restart is an outage.

What it is
  A missing semicolon, an unknown directive, a certificate that is not there, a link in sites-enabled whose site was
  deleted. `nginx -t` names the file and the line where it gave up.

Why visitors see an error
  A running nginx keeps serving what it loaded before, and no reload takes effect. The outage comes with the next
  restart: then nginx does not start at all (nginx-down is the consequence).

How it is told apart
  `nginx -t` fails. While every page answers, this is advice: nothing is broken yet, and nothing is touched. If a
  pipe (FIFO) is included, nginx says nothing and waits there for ever: fixer sees that and does not run `nginx -t`.
  Where Docker was to mount a file that is not there it makes an empty folder of that name, over which nginx ends at
  once.

The repair and its safety
  remove-dangling-link (safe): a link that leads nowhere serves nothing; it is removed, the configuration is checked,
  and nginx is started or reloaded. Undo puts the link back. Of a container it is removed on the Docker host, in the
  folder that is mounted; where it leads to a file of the host that is not mounted, that is for a person. Where no
  server would be left without it, nginx would run and answer nobody: then it is for a person too, who leads the link
  to the site's file again.
  restore-backup (disruptive): where a whole older state of the file lies beside it (shop~, shop.bak, shop.2026-01-31,
  shop.dpkg-old), or what the package brings (nginx.conf.dpkg-dist, .rpmnew, .default), with the same servers and
  addresses and without the mistake, a person may choose it. The file gets its bytes and keeps owner and mode, the
  configuration is checked, and nginx is started or reloaded.
  Any other mistake is for a person: fixer names file, line and what nginx says of it, and guesses at nothing. A backup
  that an include loads beside the file itself is said as that.

Variants
  nginx-config-invalid    a file holds a mistake
  sites-enabled-dangling  a link in sites-enabled leads nowhere
"""

from __future__ import annotations

import posixpath
import re

from fixer.analysis.case import Case
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.evidence import container_of, file_line_text, find_node, line_text, template_of
from fixer.analysis.nginx_process import has_container_ended, is_well_by_the_files, route_ids_of
from fixer.analysis.run_log import lines_of, message_of
from fixer.lazy.dataclass import replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Finding, Repair, Role, Verdict
from fixer.model.facts import Evidence, Known
from fixer.model.nginx_config import PIPE, ConfigProblem
from fixer.model.plan import WriteFile
from fixer.model.query import FileStat
from fixer.model.snapshot import Nginx
from fixer.nginx.directive_checks import word_without_end
from fixer.nginx.error_log import parse_test_output
from fixer.nginx.tree import parse
from fixer.repairs.file_edits import NotEditable, check_and_reload_steps

with lazy_imports():  # only for what is found
    from fixer.causes.nginx_config_invalid.older_config import (
        loaded_original,
        remove_links_steps,
        restore_backup_repair,
    )
    from fixer.repairs.start_nginx import start_nginx_steps

REPAIR_ID = "remove-dangling-link"
_IS_DIRECTORY_TEXT = "failed (21: Is a directory)"      # fatal, though only [crit]: an include that is no file
_SILENT_TEST_TEXT = "nginx -t fails without an error message, as it does if a file includes itself"
_NAMED_PATH = regex(r"\"(?P<path>/[^\"\n]+)\"")
_UNKNOWN_VARIABLE = regex(r"unknown \"(\w{1,200})\" variable")
_MISSING_FILE = regex(r"open\(\) \"(?P<path>/[^\"]+)\" failed \(2: ")
# errors that depend on the machine and the account, not on the files
_OTHER_ERROR_TEXTS = (
    "host not found in", "bind() to", "Permission denied", "Address already in use", "still could not bind",
    "Operation not permitted", "Read-only file system", "No space left on device", "Cannot allocate memory",
    "Too many open files",
)

# for files that nginx reads or writes, certificates, keys and modules
_LOST_FILE = regex(r"(?:open\(\) |certificate |certificate key |dlopen\(\) )\"(?P<path>/[^\"]+)\""
              r"(?: failed \(2: |.{0,400}[Nn]o such file)")


def judge(case: Case) -> Verdict:
    """Judge each nginx: does it refuse its configuration?"""
    findings: list[Finding] = []
    missing: list[str] = []
    ruled: list[Evidence] = []
    for nginx in case.snapshot.nginxes:
        problem = config_problem(nginx)
        if problem is not None:
            findings.append(_found(case, nginx, _locate_problem(case, nginx, problem)))
        elif isinstance(nginx.test, Known) and nginx.test.value[0] == 0:
            ruled.append(Evidence("nginx-test", file_line_text(case.snapshot, nginx.node, nginx.conf_path),
                                  "nginx -t passes"))
        elif (unknown := _unknown_to_us(nginx)) is not None:
            missing.append(f"whether nginx on {nginx.node} accepts {unknown.message} in {unknown.file}:{unknown.line}")
        elif isinstance(nginx.config, Known) and not any(p.fatal for p in nginx.config.value.problems):
            files = f"{len(nginx.config.value.files)} files parsed without an error"
            ruled.append(Evidence("nginx-config", file_line_text(case.snapshot, nginx.node, nginx.conf_path), files))
        else:
            missing.append(f"whether nginx accepts {nginx.conf_path} on {nginx.node}")
    return conclude(findings, missing, ruled)


def config_problem(nginx: Nginx) -> ConfigProblem | None:
    """Return nginx's own configuration error, of its test or its end; if there is none, what fixer's parser finds."""
    if isinstance(nginx.test, Known):
        code, text = nginx.test.value
        if code == 0:
            return None
        problems = _fatal_problems(text)
        if any(word in p.message for p in problems for word in _OTHER_ERROR_TEXTS):
            return None
        return problems[0] if problems else ConfigProblem("nginx-test", text.strip()[-300:] or _SILENT_TEST_TEXT,
                                                  nginx.conf_path, 0)
    seen = next((p for p in nginx.config.value.problems if p.fatal), None) if isinstance(nginx.config, Known) else None
    if nginx.master_pid is not None:
        return seen if seen is not None and seen.kind == PIPE else None
    return last_logged_problem(nginx) or seen


def _unknown_to_us(nginx: Nginx) -> ConfigProblem | None:
    """Return the first directive that no source of nginx has, if it may be why an nginx that was not tested is down."""
    if nginx.master_pid is not None or not isinstance(nginx.config, Known):
        return None
    return next((p for p in nginx.config.value.problems if p.kind == "unknown-directive"), None)


def _fatal_problems(text: str) -> list[ConfigProblem]:
    return [p for p in parse_test_output(text) if p.fatal or p.message.endswith(_IS_DIRECTORY_TEXT)]


def _locate_problem(case: Case, nginx: Nginx, problem: ConfigProblem) -> ConfigProblem:
    """Return the problem at the first line with its file name or variable, if nginx names no line."""
    match = _NAMED_PATH.search(problem.message) if problem.line == 0 else None
    unknown = _UNKNOWN_VARIABLE.fullmatch(problem.message) if problem.line == 0 else None
    if not (match or unknown) or not isinstance(nginx.config, Known):
        return problem
    named = match["path"].encode("utf-8", "surrogateescape") if match else b""
    if unknown:      # nginx writes it in lower case
        use = re.compile(rb"(?i)\$\{?" + re.escape(unknown[1].encode()) + rb"\b")
    else:
        use = re.compile(re.escape(named))
    for path in nginx.config.value.files:
        content = case.snapshot.file(nginx.node, path)
        lines = content.data.split(b"\n") if content is not None else []
        at = next((n for n, line in enumerate(lines, 1) if use.search(line.partition(b"#")[0])), 0)
        if at:
            return replace(problem, file=path, line=at)
    return problem


def last_logged_problem(nginx: Nginx) -> ConfigProblem | None:
    """Return the configuration error with which nginx's stopped container ended.

    Files changed after that line may be correct now, so they must be older.
    """
    if nginx.service is None or nginx.service.container is None or not isinstance(nginx.config_mtime, Known):
        return None
    for line in reversed(lines_of(nginx.service)[-10:]):
        if line.at is not None and ("[emerg]" in line.text or _IS_DIRECTORY_TEXT in line.text):
            problems = _fatal_problems(message_of(line))
            outside = any(word in p.message for p in problems for word in _OTHER_ERROR_TEXTS)
            return problems[0] if problems and not outside and line.at >= nginx.config_mtime.value else None
    return None


def _found(case: Case, nginx: Nginx, problem: ConfigProblem) -> Finding:
    role: Role = "advice"
    if nginx.master_pid is None:
        role = "root"
    elif case.failing_routes(nginx):
        role = "root" if is_well_by_the_files(case, nginx) else "contributing"
    links = _dangling_links(case, nginx, problem)
    asked = isinstance(nginx.test, Known) or problem.kind == "nginx-test"
    where = file_line_text(case.snapshot, nginx.node, problem.file or nginx.conf_path, problem.line)
    effect = "nginx cannot start" if nginx.master_pid is None else {
        "root": "no reload takes effect, and nginx goes on asking the addresses that it loaded before",
        "contributing": "no reload takes effect",
    }.get(role, "nginx runs with the configuration that it loaded before; it would not start again")
    original = loaded_original(case, nginx, problem)
    remedy = _restore_text(problem.message, where)
    lacks = _missing_end(case, nginx, problem)
    because = f" (the `;` of line {lacks} is missing: nginx read on)" if lacks else ""
    double = (f"{problem.file} is named like a backup of {original}, and nginx loads both: two copies are active",)
    return Finding(
        cause=CAUSE.id, variant="sites-enabled-dangling" if links else "nginx-config-invalid", role=role,
        confidence="certain" if asked else "likely",
        summary=f"nginx refuses its configuration at {where}: {problem.message}{because}; {effect}",
        detail=double if original else tuple(filter(None, (remedy,))) if role == "advice" else (),
        routes=route_ids_of(case, nginx), service=None, node=nginx.node,
        evidence=_evidence(case, nginx, problem, links), repairs=() if role == "advice" else (
            (_remove_links_repair(case, nginx, links),) if links else _config_repairs(case, nginx, problem)),
        effects=("nginx-stops", "run-ends") if has_container_ended(case, nginx) else None,
    )


def _evidence(
    case: Case, nginx: Nginx, problem: ConfigProblem, links: tuple[tuple[str, FileStat], ...],
) -> tuple[Evidence, ...]:
    where = file_line_text(case.snapshot, nginx.node, problem.file or nginx.conf_path, problem.line)
    asked = isinstance(nginx.test, Known) or problem.kind == "nginx-test"
    # Evidence is nginx's message or the line; the summary states fixer's own reading.
    shown = [Evidence("nginx-test", where, problem.message)] if asked else []
    near = _mistake_line(case, nginx, problem)
    for line in dict.fromkeys((near, problem.line)):
        text = line_text(case.snapshot, nginx.node, problem.file, line)
        if text:
            shown.append(Evidence("nginx-config", file_line_text(case.snapshot, nginx.node, problem.file, line), text))
    shown += [
        Evidence("file", file_line_text(case.snapshot, nginx.node, path),
                 f"a symlink to {stat.link_target}, which does not exist")
        for path, stat in links
    ]
    return tuple(shown) or (Evidence("nginx-config", where, problem.message),)


def _missing_end(case: Case, nginx: Nginx, problem: ConfigProblem) -> int:
    """Return the line whose `;` is missing, if nginx complains of the statement that ran on from there; else 0."""
    file = case.snapshot.file(nginx.node, problem.file) if problem.line else None
    if file is None:
        return 0
    tree = parse(file.data, problem.file)
    word = word_without_end(tree, problem.line)
    return 0 if word is None else tree.line(word.start)


def _mistake_line(case: Case, nginx: Nginx, problem: ConfigProblem) -> int:
    """Return the line where the mistake begins. fixer's parser may know it better than nginx."""
    lacks = _missing_end(case, nginx, problem)
    if lacks or problem.near:
        return lacks or problem.near
    if isinstance(nginx.config, Known):
        for other in nginx.config.value.problems:
            if other.file == problem.file and other.near and other.line in (problem.line, 0):
                return other.near
    return problem.line


def _dangling_links(case: Case, nginx: Nginx, problem: ConfigProblem) -> tuple[tuple[str, FileStat], ...]:
    """Return dangling links in the folder of the one that nginx could not open."""
    match = _MISSING_FILE.search(problem.message)
    named = match["path"] if match is not None else problem.file if problem.kind == "missing-include" else ""
    node = find_node(case.snapshot, nginx.node)
    if node is None or not named:
        return ()
    loose = {path: stat for path, stat in node.files if stat.kind == "link" and stat.real_path is None}
    if named not in loose:
        return ()
    folder = posixpath.dirname(named)
    return tuple(
        (path, stat) for path, stat in sorted(loose.items())
        if posixpath.dirname(path) == folder and not posixpath.basename(path).startswith(".")
    )


def _remove_links_repair(case: Case, nginx: Nginx, links: tuple[tuple[str, FileStat], ...]) -> Repair:
    names = ", ".join(path for path, _ in links)
    if _has_no_server(nginx):
        first, stat = links[0]
        missing = posixpath.normpath(posixpath.join(posixpath.dirname(first), stat.link_target or ""))
        manual = (f"without {names} no server is configured: point {first} at the site's file again (ln -sfn FILE "
                  f"{first}), or restore {missing}; then run nginx -t and start nginx")
        return Repair("lead-link-again", "manual", f"point {names} at the site's file again", (), manual=manual)
    box = container_of(case.snapshot, nginx.node)
    if box is not None and not box.is_machine:
        removals = remove_links_steps(case.snapshot, box, links)
        if isinstance(removals, NotEditable):
            return Repair(REPAIR_ID, "manual", f"point {names} at a file again, or remove it", (),
                          manual=removals.reason)
    else:
        removals = tuple(
            WriteFile(nginx.node, path, None, None, "a dangling symlink", link_target=stat.link_target)
            for path, stat in links
        )
    rest = start_nginx_steps(case, nginx) if nginx.master_pid is None else check_and_reload_steps(case.snapshot, nginx)
    return Repair(REPAIR_ID, "safe", f"remove {names} (dangling symlink), then let nginx load its configuration",
                  (*removals, *rest))


def _has_no_server(nginx: Nginx) -> bool:
    """Return whether no other file has a server: nginx would start and listen nowhere."""
    config = nginx.config.or_else(None)
    return config is not None and not config.cut and not (config.servers or config.routes)


def _restore_text(message: str, where: str) -> str:
    """Return how to restore a missing file or log folder that a line names, such as one in a tmpfs emptied at boot."""
    match = _LOST_FILE.search(message)
    if match is None:
        return ""
    path, folder = match["path"], posixpath.dirname(match["path"])
    if folder.startswith("/var/log/"):
        at_boot = (f"; if each boot empties /var/log, run systemctl edit nginx and set "
                   f"LogsDirectory={folder[len('/var/log/'):]} under [Service]")
        return f"create the folder {folder} again{at_boot}; or correct {where}"
    return f"restore {path}, or correct {where}"


def _mounted_folder_text(case: Case, nginx: Nginx, problem: ConfigProblem) -> str:
    """Explain a folder in place of a mounted file: Docker creates one if the source does not exist (`-v`)."""
    match = _NAMED_PATH.search(problem.message) if problem.message.endswith(_IS_DIRECTORY_TEXT) else None
    if match is None:
        return ""
    path, box = match["path"], container_of(case.snapshot, nginx.node)
    source = next((m[0] for m in box.mounts if m[1] == path), "") if box is not None else ""
    if not source:
        return f"{path} is a folder, but nginx needs a file: put the file there, or remove the folder"
    return (f"{source} on the Docker host, which is mounted at {path}, is a folder: Docker creates a folder if "
            f"the file does not exist. Remove the folder (rmdir {source}) and put the file there, or correct the path "
            "of the mount")


def _template_text(case: Case, nginx: Nginx, problem: ConfigProblem) -> str:
    """Explain that the container writes this file from a template at each start: a correction would not last."""
    box = container_of(case.snapshot, nginx.node)
    file = case.snapshot.file(nginx.node, problem.file)
    template = template_of(case.snapshot, file) if file is not None and box is not None and not box.is_machine else None
    if template is None or box is None:
        return ""
    unset = (" (a name stays unreplaced if the container has no such variable)"
             if _UNKNOWN_VARIABLE.fullmatch(problem.message) else "")
    return (f". Container {box.name} generates that file at each start from {template} and its variables{unset}: "
            "change those, then recreate the container")


def _config_repairs(case: Case, nginx: Nginx, problem: ConfigProblem) -> tuple[Repair, ...]:
    """Return the repair from a backup copy if there is one, and always the manual repair."""
    older, manual = restore_backup_repair(case, nginx, problem,
                                          _mistake_line(case, nginx, problem)), _manual_repair(case, nginx, problem)
    return (manual,) if older is None else (older, manual)


def _manual_repair(case: Case, nginx: Nginx, problem: ConfigProblem) -> Repair:
    where = file_line_text(case.snapshot, nginx.node, problem.file or nginx.conf_path,
                           _mistake_line(case, nginx, problem))
    lacks = _missing_end(case, nginx, problem)
    correct = f"add the missing `;` to {where}" if lacks else f"correct {where}"
    after = "reload nginx" if nginx.master_pid is not None else "start nginx"
    todo = _mounted_folder_text(case, nginx, problem) or _restore_text(problem.message, where) or correct
    if loaded_original(case, nginx, problem):
        todo = f"if {problem.file} is an old backup, move it out of its folder; else {todo}"
    made = _template_text(case, nginx, problem)
    manual = f"{todo} (nginx reports {problem.message!r}); then run nginx -t and {after}{made}"
    return Repair("correct-configuration", "manual", correct, (), manual=manual)


CAUSE = Cause(
    id="nginx-config-invalid",
    title="nginx refuses its configuration",
    family="nginx configuration",
    variants=("nginx-config-invalid", "sites-enabled-dangling"),
    verdict=judge,
    page=__doc__,
)
