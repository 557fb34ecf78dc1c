"""Who may rename the folders above a file that is repaired has no other file written, whenever they do it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixer.apply.file_state import changed_path_notes, is_torn, with_real_paths
from fixer.apply.repair_run import RepairRun, history, undo
from fixer.errors import Conflict, FixerError
from fixer.hosts.machine.local_files import LocalFiles
from fixer.hosts.sh.sh_files import _PRELUDE, ShFiles
from fixer.model.host import Files
from fixer.model.plan import FileMeta, Plan, WriteFile
from tests.apply.folder_target import NOW, FolderTarget, make_plan, read_tree, write_step
from tests.crash.stopping_shells import CHANGING_COMMANDS, watched_files

OLD, NEW = b"listen 80;\n", b"listen 8080;\n"
Work: TypeAlias = Callable[["Home"], Plan]
SHELLS = {"local": None, "sh": ("sh",), "bash": ("bash",), "busybox": ("busybox", "sh")}


class Home:
    """A user's folders with a site file, and root's folder, which looks the same and is not meant."""

    def __init__(self, root: Path) -> None:
        self.user, self.roots, self.aside = root / "home" / "u", root / "etc", root / "home" / "aside"
        self.site = self.user / "site"
        for folder in (self.site, self.roots):
            folder.mkdir(parents=True)
            (folder / "a.conf").write_bytes(OLD)
            (folder / "gone.conf").write_bytes(OLD)
            (folder / "link").symlink_to("nowhere")
        (root / "state").mkdir(mode=0o700)
        self.state = root / "state"
        self.untouched = read_tree(self.roots)

    def swap(self, name: str = "site") -> None:
        """The folder, or one further up, is moved away, and a link to root's takes its place."""
        if name == "site":
            self.site.rename(self.aside)
            self.site.symlink_to(self.roots)
        else:
            self.user.rename(self.aside)
            self.user.mkdir()
            self.site.symlink_to(self.roots)

    def swap_back(self) -> None:
        self.site.unlink()
        if (self.aside / "site").exists():
            self.user.rmdir()
            self.aside.rename(self.user)
        else:
            self.aside.rename(self.site)


class Watched(LocalFiles):
    """This machine's files; something is done before each step."""

    def __init__(self, see: Callable[[], None]) -> None:
        self.see = see

    def __getattribute__(self, name: str) -> object:
        if name in ("state", "read", "create", "rename", "overwrite", "set_meta", "symlink", "unlink", "mkdir", "rmdir",
                    "listdir", "append"):
            self.see()
        return super().__getattribute__(name)


def edited(home: Home) -> Plan:
    return make_plan(write_step(home.site / "a.conf", OLD, NEW))


def in_place(home: Home) -> Plan:
    return make_plan(write_step(home.site / "a.conf", OLD, NEW, in_place=True, meta=FileMeta(0o600, os.getuid(), os.getgid())))


def removed(home: Home) -> Plan:
    return make_plan(write_step(home.site / "gone.conf", OLD, None))


def made(home: Home) -> Plan:
    return make_plan(write_step(home.site / "d" / "new.conf", None, NEW, create_dirs=(str(home.site / "d"),)))


def unlinked(home: Home) -> Plan:
    return make_plan(write_step(home.site / "link", None, None, link_target="nowhere"),
                write_step(home.site / "link", None, b"", link_target="elsewhere"))


WORKS = (edited, in_place, removed, made, unlinked)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture(params=SHELLS)
def files(request: pytest.FixtureRequest) -> Iterator[Files]:
    shell = SHELLS[request.param]
    if shell is None:
        yield LocalFiles()
        return
    if shutil.which(shell[0]) is None:
        pytest.skip(f"no {shell[0]} here")
    found = ShFiles(tuple, shell)
    yield found
    found.close()


def repair(target: FolderTarget, work: Plan) -> None:
    with RepairRun.open(target, cause="wrong-port", now=NOW) as run:
        run.round(work)
        run.commit()


@pytest.mark.parametrize("work", WORKS)
@pytest.mark.parametrize("which", ["site", "user"])
def test_a_folder_swapped_between_plan_and_write_stops_it(home: Home, files: Files, work: Work, which: str) -> None:
    target = FolderTarget(home.state, files)
    drawn = with_real_paths(work(home), target)
    before = read_tree(home.site)
    home.swap(which)
    with pytest.raises(FixerError, match="its folder leads elsewhere now") as told:
        repair(target, drawn)
    assert told.value.exit_code == 1
    assert read_tree(home.roots) == home.untouched
    home.swap_back()
    assert read_tree(home.site) == before


def test_it_stops_as_any_changed_state_does(home: Home, files: Files) -> None:
    home.swap()
    with pytest.raises(Conflict, match="leads elsewhere now") as told:
        repair(FolderTarget(home.state, files), edited(home))
    assert "diagnose again" in told.value.hint


@pytest.mark.parametrize("work", WORKS)
def test_an_undo_writes_no_other_file_either(home: Home, files: Files, work: Work) -> None:
    target = FolderTarget(home.state, files)
    before = read_tree(home.site)
    repair(target, work(home))
    shutil.rmtree(home.roots)
    shutil.copytree(home.site, home.roots, symlinks=True)
    as_repaired = read_tree(home.roots)
    home.swap()
    result = undo(target, None)
    assert result.conflicts and "leads elsewhere now" in result.conflicts[0]
    assert read_tree(home.roots) == as_repaired
    home.swap_back()
    assert undo(target, history(target)[-1].id).conflicts == ()
    assert read_tree(home.site) == before


@pytest.mark.parametrize("work", WORKS)
def test_swapped_at_any_step_of_a_repair_and_its_undo(home: Home, work: Work) -> None:
    """At every IO step in turn: whatever comes of the repair, what the link leads to stays as it is."""
    for at in range(200):
        count = iter(range(10_000))

        def see(at: int = at, count: Iterator[int] = count) -> None:
            if next(count) == at:
                home.swap()

        target = FolderTarget(home.state, Watched(see))
        try:
            repair(target, work(home))
            undo(target, None)
        except FixerError:
            pass
        assert read_tree(home.roots) == home.untouched, at
        if home.site.is_symlink():
            home.swap_back()
        _anew(home)
        if next(count) <= at:
            return
    raise AssertionError("more steps than were tried")


def _anew(home: Home) -> None:
    shutil.rmtree(home.site)
    shutil.copytree(home.roots, home.site, symlinks=True)
    shutil.rmtree(home.state)
    home.state.mkdir(mode=0o700)


@pytest.mark.parametrize("work", [edited, in_place, made])
def test_a_name_swapped_at_any_command_of_a_shell_leads_nowhere_else(home: Home, tmp_path: Path, work: Work) -> None:
    """The file that is being made or written gives way to a link to root's at every command: it is not followed."""
    victim = home.roots / "a.conf"
    meant = [home.site / "a.conf"] if work is in_place else []

    def see() -> None:
        for path in [*home.site.rglob(".badgateway-*"), *(home.site / "d").glob("*"), *meant]:
            if not path.is_symlink() and path.is_file():
                path.unlink()
                path.symlink_to(victim)

    for meta in (None, FileMeta(0o666, 12, 34)) if os.geteuid() == 0 else (None,):
        with watched_files(tmp_path, see, (*CHANGING_COMMANDS, "stat", "readlink", "ls")) as through_shell:
            target = FolderTarget(home.state, through_shell)
            drawn = work(home)
            step = drawn.steps[0]
            assert isinstance(step, WriteFile)
            if meta is not None:
                drawn = make_plan(write_step(step.path, step.before, step.after, meta=meta, in_place=step.in_place,
                                   create_dirs=step.create_dirs))
            try:
                repair(target, drawn)
                undo(target, None)
            except FixerError:
                pass
        assert read_tree(home.roots) == home.untouched
        _anew(home)


@pytest.mark.parametrize("shell", [words for words in SHELLS.values() if words])
def test_what_is_held_open_must_be_what_the_name_is(home: Home, shell: tuple[str, ...]) -> None:
    """A link may have led to it while it was opened, and be a file again when it is looked at."""
    if shutil.which(shell[0]) is None:
        pytest.skip(f"no {shell[0]} here")
    for held, code in (("./a.conf", 0), (f"{home.roots}/a.conf", 1), ("./gone.conf", 1), ("./p", 1)):
        if held == "./p" and not (home.site / "p").exists():
            (home.site / "p").symlink_to("a.conf")
        name = "./p" if held == "./p" else "./a.conf"
        script = f"{_PRELUDE}\ncd '{home.site}'; same {name} 5<'{held}'"
        done = subprocess.run((*shell, "-c", script), capture_output=True, check=False, timeout=30)
        assert done.returncode == code, (held, done)


def test_where_a_link_led_when_the_plan_was_made_is_shown_and_kept_to(home: Home, files: Files) -> None:
    """A new file behind a link that was there: written where it led then, and nowhere else."""
    current = home.user / "current"
    current.symlink_to("site")
    target = FolderTarget(home.state, files)
    drawn = make_plan(write_step(current / "d" / "new.conf", None, NEW, create_dirs=(str(current / "d"),)),
                 write_step(current / "link", None, None, link_target="nowhere"))
    meant = with_real_paths(drawn, target)
    assert changed_path_notes(drawn, meant) == (
        f"{current}/d/new.conf is {home.site}/d/new.conf: its path contains a link",
        f"{current}/link is {home.site}/link: its path contains a link",
    )
    current.unlink()
    current.symlink_to(home.roots)
    before = read_tree(home.site)
    repair(target, meant)
    assert (home.site / "d" / "new.conf").read_bytes() == NEW and not (home.site / "link").is_symlink()
    undo(target, None)
    assert read_tree(home.site) == before
    assert read_tree(home.roots) == home.untouched


def test_the_state_folder_may_lie_behind_a_link(home: Home, files: Files, tmp_path: Path) -> None:
    (tmp_path / "var").symlink_to(home.state)
    target = FolderTarget(tmp_path / "var" / "deep", files)
    repair(target, edited(home))
    undo(target, None)
    assert [run.state for run in history(target)] == ["undone"]


@pytest.mark.parametrize(("path", "real"), [
    ("/", "/"), ("{}/home", "{}/home"), ("{}/l/u/site", "{}/home/u/site"), ("{}/l/none/below", "{}/home/none/below"),
    ("{}/with\nline", "{}/with\nline"), ("{}/a b\n", "{}/a b\n"),
])
def test_the_real_path(home: Home, files: Files, tmp_path: Path, path: str, real: str) -> None:
    (tmp_path / "l").symlink_to("home")
    for name in ("with\nline", "a b\n"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f").write_bytes(b"x")
        assert files.read(f"{tmp_path}/{name}/f") == b"x"
    assert files.real(path.format(tmp_path)) == real.format(tmp_path)


@given(st.binary(max_size=8), st.binary(max_size=8), st.integers(0, 8))
def test_every_torn_write_is_known(new: bytes, old: bytes, at: int) -> None:
    assert is_torn(new[:at], new, old)
    assert is_torn(new[:at] + old[at:], new, old) or at > len(new)


def test_what_no_write_of_ours_leaves() -> None:
    assert not is_torn(b"8001", b"9001", b"8000")
    assert not is_torn(b"proxy 80x", b"proxy 8000", b"proxy 8001")
