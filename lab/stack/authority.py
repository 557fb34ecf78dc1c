"""A certificate for one address, signed by an authority of the lab that signs nothing else.

The authority's key never leaves the container that makes it, and is gone with it: nobody can sign another one."""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.stack import images
from lab.stack.docker_engine import run_once

_DAYS = 3
_END = "-----END CERTIFICATE-----\n"
_KEY = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
_SCRIPT = f"""set -e; cd /tmp
openssl req -x509 {_KEY} -days {_DAYS} -subj "/CN=badgateway lab" -keyout ca.key -out ca.pem \
  -addext keyUsage=critical,keyCertSign -addext "nameConstraints=critical,permitted;IP:$1/255.255.255.255" 2>/dev/null
openssl req {_KEY} -subj "/CN=$1" -keyout own.key -out own.csr 2>/dev/null
printf 'subjectAltName=IP:%s\\nextendedKeyUsage=serverAuth\\nbasicConstraints=CA:FALSE\\n' "$1" >own.ext
openssl x509 -req -in own.csr -CA ca.pem -CAkey ca.key -days {_DAYS} -extfile own.ext -out own.pem 2>/dev/null
cat ca.pem own.pem own.key
"""


@dataclass(frozen=True, slots=True)
class Certificate:
    """The authority's certificate, the address's own, and its key, as PEM."""

    authority: str
    own: str
    key: str

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256 of the address's certificate as browsers show it."""
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(self.own)).hexdigest().upper()
        return ":".join(digest[at:at + 2] for at in range(0, len(digest), 2))


def new_certificate(address: str) -> Certificate:
    """Make an authority and a certificate for an IPv4 address. The machine's image must be there: it has openssl."""
    made = run_once(images.tags()["machine"], ["-c", _SCRIPT, "sh", address], entrypoint="sh") + "\n"
    parts = made.split(_END)
    if len(parts) != 3:
        raise LabError("no certificate could be made")
    return Certificate(parts[0] + _END, parts[1] + _END, parts[2])


def save_certificate(folder: Path, name: str, made: Certificate) -> tuple[Path, Path]:
    """Write a certificate; only its owner may read it. Return the paths of the own one and its key."""
    paths = certificate_paths(folder, name)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for path, text in zip(paths, (made.authority, made.own, made.key), strict=True):
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(text, encoding="ascii")
    return paths[1], paths[2]


def certificate_paths(folder: Path, name: str) -> tuple[Path, Path, Path]:
    """Return where the authority's certificate, the own one and its key lie."""
    return folder / f"{name}.ca.pem", folder / f"{name}.page.pem", folder / f"{name}.page.key"
