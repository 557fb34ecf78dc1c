"""Commands, word by word: programs, paths, addresses and the options that causes read are shown. Pure."""

from __future__ import annotations

from fixer.lazy.regex import regex
from fixer.redaction.allowed import row
from fixer.redaction.masks import BLANK, Masks, is_plain, without_marks
from fixer.redaction.nginx_words import mask_nginx

_OPTION = row("OPTION")
_FLAG = row("FLAG")
_WORKER_CLASS = row("WORKER_CLASS")
_SECRET_SHAPE, _SECRET_WORD, _SECRET_NAME = row("SECRET_SHAPE"), row("SECRET_WORD"), row("SECRET_NAME")
_SETS = regex(r"-e|--env|--set-env|-E|--environment")
_POSITION = row("POSITION")
_LONG = regex(r"--?[A-Za-z][A-Za-z0-9_.-]*")
_PATH = row("PATHLIKE")
_ASSIGNED = regex(r"([A-Za-z_\x80-\xff][A-Za-z0-9_.\x80-\xff-]*)(\+?=)(.*)")
_FILE = row("FILE")
_PUBLIC_NAME = row("PUBLIC_NAME")
_PUBLIC_VALUE = regex(r"[A-Za-z0-9_./:\[\]*${}-]*")
_URL = regex(r"([a-z][a-z0-9+.-]*://)(?:([^/?#]*)@)?([A-Za-z0-9._-]*(?::[0-9]*)?|\[[0-9a-fA-F:.]+\](?::[0-9]*)?)([/?#].*)?")
_DEFAULT = regex(r"\$\{([A-Za-z_][A-Za-z0-9_]*+)(:?[-+=?]?)([^{}]*)\}")
_INLINE = frozenset(("-c", "-e", "-m", "--eval"))
_SHELLS = frozenset(("sh", "bash", "dash", "ash", "zsh", "ksh"))
_TOKEN = regex(
    r"""([ \t\r\f\v]+)|(\|\||&&|;;|[|&;()<>`])"""
    r"""|((?:[^ \t\r\f\v|&;()<>`"'\\]++|\\.|"(?:[^"\\]++|\\.)*+"|'[^']*')++)|(["'].*|\\)""",
)
_ASSIGNS = regex(r"-{0,2}[A-Za-z_][A-Za-z0-9_.-]*\+?=")
_UNQUOTE = regex(r""""((?:[^"\\]++|\\.)*+)"|'([^']*)'|\\(.)""")


def _is_secret_option(name: str) -> bool:
    """Return whether what follows an option is secret by its name."""
    small = name.lower()
    shaped = _SECRET_SHAPE.fullmatch(small) is not None and _SECRET_WORD.search(small) is not None
    return shaped or _SECRET_NAME.fullmatch(small) is not None


def redact_value(name: str, value: str) -> str:
    """Mask the value of a variable for print, unless name or value show an address, a port or a number of workers."""
    return mask_value(name, value, Masks())


def redact_argv(argv: list[str]) -> list[str]:
    """Mask the arguments of a command for print; their number stays."""
    return mask_argv(argv, Masks())


def mask_value(name: str, value: str, masks: Masks) -> str:
    """Return the value of a variable masked, unless name or value show where or how a server listens."""
    bare = value.strip(BLANK).strip("\"'")
    if not bare or is_plain(bare):
        return value
    simple = without_marks(bare)
    if simple != bare:
        return value if mask_value(name, simple, masks) == simple else masks.mark(bare)
    if name.startswith("command_args"):  # OpenRC's own: the arguments of the server
        return value.replace(bare, mask_command(bare, masks))
    if "${" in bare:
        simple = _DEFAULT.sub("$0", bare)
        if is_plain(simple) or _PATH.fullmatch(simple) or masks.shows(simple):
            return value.replace(bare, mask_defaults(bare, masks))
        return masks.mark(bare)
    if _PUBLIC_NAME.fullmatch(name) and len(bare) < 120 and _PUBLIC_VALUE.fullmatch(bare):
        return value.replace(bare, masks.parts(bare))
    if _FILE.fullmatch(bare):
        return value.replace(bare, masks.parts(bare))
    if bare.startswith("--"):  # options of a server, stored in a variable
        return value.replace(bare, mask_command(bare, masks))
    if masks.shows(bare):
        return value
    url = _URL.fullmatch(bare)
    if url is None or masks.is_random(url[3]):
        return masks.mark(bare)
    user = f"{masks.mark(url[2])}@" if url[2] else ""
    rest = url[4][0] + masks.mark(url[4][1:]) if url[4] and url[4] != "/" else url[4] or ""
    return f"{url[1]}{user}{url[3]}{rest}"


def mask_defaults(text: str, masks: Masks) -> str:
    """Return a text with the default in each `${NAME:-default}` masked."""
    return _DEFAULT.sub(lambda m: f"${{{m[1]}{m[2]}{mask_value(m[1], m[3], masks) if m[3] else ''}}}", text)


class Words:
    """The words of one command, in order."""

    def __init__(self, masks: Masks) -> None:
        self._masks = masks
        self._before, self._first, self._program, self._given_script = "", True, "", False

    def start(self) -> None:
        """Begin another command."""
        self._before, self._first, self._program, self._given_script = "", True, "", False

    def next(self, word: str) -> str:
        """Return the next word, without its quotes, masked."""
        before, self._before = self._before, word
        if not word or (self._first and word in _HEALTH):
            return word
        simple = without_marks(word)
        if simple != word:
            self._before = before
            return word if self.next(simple) == simple else self._masks.mark(word)
        if "${" in word and (simple := _DEFAULT.sub("$0", word)) != word:
            self._before = before
            shown = self.next(simple)
            return mask_defaults(word, self._masks) if shown == simple else shown
        if _SETS.fullmatch(before) and "=" in word:
            return self._pair(word)
        if before in _INLINE and not self._first and not self._given_script and before != "-m":
            if self._program in _SHELLS:
                return mask_script_line(word, self._masks)
            if _PYTHON.fullmatch(self._program):
                return word if _OWN_CODE.fullmatch(word) else self._masks.mark(word)
        return self._word(before, word)

    def _word(self, before: str, word: str) -> str:
        option = word.startswith("-") and (_OPTION.fullmatch(word) or _FLAG.fullmatch(word))
        if _is_secret_option(before) and not option:
            return self._masks.mark(word)
        if word.startswith("-") and len(word) > 1 and not word[1].isdigit():
            return self._option(word)
        joined = len(before) > 2 and not before.startswith("--")
        given = before.startswith("-") and not _FLAG.fullmatch(before) and "=" not in before and not joined
        padded = given and word.endswith("=") and not word.partition("=")[2].strip("=")      # as base64 is
        if not padded and _ASSIGNED.fullmatch(word) and "/" not in word.partition("=")[0]:
            return self._pair(word)
        if self._first and _TITLE.match(word):
            self._first = False
            return mask_command(word, self._masks)
        if self._first:
            self._first, self._program = False, word.rpartition("/")[2]
            return self._position(word)
        if before == "-g":
            return mask_nginx(word, self._masks)
        if given:
            return self._given(before, word)
        self._given_script = True
        return self._position(word)

    def _option(self, word: str) -> str:
        name, equals, value = word.partition("=")
        if not equals:
            if word.startswith("--") or len(word) < 3:
                return self._masks.parts(word)
            joined = word[2:]
            if (joined.isalpha() and len(joined) < 4) or is_plain(joined):
                return word
            if _SETS.fullmatch(word[:2]) and "=" in joined:
                return word[:2] + self._pair(joined)
            return word[:2] + self._given(word[:2], joined)
        if not name.startswith("--") and len(name) > 2 and _SETS.fullmatch(name[:2]):
            return name[:2] + self._pair(word[2:])
        if not _LONG.fullmatch(name) or (len(name) > 2 and self._masks.is_random(name)):
            return word[:2] + self._given(word[:2], word[2:])
        if _SETS.fullmatch(name) and "=" in value:
            return f"{name}={self._pair(value)}"
        if _is_secret_option(name):
            return f"{name}={self._masks.mark(value)}" if value else word
        return f"{self._masks.parts(name)}={self._given(name, value)}"

    def _given(self, option: str, value: str) -> str:
        """Return the value of an option: one that causes read, or a plain one."""
        if _OPTION.fullmatch(option) or (option == "-u" and ":" not in value):
            return self._position(value)
        if _PATH.fullmatch(value) or (option == "-k" and _WORKER_CLASS.fullmatch(value)):
            return self._masks.parts(value)
        return self._masks.value(value)

    def _pair(self, word: str) -> str:
        found = _ASSIGNED.fullmatch(word)
        if found is None or self._masks.is_random(found[1]):
            return self._masks.mark(word)
        return found[1] + found[2] + mask_value(found[1], found[3], self._masks)

    def _position(self, word: str) -> str:
        bare = word.rstrip(";,:")
        if bare != word and bare:
            return self._position(bare) + word[len(bare):]
        if is_plain(word) or (_POSITION.fullmatch(word) and len(word) < 200):
            return self._masks.parts(word)
        return self._masks.value(word)


_TITLE = regex(r"[a-z][A-Za-z0-9_-]*: ")    # a process that calls itself so: `nginx: master process`
_OWN_CODE = regex(r"from multiprocessing\.[a-z_]+ import [a-z_]+; ?[a-z_]+\([a-z_=0-9, ]*\)")
_PYTHON = regex(r"(python|node|ruby|perl|php|pypy)[0-9.]*")


def mask_argv(argv: list[str], masks: Masks) -> list[str]:
    """Return the words of a command masked; their number stays."""
    words = Words(masks)
    return [words.next(word) for word in argv]


def mask_command(line: str, masks: Masks, words: Words | None = None) -> str:
    """Return a command as it stands in a file masked; quotes and blanks stay. `words` are those of the line before."""
    return _mask_words(line, masks, words or Words(masks), breaks=False)


def mask_script_line(line: str, masks: Masks, words: Words | None = None) -> str:
    """Return the commands of one line of a shell script masked."""
    return _mask_words(line, masks, words or Words(masks), breaks=True)


_HEALTH = frozenset(("CMD", "CMD-SHELL", "NONE"))    # in front of the command of a health check
_KEYWORDS = frozenset((
    "if", "then", "else", "elif", "fi", "do", "done", "while", "until", "for", "in", "case", "esac", "!", "{",
    "}", "exec", "export", "nohup", "sudo", "env", "time", "exit", "set", "cd", "sleep", "readonly", "local",
    "declare", "-", "[", "[[", "]", "]]", "return",
))


def _mask_words(line: str, masks: Masks, words: Words, *, breaks: bool) -> str:
    out: list[str] = []
    for match in _TOKEN.finditer(line):
        kind, text = match.lastindex, match[0]
        if kind == 1:
            out.append(text)
        elif kind == 2:
            out.append(text)
            if breaks and text not in "<>":
                words.start()
        elif kind == 4 and text == "\\":
            out.append(text)
        else:
            if breaks and text.startswith("#"):
                out.append(text[0] + (" " + masks.mark(line[match.start() + 1 :].strip(BLANK))))
                return "".join(out)
            bare = _UNQUOTE.sub(lambda m: m[1] if m[1] is not None else m[2] if m[2] is not None else m[3], text)
            bare = bare[1:] if kind == 4 else bare
            shown = bare if breaks and text in _KEYWORDS else words.next(bare)
            out.append(text if shown == bare else _quoted(text, shown, open_end=kind == 4))
    return "".join(out)


def _quoted(text: str, shown: str, *, open_end: bool) -> str:
    """Return a masked word in the quotes of the original; a bare one is quoted where it got a blank."""
    name = _ASSIGNS.match(text)
    if name is not None and shown.startswith(name[0]) and not open_end:
        return f'{name[0]}"{shown[len(name[0]):]}"'
    quote = text[0] if text[0] in "\"'" else '"' if " " in shown or "'" in shown else ""
    body = shown.replace("\\", "\\\\").replace('"', '\\"') if quote == '"' else shown
    return quote + body + ("" if open_end and text[0] in "\"'" else quote)
