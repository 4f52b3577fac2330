"""Certificates for loopback: a certificate authority of the server's own, made when it starts.

The key never has a name in the file system, where the system can do that: a server that is killed leaves none behind.
"""

import os
from pathlib import Path, PosixPath
from typing import NamedTuple, Self

import trustme

NAMES = ("localhost", "127.0.0.1", "::1")


class Certificates(NamedTuple):
    """What the server shows, and what its clients need.

    Attributes:
        chain: path of the server's certificates, PEM.
        key: path of its key, PEM, until `forget_key`.
        descriptor: of the key; -1 where it is a file.
        private: the key.
        authority: path of the authority that a client must trust, PEM.
    """

    chain: Path
    key: Path
    descriptor: int
    private: bytes
    authority: Path

    def forget_key(self) -> None:
        """Close what has the key when everybody has read it."""
        if self.descriptor == -1:
            self.key.unlink(missing_ok=True)
        else:
            os.close(self.descriptor)


class OpenFile(PosixPath):
    """The path of an open file that has no other: granian resolves its paths, and this one would lead nowhere."""

    def resolve(self, strict: bool = False) -> Self:
        """Return the path as it is."""
        return self


def make_certificates(folder: Path, host: str) -> Certificates:
    """Make an authority and a certificate for loopback.

    Args:
        folder: where to write them; nobody else should read it, since the key may be in it for a moment.
        host: where the server listens, beside the names of loopback.
    """
    authority = trustme.CA()
    issued = authority.issue_cert(*dict.fromkeys((*NAMES, host)))
    private = issued.private_key_pem.bytes()
    found = Certificates(folder / "chain.pem", *held(folder, private), private, folder / "authority.pem")
    found.chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    found.authority.write_bytes(authority.cert_pem.bytes())
    return found


def held(folder: Path, private: bytes) -> tuple[Path, int]:
    """Put a key where a path leads to it; give the path and the descriptor, -1 if it is a file of the folder."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("key")
        os.write(descriptor, private)
        return OpenFile(f"/proc/self/fd/{descriptor}"), descriptor
    path = folder / "key.pem"
    path.touch(mode=0o600)
    path.write_bytes(private)
    return path, -1
