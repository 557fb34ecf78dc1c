"""Words on the command line: what they name, and the hint where they name nothing."""

from pathlib import Path

import pytest

from fixer.errors import NoSuchTarget, Unreachable, UsageError
from fixer.hosts.compose import ComposeTarget
from fixer.hosts.docker import DockerTarget
from fixer.hosts.docker_engine import engine_program
from fixer.hosts.open_target import open_target, parse_target, start_opening
from fixer.model.target import TargetRef


@pytest.mark.parametrize(("word", "ref"), [
    ("local", TargetRef("local", "")),
    ("docker://web-1", TargetRef("docker", "web-1")),
    ("compose://shop_3f", TargetRef("compose", "shop_3f")),
    ("ssh://root@web1:2222", TargetRef("ssh", "root@web1:2222")),
    ("ssh://[fe80::1]", TargetRef("ssh", "[fe80::1]")),
    ("bundle:a b.tgz", TargetRef("bundle", "a b.tgz")),
])
def test_words_that_name_a_target(word: str, ref: TargetRef) -> None:
    assert parse_target(word) == ref
    assert str(parse_target(str(ref))) == str(ref)


@pytest.mark.parametrize("word", [
    "", "docker://", "compose://", "docker://-rf", "docker://a b", "docker://a/b", "k8s://x", "shop", "bundle:",
    "ssh://", "ssh://-oProxyCommand=x", "ssh://a@b@c", "ssh://h:0", "ssh://h:99999", "docker://x\n", "bundle:x\0y",
])
def test_words_that_name_none_are_usage_errors_with_a_hint(word: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_target(word)
    assert caught.value.exit_code == 2
    assert caught.value.hint


def test_a_bare_name_and_a_bare_archive_get_the_word_that_was_meant() -> None:
    with pytest.raises(UsageError) as caught:
        parse_target("shop")
    assert "docker://shop" in caught.value.hint
    with pytest.raises(UsageError) as caught:
        parse_target("x.tgz")
    assert "bundle:x.tgz" in caught.value.hint


def test_a_bundle_that_is_not_there(tmp_path) -> None:
    with pytest.raises(NoSuchTarget):
        open_target(TargetRef("bundle", str(tmp_path / "no.tgz")), load_bundle=lambda data: None)


def test_an_ssh_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BADGATEWAY_SSH", "no-such-ssh -F x")
    with pytest.raises(Unreachable, match="not installed"):
        open_target(TargetRef("ssh", "web1"))
    monkeypatch.setenv("BADGATEWAY_SSH", "ssh 'half")
    with pytest.raises(UsageError):
        open_target(TargetRef("ssh", "web1"))


ENGINE = """#!/bin/sh
echo "${0##*/} $*" >>"$CALLS"
case "$*" in
    "inspect --type container shop"|"inspect --type container 1") echo '[{"Id": "1", "Name": "/shop", "Path": "nginx"}]' ;;
    "ps -a --no-trunc --format {{.ID}} "*project=shop) echo 1 ;;
    "container inspect --format {{.Id}} shop") echo 1 ;;
    ps*) ;;
    *) echo '[]'; exit 1 ;;
esac
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A command line of the engine that knows one container, and where it notes its calls."""
    (tmp_path / "docker").write_text(ENGINE)
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setattr(engine_program, "_chosen", [])
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    (tmp_path / "calls").touch()
    return tmp_path / "calls"


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize(("word", "kind"), [("docker://shop", DockerTarget), ("compose://shop", ComposeTarget)])
def test_a_target_that_is_opened_early_is_the_same_and_asks_no_more(early: bool, word: str, kind: type, calls: Path) -> None:
    if early:
        start_opening(word)
    target = open_target(parse_target(word))
    assert isinstance(target, kind)
    assert [asker.name for asker in target.askers()] == ["shop", "engine"]
    said = sorted(calls.read_text().splitlines())
    assert len(said) == len(set(said)) == 2, said
    again = open_target(parse_target(word))
    assert again is not target, "it is given out once"


@pytest.mark.parametrize("word", ["docker://other", "compose://other"])
def test_what_is_not_there_is_said_where_it_is_opened(word: str, calls: Path) -> None:
    with pytest.raises(NoSuchTarget) as usual:
        open_target(parse_target(word))
    start_opening(word)
    with pytest.raises(NoSuchTarget) as early:
        open_target(parse_target(word))
    assert (early.value.message, early.value.hint) == (usual.value.message, usual.value.hint)


def test_only_targets_of_the_engine_are_opened_early(calls: Path) -> None:
    for word in ("local", "bundle:x.tgz", "ssh://h"):
        start_opening(word)
    assert calls.read_text() == ""
    with pytest.raises(UsageError):
        start_opening("docker://-rf")


def test_the_networks_of_another_engine_do_not_count(calls: Path) -> None:
    (calls.parent / "podman").write_text(ENGINE)
    (calls.parent / "podman").chmod(0o755)
    (calls.parent / "docker").write_text("#!/bin/sh\necho '[]'; exit 1\n")
    start_opening("docker://shop")
    target = open_target(parse_target("docker://shop"))
    assert isinstance(target, DockerTarget) and target.networks is None
    assert [asker.name for asker in target.askers()] == ["shop", "engine"]
