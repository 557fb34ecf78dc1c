"""Targets that the user names, and kinds of nodes."""

from __future__ import annotations

from typing import Literal, TypeAlias

from fixer.lazy.dataclass import dataclass

TargetKind: TypeAlias = Literal["local", "docker", "compose", "ssh", "bundle"]
NodeKind: TypeAlias = Literal["machine", "container"]


@dataclass(frozen=True, slots=True)
class TargetRef:
    """A parsed TARGET argument: `local`, `docker://NAME`, `compose://PROJECT`, `ssh://…`, `bundle:FILE`."""

    kind: TargetKind
    address: str

    def __str__(self) -> str:
        match self.kind:
            case "local":
                return "local"
            case "bundle":
                return f"bundle:{self.address}"
            case _:
                return f"{self.kind}://{self.address}"
