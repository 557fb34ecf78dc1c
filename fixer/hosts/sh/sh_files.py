"""Files of a node reached through sh: one shell stays open, each call is one small script with one outcome.

Each call enters the folder first, checks by the kernel that no link led elsewhere, and then uses bare names only.
Written files stay open as descriptor 5, so that renames meanwhile cannot redirect a write."""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import stat as st
from collections.abc import Callable, Iterator, Sequence

from fixer.errors import Locked, Unreachable
from fixer.hosts.machine.run_process import InteractiveProcess
from fixer.hosts.sh.round_output import mode_of
from fixer.hosts.sh.run_command import without_api_url
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.host import FOLDER_REDIRECTED, name_in_same_folder
from fixer.model.journal import FileState
from fixer.model.plan import FileMeta

with lazy_imports():
    import hashlib  # 5 ms for OpenSSL, and an observation only lists

_TIMEOUT = 30.0
_CHUNK = 1 << 14
_ERRORS = (
    ("No such file", errno.ENOENT), ("nonexistent", errno.ENOENT), ("File exists", errno.EEXIST),
    ("Permission denied", errno.EACCES), ("not permitted", errno.EPERM), ("Read-only file system", errno.EROFS),
    ("No space left", errno.ENOSPC), ("Not a directory", errno.ENOTDIR), ("not empty", errno.ENOTEMPTY),
    ("Is a directory", errno.EISDIR), ("resource busy", errno.EBUSY), ("not supported", errno.ENOTSUP),
    ("Not a regular file", errno.EINVAL), ("quota exceeded", errno.EDQUOT), ("I/O error", errno.EIO),
    ("Input/output error", errno.EIO), (FOLDER_REDIRECTED, errno.ELOOP),
)
_COLUMNS = regex(rb"(\S{10})(\S?) +(\d+) +(\d+) +(\d+) ")
_PLAIN_BYTE = regex(rb"[A-Za-z0-9 .,:;/_=@#()\[\]{}<>+*?!|&-]")

# Every function prints its failure in strerror's words; the tools print the same under LC_ALL=C.
_PRELUDE = r"""LC_ALL=C; export LC_ALL; umask 077; exec 4>&1
have() { command -v "$1" >/dev/null 2>&1; }
there() { [ -e "$1" ] || [ -h "$1" ]; }
fail() { echo "$1: $2" >&2; return 1; }
known() { there "$1" || fail "$1" "No such file or directory"; }
fresh() { if there "$1"; then fail "$1" "File exists"; fi; }
plain() { known "$1" && { [ -f "$1" ] || fail "$1" "Not a regular file"; }; }
own() { plain "$1" && if [ -h "$1" ]; then fail "$1" "Not a regular file"; fi; }
settle() { sync "$1" 2>/dev/null || sync; }
settle_folder() { settle .; }
real() {
  r='' d=$1
  while [ "$d" ] && ! cd -P "$d" 2>/dev/null; do r=/${d##*/}$r; d=${d%/*}; done
  [ "$d" ] || cd / || return 1
  w=$(here; echo .); w=${w%??}; printf '%s' "${w%/}$r"
}
here() { readlink /proc/self/cwd 2>/dev/null || pwd -P; }
at() {
  if ! cd -P "$1" 2>/dev/null; then
    if [ "$2" = state ] && ! [ -d "$1" ]; then echo absent; return 0; fi
    known "$1" && if [ -d "$1" ]; then fail "$1" "Permission denied"; else fail "$1" "Not a directory"; fi
    return
  fi
  w=$(here; echo .)
  [ "${w%??}" = "$1" ] || fail "$1" "ELSEWHERE" || return
  shift; "$@"
}
same() {
  if have stat; then l=$(stat -c %d:%i "$1") h=$(stat -L -c %d:%i /proc/self/fd/5)
  else l=$(ls -id "$1") h=$(ls -idL /proc/self/fd/5); l=${l%% *} h=${h%% *}; fi
  { [ "$h" ] && [ "$l" = "$h" ] && [ -f /proc/self/fd/5 ]; } || fail "$1" "Not a regular file"
}
state() {
  there "$1" || { echo absent; return 0; }
  a=''
  case $(ls -lnd "$1") in ??????????+*)
    have getfattr || fail "$1" "its ACL cannot be read without getfattr: Operation not supported" || return 1
    a=$(getfattr --absolute-names -e hex -n system.posix_acl_access "$1" | sed -n 's/^system.posix_acl_access=//p') ;;
  esac
  c=''; [ -d /sys/fs/selinux ] && have stat && c=$(stat -c %C "$1" 2>/dev/null)
  echo "there $a"; echo "$c"; ls -lnd "$1"
  if [ -h "$1" ]; then ! have readlink || { echo target; readlink "$1"; }
  elif [ -f "$1" ]; then cat "$1"; fi
}
contents() { own "$1" && cat "$1"; }
meta() {
  f=/proc/self/fd/5
  chown "$3:$4" "$f" && chmod "$2" "$f" || return 1
  if [ "$6" ]; then
    have setfattr || fail "$1" "its ACL cannot be set without setfattr: Operation not supported" || return 1
    setfattr -n system.posix_acl_access -v "$6" "$f" || return 1
  fi
  if [ "$5" ]; then chcon "$5" "$f" || return 1; fi
  settle "$f"
}
remeta() { own "$1" && { same "$1" && meta "$@"; } 5<"$1"; }
create() {
  fresh "$1" || return 1
  set -C
  { { bytes >&5 && meta "$@" && settle_folder; } || { rm -f "$1"; return 1; }; } 5>"$1"
}
add() {
  if [ -h "$1" ]; then fail "$1" "Not a regular file"; return; fi
  new=1; [ -e "$1" ] && new=''
  bytes >>"$1" && settle "$1" && if [ "$new" ]; then settle_folder; fi
}
move() {
  known "$1" || return 1
  if [ -d "$2" ] && [ ! -h "$2" ]; then fail "$2" "Is a directory"; return; fi
  case $(command mv --help 2>&1) in *-T*) t=T ;; *) t='' ;; esac
  mv "-f$t" "$1" "$2" && settle_folder
}
overwrite() { own "$1" && { same "$1" && bytes >/proc/self/fd/5 && settle /proc/self/fd/5; } 5<"$1"; }
attributes() {
  own "$1" && own "$2" || return 1
  if have getfattr && have setfattr; then
    { echo "# file: $2"; getfattr -d -m '^(user|trusted)\.' -e hex "$1" | sed 1d; } | setfattr --restore=-
  elif have python3; then python3 -I -S -c "$3" copy "$1" "$2"
  fi && settle "$2"
}
lost() {
  own "$1" || return 1
  if have getfattr && have setfattr; then
    getfattr -m - "$1" |
      sed '/^$/d; /^#/d; /^user\./d; /^trusted\./d; /^security.selinux$/d; /^system.posix_acl_access$/d'
  elif have python3; then python3 -I -S -c "$2" lost "$1"
  else echo UNKNOWN; fi
}
link() { fresh "$1" && ln -sn "$2" "$1" && settle_folder; }
remove() {
  known "$1" || return 1
  if [ -d "$1" ] && [ ! -h "$1" ]; then fail "$1" "Is a directory"; return; fi
  rm -f "$1" && settle_folder
}
folder() { fresh "$1" && (umask "$2"; mkdir "$1") && settle_folder; }
unfolder() { known "$1" && rmdir "$1" && settle_folder; }
letgo() {
  x=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  set -f; y=$2; set -- "$1" ${x##*) }
  [ "${21}" = "$y" ] || return 0
  kill "$1" && sleep 1
}
names() {
  for f in "$1"/* "$1"/.[!.]* "$1"/..?*; do if there "$f"; then printf '%s\0' "${f##*/}"; fi; done
}
""".replace("ELSEWHERE", FOLDER_REDIRECTED)
# Extended attributes where no getfattr is: the same as LocalFiles does. It runs on any Python 3.
_ATTRIBUTES = """import os, sys
kept = ("user.", "trusted.")
try:
    names = os.listxattr(sys.argv[2])
except OSError:
    names = []
for name in sorted(names):
    if sys.argv[1] == "copy":
        if name.startswith(kept):
            os.setxattr(sys.argv[3], name, os.getxattr(sys.argv[2], name))
    elif not name.startswith(kept + ("security.selinux", "system.posix_acl_access")):
        print(name)
"""
_ATTRIBUTES_UNKNOWN = "no python3 and no getfattr there: nobody can tell"
# Write who holds the lock, report that it is held, and stay until the input ends. The name comes first: a connection
# that is lost right then leaves no lock without one.
_LOCK_HOLDER = r"""held=$1 path=$2 head=$3 tail=$4; x=$(cat /proc/$$/stat 2>/dev/null); set -f; set -- ${x##*) }
[ ! -h "$path" ] || { echo "Not a regular file"; exit 1; }
[ -z "$head" ] || printf %s "$head$$ ${20}$tail" >"$path" || exit 1
printf %s "$held"; exec cat"""


def quoted_bytes(data: bytes) -> str:
    """Return sh text that prints exactly these bytes, octal except plain characters, so nothing can end the quotes."""
    parts = []
    for start in range(0, len(data), _CHUNK):
        chunk = data[start : start + _CHUNK]
        text = "".join(chr(b) if _PLAIN_BYTE.match(bytes((b,))) else f"\\{b:03o}" for b in chunk)
        parts.append(f"printf -- '{text}'" if not text.startswith("-") else f"printf '\\{ord('-'):03o}{text[1:]}'")
    return "\n".join(parts) or ":"


class ShFiles:
    """The Files protocol through sh. `enter` turns a command into one that runs it on the node; `shell` stays open."""

    def __init__(self, enter: Callable[[Sequence[str]], Sequence[str]], shell: Sequence[str] = ("sh",)) -> None:
        self._enter = enter
        self._shell = tuple(shell)
        self._talk: InteractiveProcess | None = None

    def close(self) -> None:
        """End the shell."""
        if self._talk is not None:
            self._talk.close()
            self._talk = None

    def _call(self, function: str, *words: str, data: bytes | None = None) -> bytes:
        """Run the function; return its output, or raise OSError with its error message."""
        if any("\0" in word for word in words):
            raise ValueError("embedded null byte")
        nonce = os.urandom(16).hex()
        feed = "" if data is None else f"bytes() {{\n{quoted_bytes(data)}\n}}\n"
        call = " ".join((function, *map(shlex.quote, words)))
        text = f"{feed}e=$( {{ {call} </dev/null; }} 2>&1 >&4 ); printf '\\n{nonce} %s %s\\n{nonce}\\n' \"$?\" \"$e\"\n"
        output = self._exchange(os.fsencode(text), f"\n{nonce}\n".encode())
        body, _, verdict = output.rpartition(f"\n{nonce} ".encode())
        code, _, said = verdict.decode(errors="replace").partition(" ")
        if code != "0":
            raise _os_error(said, words[0])
        return body

    def _at(self, path: str, function: str, *words: str, data: bytes | None = None) -> bytes:
        """Run the function in the path's folder, with the path's name there and the other arguments."""
        folder, _, name = path.rpartition("/")
        try:
            return self._call("at", folder or "/", function, f"./{name}", *words, data=data)
        except OSError as error:
            raise OSError(error.errno, (error.strerror or "").replace(f"./{name}", path), path) from None

    def real(self, path: str) -> str:
        """Return the path with all links resolved, as far as it exists."""
        return os.fsdecode(self._call("real", path)) or "/"

    def _exchange(self, text: bytes, mark: bytes) -> bytes:
        if self._talk is None or not self._talk.alive:
            self.close()
            self._talk = InteractiveProcess(self._enter(self._shell))
            # skip what a login shell prints first
            hello = os.urandom(16).hex()
            if self._talk.exchange(f"{_PRELUDE}echo {hello}\n".encode(), f"{hello}\n".encode(), _TIMEOUT) is not None:
                self._talk.complaint()  # which does not explain a later end of the shell either
        output = self._talk.exchange(text, mark, _TIMEOUT)
        if output is None:
            said = without_api_url(self._talk.complaint())
            self.close()
            raise Unreachable(f"the shell on the node ended: {said[-300:] or 'no answer'}")
        return output

    def state(self, path: str) -> FileState:
        """Return the path's present state."""
        head, _, rest = self._at(path, "state").partition(b"\n")
        if head == b"absent":
            return FileState("absent")
        acl = head.partition(b" ")[2].decode().removeprefix("0x")
        label, _, rest = rest.partition(b"\n")
        where = os.fsencode("./" + path.rpartition("/")[2])
        columns, _, data = rest.partition(where)
        match = _COLUMNS.match(columns)
        if match is None:
            raise OSError(errno.EIO, "ls printed an unknown line", path)
        mode = mode_of(match[1].decode("ascii", "replace"))
        bits, uid, gid = st.S_IMODE(mode), int(match[4]), int(match[5])
        context = label.decode(errors="replace").strip("?")
        if st.S_ISLNK(mode):
            # use readlink if present: busybox ls prints ? for unprintable characters
            listed, _, exact = data.rpartition(b"\ntarget\n")
            target = (exact if listed else data.removeprefix(b" -> ")).removesuffix(b"\n")
            return FileState("link", "", len(target), bits, uid, gid, context, "", os.fsdecode(target))
        if not st.S_ISREG(mode):
            return FileState("other", "", 0, bits, uid, gid, context)
        data = data.removeprefix(b"\n")
        return FileState("file", hashlib.sha256(data).hexdigest(), len(data), bits, uid, gid, context, acl,
                         links=int(match[3]))

    def read(self, path: str) -> bytes:
        """Return the bytes of a regular file."""
        return self._at(path, "contents")

    def create(self, path: str, data: bytes, meta: FileMeta) -> None:
        """Create a file; raise FileExistsError if the path exists."""
        self._at(path, "create", *_meta_arguments(meta), data=data)

    def append(self, path: str, data: bytes) -> None:
        """Append to the file; create it with mode 0600 if missing."""
        self._at(path, "add", data=data)

    def rename(self, source: str, destination: str) -> None:
        """Rename atomically over the destination, in one folder."""
        self._at(source, "move", f"./{name_in_same_folder(destination, source)}")

    def overwrite(self, path: str, data: bytes) -> None:
        """Overwrite the same inode."""
        self._at(path, "overwrite", data=data)

    def set_meta(self, path: str, meta: FileMeta) -> None:
        """Set owner, mode, ACL and label of a regular file."""
        self._at(path, "remeta", *_meta_arguments(meta))

    def copy_attributes(self, source: str, destination: str) -> None:
        """Give a file of the same folder the extended attributes of another one."""
        self._at(source, "attributes", f"./{name_in_same_folder(destination, source)}", _ATTRIBUTES)

    def lost_attributes(self, path: str) -> str:
        """Return the extended attributes of the file that `copy_attributes` leaves out, or that no tool shows them."""
        found = self._at(path, "lost", _ATTRIBUTES).decode("utf-8", "replace").split()
        return _ATTRIBUTES_UNKNOWN if found == ["UNKNOWN"] else ", ".join(sorted(found))

    def symlink(self, target: str, path: str) -> None:
        """Create a link; raise FileExistsError if the path exists."""
        self._at(path, "link", target)

    def unlink(self, path: str) -> None:
        """Remove a file or link."""
        self._at(path, "remove")

    def mkdir(self, path: str, mode: int) -> None:
        """Create a folder with exactly that mode."""
        self._at(path, "folder", f"{~mode & 0o777:o}")

    def rmdir(self, path: str) -> None:
        """Remove an empty folder."""
        self._at(path, "unfolder")

    def listdir(self, path: str) -> tuple[str, ...]:
        """Return the sorted names; empty if there is no such folder."""
        return tuple(sorted(os.fsdecode(name) for name in self._call("names", path).split(b"\0")[:-1]))

    @contextlib.contextmanager
    def lock(self, path: str, record: Callable[[str], bytes] | None = None) -> Iterator[None]:
        """Hold the lock by a live `flock` on the node: it ends with its input, so also if fixer is killed.
        After a lost connection the node may not notice for hours; its process there is known by `pid start_ticks`."""
        begun, held, who = (os.urandom(16).hex() for _ in range(3))
        head, _, tail = (record(who) if record is not None else b"").decode().partition(who)
        script = 'umask 077; echo "$3"; flock -n "$1" sh -c "$4" sh "$2" "$1" "$5" "$6" 2>&1 || echo "busy $2"'
        words = ("sh", "-c", script, "sh", path, held, begun, _LOCK_HOLDER, head, tail)
        holder = InteractiveProcess(self._enter(words))
        try:
            holder.exchange(b"", f"{begun}\n".encode(), _TIMEOUT)
            before = holder.exchange(b"", held.encode(), _TIMEOUT)
            if before is None:
                raise Unreachable(f"no lock on the node: {holder.complaint()[-300:] or 'no answer'}")
            if before.endswith(b"busy "):
                if complaint := before.removesuffix(b"busy ").decode(errors="replace"):
                    raise _os_error(complaint, path)
                raise Locked("another repair or undo is running on this target", "wait until it ends")
            yield
        finally:
            holder.close()

    def release_lock(self, holder: str) -> None:
        """End that process; do nothing if it has ended."""
        words = holder.split()
        if len(words) == 2 and all(word.isdecimal() for word in words):
            self._call("letgo", *words)


def _meta_arguments(meta: FileMeta) -> tuple[str, ...]:
    acl = f"0x{meta.acl.hex()}" if meta.acl else ""
    return f"{meta.mode:o}", str(meta.uid), str(meta.gid), meta.label, acl


def _os_error(said: str, path: str) -> OSError:
    number = next((code for words, code in _ERRORS if words in said), errno.EPROTO)
    return OSError(number, said.strip().splitlines()[-1][-300:] if said.strip() else os.strerror(number), path)
