"""What `docker inspect` says: fields that causes read are shown, values of variables and other texts masked. Pure."""

from __future__ import annotations

from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.redaction.allowed import row
from fixer.redaction.log_lines import mask_log
from fixer.redaction.masks import Masks, is_plain

with lazy_imports():  # not needed in most looks
    from fixer.redaction.commands import Words, mask_script_line, mask_value

_SHOW = row("INSPECT_SHOW")
_LABEL = row("INSPECT_LABEL")
_HASH = regex(r"(sha256:|container:)?[0-9a-f]{12,64}(/[a-z]+)?")
_NAMED = ("Labels", "Annotations", "Options", "LogOpts")
_COMMANDS = (("Path", "Args"), ("Entrypoint", "Cmd"))


def mask_inspect(item: object, masks: Masks, key: str = "", above: str = "") -> object:
    """Return the parsed JSON with its texts masked by the names of their fields."""
    if isinstance(item, dict):
        shown = _commands(item, masks)
        return {_key(str(name), masks) if key in _NAMED else str(name):
                shown[name] if name in shown else mask_inspect(value, masks, str(name), key)
                for name, value in item.items()}
    if isinstance(item, list):
        if key == "Test":
            return _health_test([str(value) for value in item], masks)
        return [mask_inspect(value, masks, key, above) for value in item]
    return _text(item, masks, key, above) if isinstance(item, str) else item


def _key(name: str, masks: Masks) -> str:
    return masks.mark(name) if masks.is_random(name) and not _HASH.fullmatch(name) else name


def _text(value: str, masks: Masks, key: str, above: str) -> str:
    if not value or is_plain(value) or key in ("Id", "Image", "ImageName"):
        return value
    if _HASH.fullmatch(value) and key.endswith(("Mode", "ID", "IDs", "Digest", "Driver")):
        return value
    if key == "Env":
        name, found, given = value.partition("=")
        return f"{name}={mask_value(name, given, masks)}" if found else value
    if above in ("Labels", "Annotations"):
        return value if _LABEL.fullmatch(key) else mask_value(key, value, masks)
    if key in ("Output", "Error"):
        return "\n".join(mask_log(line, masks) for line in value.split("\n"))
    return masks.parts(value) if _SHOW.fullmatch(key) or _SHOW.fullmatch(above) else masks.value(value)


def _commands(item: dict[object, object], masks: Masks) -> dict[object, object]:
    """Return the two fields of each command masked as one: the tool stands in the first."""
    shown: dict[object, object] = {}
    for first, second in _COMMANDS:
        if first not in item and second not in item:
            continue
        words = Words(masks)
        for name in (first, second):
            value = item.get(name)
            if isinstance(value, list):
                shown[name] = [words.next(str(word)) for word in value]
            elif isinstance(value, str):
                shown[name] = words.next(value) if name != "Args" else value
    return shown


def _health_test(test: list[str], masks: Masks) -> list[str]:
    if test[:1] == ["CMD-SHELL"]:
        return [test[0], *(mask_script_line(line, masks) for line in test[1:])]
    words = Words(masks)
    if test[:1] in (["CMD"], ["NONE"]):
        return [test[0], *map(words.next, test[1:])]
    return [words.next(word) for word in test]
