# SPDX-License-Identifier: Apache-2.0
"""Signed images, and a cloud that builds machines of nothing else."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import functools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sim_cloud import SimCloud
from virga.services.compute.settings import Compute
from virga.services.images.settings import Images


@functools.cache
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP384R1())


def certificate(file: Path, days: tuple[int, int] = (-3650, 36500)) -> None:
    """A certificate of `key`, valid for these days around now."""
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "signer")]), dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key().public_key()).serial_number(1)
    )
    made = made.not_valid_before(now + dt.timedelta(days=days[0])).not_valid_after(now + dt.timedelta(days=days[1]))
    file.write_bytes(made.sign(key(), hashes.SHA384()).public_bytes(serialization.Encoding.PEM))


def properties(data: bytes) -> dict[str, str]:
    return {
        "img_signature": base64.b64encode(key().sign(data, ec.ECDSA(hashes.SHA384()))).decode(),
        "img_signature_hash_method": "SHA-384",
        "img_signature_key_type": "ECC_SECP384R1",
        "img_signature_certificate_uuid": "one",
    }


@contextlib.contextmanager
def trusting(cloud: Any) -> Iterator[Callable[[SimCloud], str]]:
    """The cloud trusts certificate `one` and builds verified machines only; what is given makes a signed image and gives its id."""
    with tempfile.TemporaryDirectory() as folder:
        certificate(Path(folder) / "one.pem")
        cloud.registry.put(Images, msgspec.structs.replace(cloud.registry.use(Images), trusted_certificates=folder))
        cloud.registry.put(Compute, msgspec.structs.replace(cloud.registry.use(Compute), verify_image_signatures=True))
        data = b"signed" * 1000
        yield lambda sim: str(sim.image(data=data, **properties(data))["id"])
