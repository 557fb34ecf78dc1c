"""Publishing another port of a container: an edit of its compose file where that is allowed, else words."""

from __future__ import annotations

from fixer.analysis.case import Case, Trouble
from fixer.analysis.evidence import address_text, endpoint_text
from fixer.model.diagnosis import Need, Repair
from fixer.model.facts import Known
from fixer.model.plan import WaitForListener
from fixer.model.snapshot import Container, Endpoint, Service, Setting
from fixer.repairs.container_settings import set_compose
from fixer.repairs.file_edits import NoPlace
from fixer.repairs.start_service import PATIENCE

ID = "publish-port"
KEY = "service"


def publish(case: Case, trouble: Trouble, service: Service, port: int, *, proven: bool) -> Repair:
    """Publish a port of the container where nginx asks for it; a person says that it is meant unless that is proven."""
    entry = _entry(trouble.endpoint, port)
    need = None if proven else Need(
        KEY, "choice", f"nothing proves that {service.name} belongs behind {endpoint_text(trouble.endpoint)}",
        (service.name,))
    return _repair(case, trouble, service, ({"ports": f'["{entry}"]'}, entry), need)


def republish(case: Case, trouble: Trouble, service: Service, port: int) -> Repair:
    """Let the published port lead to another port of the same container."""
    endpoint = trouble.endpoint
    values: dict[str, str] = {}
    for setting in service.compose_settings:
        if setting.key.startswith("ports.") and (text := _changed(setting, service, endpoint, port)) is not None:
            values[setting.key] = text
    return _repair(case, trouble, service, (values, _entry(endpoint, port)), None)


def publish_inner(trouble: Trouble, service: Service, port: int, where: str) -> Repair:
    """In words: it must listen to others than itself before publishing its port helps."""
    box, text = service.container, endpoint_text(trouble.endpoint)
    assert box is not None
    manual = (f"let {service.name} listen on every address of its container instead of {where}, and "
              f"{_by_hand(box, _entry(trouble.endpoint, port), trouble.endpoint)}")
    return Repair(ID, "manual", f"publish port {port} of {service.name} at {text}", (), (), manual)


def _changed(setting: Setting, service: Service, endpoint: Endpoint, port: int) -> str | None:
    """The entry with the container's port replaced, None where it publishes another one or is not plain."""
    outer, inner = str(endpoint.port), str(endpoint.inner)
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


def _entry(endpoint: Endpoint, port: int) -> str:
    """What `ports:` or `-p` says: the address that nginx asks for, and no other of the machine."""
    addresses = endpoint.addresses.value if isinstance(endpoint.addresses, Known) else ()
    return f"{address_text(addresses[0] if addresses else '127.0.0.1', endpoint.port)}:{port}"


def _repair(case: Case, trouble: Trouble, service: Service, edit: tuple[dict[str, str], str],
            need: Need | None) -> Repair:
    """`edit` are the settings of the compose file, and the entry as a person would write it."""
    box, endpoint, (values, entry) = service.container, trouble.endpoint, edit
    assert box is not None
    inner = entry.rpartition(":")[2]
    summary = f"publish port {inner} of {service.name} at {endpoint_text(endpoint)}"
    needs = () if need is None else (need,)
    written = set_compose(case.snapshot, service, values, summary) if values else NoPlace(_no_entry(box, endpoint))
    if isinstance(written, NoPlace):
        manual = f"{_by_hand(box, entry, endpoint)}; fixer does not: {written.why}"
        return Repair(ID, "manual", summary, (), needs, manual)
    if need is not None and case.inputs.get(KEY) != service.name:
        return Repair(ID, "disruptive", summary, (), needs)
    heard = WaitForListener(service.node, "localhost", int(inner), None, PATIENCE, "", box.name)
    also = f" ({written.managed_by} manages that file and will overwrite the edit)" if written.managed_by else ""
    summary += f", in {written.where}, and create the container anew{also}"
    return Repair(ID, "disruptive", summary, (*written.steps, heard), needs)


def _no_entry(box: Container, endpoint: Endpoint) -> str:
    if not box.project:
        return f"container {box.name} was made by hand, and only a new one publishes another port"
    return f"the compose files of {box.project} do not write {endpoint.port}:{endpoint.inner} as one plain entry"


def _by_hand(box: Container, entry: str, endpoint: Endpoint) -> str:
    instead = f" instead of the port {endpoint.inner} that {endpoint.port} leads to now" if endpoint.inner else ""
    if box.project:
        files = box.label("com.docker.compose.project.config_files") or "its compose file"
        return (f'give service {box.service} of {files} the line "{entry}" under ports:{instead}, then '
                f"docker compose -p {box.project} up -d --no-deps {box.service}")
    return (f"create container {box.name} anew with -p {entry}{instead} and else as it is (docker inspect {box.name} "
            "shows its command, variables, mounts and networks)")
