"""Opens a target: finds the kind's own module, which is imported only then."""

from __future__ import annotations

from collections.abc import Callable

from fixer.errors import NoSuchTarget, UsageError
from fixer.model.capture import Capture
from fixer.model.host import Target
from fixer.model.target import TargetRef


def open_target(ref: TargetRef, *, load_bundle: Callable[[bytes], Capture] | None = None) -> Target:
    """The opened target; NoSuchTarget or Unreachable where that cannot be. Opening changes nothing.

    `load_bundle` turns a bundle's bytes into a capture (observe.bundle.load): that format belongs to the observers.
    """
    match ref.kind:
        case "local":
            from fixer.hosts.local import LocalTarget  # one kind a run

            return LocalTarget(ref)
        case "docker":
            from fixer.hosts.docker import open_docker  # one kind a run

            return open_docker(ref)
        case "compose":
            from fixer.hosts.compose import open_compose  # one kind a run

            return open_compose(ref)
        case "bundle":
            return _open_bundle(ref, load_bundle)
        case "ssh":
            from fixer.hosts.ssh import SshTarget  # one kind a run

            return SshTarget(ref)


def _open_bundle(ref: TargetRef, load: Callable[[bytes], Capture] | None) -> Target:
    from fixer.hosts.bundle import BundleTarget  # one kind a run

    if load is None:
        raise UsageError("bundles cannot be read here", "fixer diagnose bundle:FILE reads them")
    try:
        with open(ref.address, "rb") as file:     # pathlib's import takes long
            data = file.read()
    except FileNotFoundError:
        raise NoSuchTarget(f"there is no file {ref.address}", "fixer collect -o FILE writes a bundle") from None
    except OSError as error:
        raise NoSuchTarget(f"{ref.address} cannot be read: {error.strerror}") from None
    return BundleTarget(ref, load(data))
