"""A setting of a compose service, changed in its compose file or added to it, followed by `up`."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.evidence import address_text, endpoint_text
from fixer.analysis.exits.failed_run import FailedRun
from fixer.analysis.run_log import lines_of, message_of
from fixer.formats.folders import is_below, is_within
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex, up_to_first
from fixer.model.diagnosis import Need, Repair
from fixer.model.facts import Known
from fixer.model.plan import NetworkAction, Step, WaitForListener, WriteFile
from fixer.model.snapshot import (
    ComposeNetwork,
    ComposeSetting,
    Container,
    Endpoint,
    FileContent,
    LogLine,
    Nginx,
    Service,
    Snapshot,
)
from fixer.repairs.file_edits import NotEditable
from fixer.repairs.start_service import LISTEN_TIMEOUT, compose_up_step, wait_for_listener_step

with lazy_imports():  # not needed in most looks
    from fixer.repairs.write_variables import EditSteps


def write_compose_settings(snapshot: Snapshot, service: Service, values: Mapping[str, str],
                           summary: str) -> EditSteps | NotEditable:
    """Return one write of the compose file and the `up` that recreates the container. Values are YAML text.

    A key with a dot leads into a mapping: it is replaced if it exists, and never created.
    """
    if service.container is None:
        return NotEditable(f"{service.name} is not a container")
    up = compose_up_step(snapshot, service.container)
    if isinstance(up, NotEditable):
        return up
    spans: list[tuple[int, int, str]] = []
    file: FileContent | None = None
    for key, value in values.items():
        found = next((s for s in service.compose_settings if s.key == key), None)
        place = _locate_setting(service, found, key, value)
        if isinstance(place, NotEditable):
            return place
        path, start, end, text = place
        here = snapshot.file(service.files_node, path)
        if here is None or (file is not None and here.path != file.path):
            return NotEditable(f"{path} could not be read, or the settings are in several files")
        file = here
        spans.append((start, end, text))
    if file is None:
        return NotEditable("there is nothing to set")
    data = file.data
    for start, end, text in sorted(spans, reverse=True):
        data = data[:start] + text.encode() + data[end:]
    step = WriteFile(file.node, file.real_path, file.data, data, summary, in_place=file.single_file_mount)
    steps: tuple[Step, ...] = (step, up)
    return EditSteps(steps, file.real_path, file.managed_by)


def add_tmpfs(snapshot: Snapshot, service: Service, folders: Sequence[str], summary: str) -> EditSteps | NotEditable:
    """Return the same with more folders in memory; folders that the file already has stay."""
    settings = {s.key: s for s in service.compose_settings}
    last, whole = settings.get("tmpfs.last"), settings.get("tmpfs")
    place, given = last or whole, {word.split(":")[0] for word in whole.value.split()} if whole is not None else set()
    folders = [folder for folder in folders if folder not in given]
    if not folders:
        return NotEditable("its compose file already mounts it as tmpfs")
    if place is None or place.start is None or place.end is None:
        return write_compose_settings(snapshot, service, {"tmpfs": f"[{', '.join(folders)}]"}, summary)
    file = snapshot.file(service.files_node, place.file)
    if file is None:
        return NotEditable(f"{place.file} could not be read")
    own = file.data[place.start:place.end].decode("utf-8", "replace")
    before = file.data[file.data.rfind(b"\n", 0, place.start) + 1:place.start].decode("utf-8", "replace")
    if last is None:
        quoted = own if own[:1] in ("'", '"') else f'"{own}"'
        return write_compose_settings(snapshot, service, {"tmpfs": f"[{', '.join((quoted, *folders))}]"}, summary)
    between = f"\n{before}" if before.strip() == "-" else ", "
    return write_compose_settings(snapshot, service, {"tmpfs.last": between.join((own, *folders))}, summary)


def _locate_setting(service: Service, setting: ComposeSetting | None, key: str,
                    value: str) -> tuple[str, int, int, str] | NotEditable:
    if setting is not None:
        if setting.start is None or setting.end is None:
            return NotEditable(f"{key} at {setting.file}:{setting.line} is written in a form that fixer cannot edit")
        return setting.file, setting.start, setting.end, value
    slot = service.setting_slot
    if slot is None or "." in key:
        return NotEditable(f"fixer found no position for {key} in the compose file of {service.name}")
    return slot.file, slot.offset, slot.offset, slot.template.format(name=key, value=value)


def compose_networks_of(snapshot: Snapshot, box: Container) -> tuple[ComposeNetwork, ...]:
    """Return the networks that a container's compose files give it."""
    boxed = (s for s in snapshot.services if s.container is not None and s.container.id == box.id)
    return next((s.compose_networks for s in boxed), ())


def network_aliases_of(snapshot: Snapshot, box: Container, network: str) -> tuple[str, ...]:
    """Return the names that compose gives a container on a network: those of its files, its service's and its own."""
    told = (name for own in compose_networks_of(snapshot, box) if own.name == network for name in own.aliases)
    return tuple(dict.fromkeys(filter(None, (box.service, box.name, *told))))


def join_network_step(snapshot: Snapshot, box: Container, network: str) -> NetworkAction:
    """Return a step that joins it with the names and addresses of its files, else with its fixed addresses."""
    told = tuple(address for own in compose_networks_of(snapshot, box) if own.name == network
                 for address in own.addresses)
    return NetworkAction(box.id, box.name, network, "connect", network_aliases_of(snapshot, box, network),
                         tuple(dict.fromkeys(told)) or dict(box.fixed_addresses).get(network, ()))


# Publishing another port of a container: an edit of its compose file if that is allowed, else instructions.
PUBLISH_ID = "publish-port"
SERVICE_KEY = "service"


def publish_port_repair(case: Case, trouble: FailingAddress, service: Service, port: int, *, proven: bool) -> Repair:
    """Return a repair that publishes a port at nginx's address; unless `proven`, the operator confirms it."""
    entry = _port_entry(trouble.endpoint, port)
    need = None if proven else Need(
        SERVICE_KEY, "choice", f"nothing proves that {service.name} should serve {endpoint_text(trouble.endpoint)}",
        (service.name,))
    return _publish_repair(case, trouble, service, ({"ports": f'["{entry}"]'}, entry), need)


def republish_port_repair(case: Case, trouble: FailingAddress, service: Service, port: int) -> Repair:
    """Return a repair that makes the published port lead to another port of the same container."""
    endpoint = trouble.endpoint
    values: dict[str, str] = {}
    for setting in service.compose_settings:
        if setting.key.startswith("ports.") and (text := _changed_port_entry(setting, service, endpoint,
                                                                             port)) is not None:
            values[setting.key] = text
    return _publish_repair(case, trouble, service, (values, _port_entry(endpoint, port)), None)


def manual_publish_repair(trouble: FailingAddress, service: Service, port: int, where: str) -> Repair:
    """Return instructions: it must listen on more than its loopback before publishing its port helps."""
    box, text = service.container, endpoint_text(trouble.endpoint)
    assert box is not None
    manual = (f"make {service.name} listen on all addresses of its container instead of {where}, and "
              f"{_manual_publish_text(box, _port_entry(trouble.endpoint, port), trouble.endpoint)}")
    return Repair(PUBLISH_ID, "manual", f"publish port {port} of {service.name} at {text}", (), (), manual)


def _changed_port_entry(setting: ComposeSetting, service: Service, endpoint: Endpoint, port: int) -> str | None:
    """Return the entry with the container's port replaced; None if it publishes another port or is not plain."""
    outer, inner = str(endpoint.port), str(endpoint.container_port)
    if setting.key.endswith(".target"):
        other = setting.key.removesuffix("target") + "published"
        outside = next((s.value for s in service.compose_settings if s.key == other), "")
        return str(port) if setting.value == inner and outside == outer else None
    if setting.key.endswith(".published"):
        return None
    text, slash, protocol = setting.value.partition("/")
    before, _, last = text.rpartition(":")
    if last != inner or before.rpartition(":")[2] != outer:
        return None
    return f"{before}:{port}{slash}{protocol}"


def _port_entry(endpoint: Endpoint, port: int) -> str:
    """Return the entry for `ports:` or `-p`: the address that nginx uses, and no other of the machine."""
    addresses = endpoint.addresses.or_else(())
    return f"{address_text(addresses[0] if addresses else '127.0.0.1', endpoint.port)}:{port}"


def _publish_repair(case: Case, trouble: FailingAddress, service: Service, edit: tuple[dict[str, str], str],
            need: Need | None) -> Repair:
    """Return the repair. `edit` is the settings of the compose file, and the entry as an operator would write it."""
    box, endpoint, (values, entry) = service.container, trouble.endpoint, edit
    assert box is not None
    inner = entry.rpartition(":")[2]
    summary = f"publish port {inner} of {service.name} at {endpoint_text(endpoint)}"
    needs = () if need is None else (need,)
    written = write_compose_settings(case.snapshot, service, values,
                                     summary) if values else NotEditable(_no_entry_text(box, endpoint))
    if isinstance(written, NotEditable):
        manual = f"{_manual_publish_text(box, entry, endpoint)}; fixer cannot do this: {written.reason}"
        return Repair(PUBLISH_ID, "manual", summary, (), needs, manual)
    if need is not None and case.inputs.get(SERVICE_KEY) != service.name:
        return Repair(PUBLISH_ID, "disruptive", summary, (), needs)
    heard = WaitForListener(service.node, "localhost", int(inner), None, LISTEN_TIMEOUT, "", box.name)
    also = f" ({written.managed_by} manages that file and will overwrite the edit)" if written.managed_by else ""
    summary += f", in {written.where}, and recreate the container{also}"
    return Repair(PUBLISH_ID, "disruptive", summary, (*written.steps, heard), needs)


def _no_entry_text(box: Container, endpoint: Endpoint) -> str:
    if not box.project:
        return f"container {box.name} was created by hand, and only a new container can publish another port"
    return (f"the compose files of {box.project} do not contain {endpoint.port}:{endpoint.container_port} as one plain "
            "entry")


def _manual_publish_text(box: Container, entry: str, endpoint: Endpoint) -> str:
    instead = (f" instead of port {endpoint.container_port}, which {endpoint.port} leads to now"
               if endpoint.container_port else "")
    if box.project:
        files = box.label("com.docker.compose.project.config_files") or "its compose file"
        return (f'add the line "{entry}" under ports: of service {box.service} in {files}{instead}, then run '
                f"docker compose -p {box.project} up -d --no-deps {box.service}")
    return (f"recreate container {box.name} with -p {entry}{instead} and the same settings otherwise (docker inspect "
            f"{box.name} shows its command, variables, mounts and networks)")


# An nginx whose container has a read-only file system: the folders that it needs, and where they are set.
TMPFS_ID = "give-nginx-folders"
_READ_ONLY_ERROR = regex(
    up_to_first(r"\[emerg\] ") + r".*\b(?:mkdir|open|creat)\(\) \"(?P<path>/[^\"]+)\" failed \(30: ")
# Folders that the builds of nginx write to; a tmpfs over any other could hide files of the image.
_NGINX_FOLDERS = ("/var/lib/nginx", "/var/cache/nginx", "/var/tmp/nginx", "/usr/local/nginx", "/tmp")   # noqa: S108  not ours
_RUN_FOLDERS = ("/run", "/var/run")
_TEMPORARY_FOLDERS = ("/tmp", "/var/tmp")   # noqa: S108  not ours


def read_only_error_line(nginx: Nginx) -> LogLine | None:
    """Return nginx's last error line if its container's file system is read-only and the line reports that."""
    if nginx.service is None or nginx.service.container is None or not nginx.service.container.read_only:
        return None
    return next((line for line in reversed(lines_of(nginx.service)[-10:]) if _READ_ONLY_ERROR.search(message_of(line))),
                None)


def nginx_tmpfs_repair(case: Case, nginx: Nginx, said: LogLine) -> Repair:
    """Return a repair with a tmpfs for the folder in the line and for the pid file, in the compose file."""
    service = nginx.service
    assert service is not None
    match = _READ_ONLY_ERROR.search(message_of(said))
    named = match["path"] if match is not None else ""
    folders = _needed_folders(nginx, named)
    summary = f"mount a tmpfs in {service.name} at {', '.join(folders) or named}"
    written = NotEditable(f"{named} is not a folder that only nginx writes to") if not folders else add_tmpfs(
        case.snapshot, service, folders, summary)
    if isinstance(written, NotEditable):
        places = ", ".join(folders) or named
        manual = (f"the file system of {service.name} is read-only: mount a tmpfs or a volume at {places}; "
                  f"{written.reason}")
        return Repair(TMPFS_ID, "manual", summary, (), manual=manual)
    summary = f"{summary}, in {written.where}; this recreates {service.name}"
    return Repair(TMPFS_ID, "disruptive", summary, written.steps)


def temporary_folder_repair(case: Case, crash: FailedRun, path: str) -> Repair | None:
    """Return a repair with a tmpfs for the system's folder of temporary files, which hides nothing of the image."""
    service = crash.service
    folder = next((f for f in _TEMPORARY_FOLDERS if is_below(path, f)), None)
    box = service.container
    over = [at for _, at in (*box.shares, *((s, at) for s, at, _ in box.mounts))] if box is not None else []
    if folder is None or box is None or not box.read_only or any(is_within(path, at) for at in over):
        return None
    summary = f"mount a tmpfs in {service.name} at {folder}"
    written = add_tmpfs(case.snapshot, service, (folder,), summary)
    if isinstance(written, NotEditable):
        return None
    steps = (*written.steps, *wait_for_listener_step(case.snapshot, service, crash.failing_addresses[0].endpoint))
    return Repair("give-folder", "disruptive", f"{summary}, in {written.where}; this recreates {service.name}", steps)


def _needed_folders(nginx: Nginx, named: str) -> tuple[str, ...]:
    """Return the known folder that holds the path, and the pid file's, which fails next."""
    holds = next((f for f in (*_NGINX_FOLDERS, *_RUN_FOLDERS) if is_within(named, f)), None)
    if holds is None:
        return ()
    pid = nginx.config.value.pid_path if isinstance(nginx.config, Known) else ""
    beside = posixpath.dirname(posixpath.normpath(pid or "/run/nginx.pid"))
    beside = {"/var/run": "/run"}.get(beside, beside)
    return tuple(dict.fromkeys(f for f in (holds, beside) if f in (*_NGINX_FOLDERS, *_RUN_FOLDERS) or f == holds))
