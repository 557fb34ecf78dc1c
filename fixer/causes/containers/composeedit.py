"""A setting of a compose service, changed where its files give it or written beside the others, then `up`."""

from __future__ import annotations

from collections.abc import Mapping

from fixer.causes.changes.editing import NoPlace
from fixer.causes.changes.envfiles import Written
from fixer.causes.changes.starting import compose_up
from fixer.model.plan import Step, WriteFile
from fixer.model.snapshot import FileContent, Service, Setting, Snapshot


def set_compose(snapshot: Snapshot, service: Service, values: Mapping[str, str], summary: str) -> Written | NoPlace:
    """One write of the compose file and the `up` that makes the container anew. Values are YAML as it will stand.

    A key with a dot leads into a mapping: it is replaced where it is, and never made.
    """
    if service.container is None:
        return NoPlace(f"{service.name} is no container")
    up = compose_up(snapshot, service.container)
    if isinstance(up, NoPlace):
        return up
    spans: list[tuple[int, int, str]] = []
    file: FileContent | None = None
    for key, value in values.items():
        found = next((s for s in service.compose_settings if s.key == key), None)
        place = _place(service, found, key, value)
        if isinstance(place, NoPlace):
            return place
        path, start, end, text = place
        here = snapshot.file(service.files_node, path)
        if here is None or (file is not None and here.path != file.path):
            return NoPlace(f"{path} could not be read, or the settings lie in several files")
        file = here
        spans.append((start, end, text))
    if file is None:
        return NoPlace("nothing is to be set")
    data = file.data
    for start, end, text in sorted(spans, reverse=True):
        data = data[:start] + text.encode() + data[end:]
    step = WriteFile(file.node, file.real_path, file.data, data, summary, in_place=file.single_file_mount)
    steps: tuple[Step, ...] = (step, up)
    return Written(steps, file.real_path, file.managed_by)


def _place(service: Service, setting: Setting | None, key: str, value: str) -> tuple[str, int, int, str] | NoPlace:
    if setting is not None:
        if setting.start is None or setting.end is None:
            return NoPlace(f"{key} in {setting.file}:{setting.line} is not written so that it could be edited")
        return setting.file, setting.start, setting.end, value
    slot = service.setting_slot
    if slot is None or "." in key:
        return NoPlace(f"the compose file of {service.name} has no place for {key}")
    return slot.file, slot.offset, slot.offset, slot.template.format(name=key, value=value)
