"""Certificates for loopback: a certificate authority of the server's own, made when it starts."""

from pathlib import Path
from typing import NamedTuple

import trustme

NAMES = ("localhost", "127.0.0.1", "::1")


class Certificates(NamedTuple):
    """Paths of PEM files: the server's chain, its key, and the authority that a client must trust."""

    chain: Path
    key: Path
    authority: Path


def make_certificates(folder: Path, host: str) -> Certificates:
    """Make an authority and a certificate for loopback.

    Args:
        folder: where to write them; nobody else should read it, since the key is in it.
        host: where the server listens, beside the names of loopback.
    """
    found = Certificates(folder / "chain.pem", folder / "key.pem", folder / "authority.pem")
    authority = trustme.CA()
    issued = authority.issue_cert(*dict.fromkeys((*NAMES, host)))
    found.chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    found.key.touch(mode=0o600)
    found.key.write_bytes(issued.private_key_pem.bytes())
    found.authority.write_bytes(authority.cert_pem.bytes())
    return found
