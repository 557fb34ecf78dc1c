"""A setting of a compose service, changed where its files give it or written beside the others, then `up`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fixer.model.plan import Step, WriteFile
from fixer.model.snapshot import FileContent, Service, Setting, Snapshot
from fixer.repairs.file_edits import NoPlace
from fixer.repairs.start_service import compose_up
from fixer.repairs.write_variables import Written


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


def add_tmpfs(snapshot: Snapshot, service: Service, folders: Sequence[str], summary: str) -> Written | NoPlace:
    """The same with more folders in memory; those that the file has already stay."""
    settings = {s.key: s for s in service.compose_settings}
    last, whole = settings.get("tmpfs.last"), settings.get("tmpfs")
    place, given = last or whole, {word.split(":")[0] for word in whole.value.split()} if whole is not None else set()
    folders = [folder for folder in folders if folder not in given]
    if not folders:
        return NoPlace("its compose file gives it as tmpfs already")
    if place is None or place.start is None or place.end is None:
        return set_compose(snapshot, service, {"tmpfs": f"[{', '.join(folders)}]"}, summary)
    file = snapshot.file(service.files_node, place.file)
    if file is None:
        return NoPlace(f"{place.file} could not be read")
    own = file.data[place.start:place.end].decode("utf-8", "replace")
    before = file.data[file.data.rfind(b"\n", 0, place.start) + 1:place.start].decode("utf-8", "replace")
    if last is None:
        quoted = own if own[:1] in ("'", '"') else f'"{own}"'
        return set_compose(snapshot, service, {"tmpfs": f"[{', '.join((quoted, *folders))}]"}, summary)
    between = f"\n{before}" if before.strip() == "-" else ", "
    return set_compose(snapshot, service, {"tmpfs.last": between.join((own, *folders))}, summary)


def _place(service: Service, setting: Setting | None, key: str, value: str) -> tuple[str, int, int, str] | NoPlace:
    if setting is not None:
        if setting.start is None or setting.end is None:
            return NoPlace(f"{key} in {setting.file}:{setting.line} is not written so that it could be edited")
        return setting.file, setting.start, setting.end, value
    slot = service.setting_slot
    if slot is None or "." in key:
        return NoPlace(f"the compose file of {service.name} has no place for {key}")
    return slot.file, slot.offset, slot.offset, slot.template.format(name=key, value=value)
