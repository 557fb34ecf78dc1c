"""Words of a service's command: the value of an option, and one replaced where it is written (a unit file, a drop-in,
a wrapper, a compose file)."""

from __future__ import annotations

from fixer.model.plan import DaemonReload, WriteFile
from fixer.model.snapshot import ArgPlace, FileContent, Service, Snapshot
from fixer.repairs.file_edits import NoPlace
from fixer.repairs.write_variables import Written

TLS_OPTIONS = {"key": ("--ssl-keyfile", "--keyfile"), "cert": ("--ssl-certfile", "--certfile")}


def option_value(service: Service, options: tuple[str, ...]) -> ArgPlace | None:
    """The word after the first of these options, None where its command has none."""
    words = service.command
    return next((words[i + 1] for i in range(len(words) - 1) if words[i].text in options), None)


def edit_word(snapshot: Snapshot, service: Service, word: ArgPlace, new: str, summary: str) -> Written | NoPlace:
    """The steps that write `new` in the place of the word's text, and make systemd read it."""
    node = service.files_node or service.node
    file = None if word.file is None else snapshot.file(node, word.file)
    if file is None or word.start is None or word.end is None:
        return NoPlace(f"{word.text} stands in its command, and that is written nowhere that could be edited")
    return replace_span(service, word, file, (word.start, word.end), new, summary=summary)


def replace_span(
    service: Service, word: ArgPlace, file: FileContent, span: tuple[int, int], new: str, *, summary: str,
) -> Written | NoPlace:
    """The same for a place that was found otherwise; a file that no longer holds the word there is left alone."""
    start, end = span
    if file.data[start:end] != word.text.encode("utf-8", "surrogateescape"):
        return NoPlace(f"{file.path} does not hold {word.text} where it was read")
    node = service.files_node or service.node
    data = file.data[:start] + new.encode() + file.data[end:]
    step = WriteFile(node, file.real_path, file.data, data, summary, in_place=file.single_file_mount)
    is_unit = service.unit is not None and word.file in (service.unit.fragment_path, *service.unit.drop_in_paths)
    steps = (step, DaemonReload(node)) if is_unit else (step,)
    return Written(steps, file.real_path, file.managed_by)
