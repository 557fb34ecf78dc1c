"""Words on the command line: what they name, and the hint where they name nothing."""

import pytest

from fixer.errors import NoSuchTarget, Unreachable, UsageError
from fixer.hosts.open_target import open_target, parse_target
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
