# SPDX-License-Identifier: Apache-2.0
"""Signatures of images, as Glance has them: four properties `img_signature*` say how the bytes were signed and by which certificate.
Upstream asks a key manager for the certificate; here it is `<id>.pem` in a folder that the operator trusts. An image that says it
is signed and cannot be checked is refused."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
from pathlib import Path
from typing import Any

from virga.ground.errors import Invalid
from virga.services.images.model import SIGNATURE

HASHES = ("SHA-224", "SHA-256", "SHA-384", "SHA-512")
KEYS = (
    "RSA-PSS",
    "DSA",
    "ECC_SECP384R1",
    "ECC_SECP521R1",
    "ECC_SECT409K1",
    "ECC_SECT409R1",
    "ECC_SECT571K1",
    "ECC_SECT571R1",
)
ID = re.compile(r"[A-Za-z0-9-]{1,64}")


class Signature:
    """Takes the bytes as they pass; `verify` then raises Invalid unless they are what was signed."""

    def __init__(self, properties: dict[str, Any], folder: str, now: float) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes

        missing = [name for name in SIGNATURE if not properties.get(name)]
        if missing:
            raise Invalid(f"The image says that it is signed, and lacks {', '.join(missing)}", field=missing[0])
        method, self.kind = properties["img_signature_hash_method"], properties["img_signature_key_type"]
        if method not in HASHES:
            raise Invalid(
                f"img_signature_hash_method '{method[:40]}' is not one of {', '.join(HASHES)}",
                field="img_signature_hash_method",
            )
        if self.kind not in KEYS:
            raise Invalid(
                f"img_signature_key_type '{self.kind[:40]}' is not one of {', '.join(KEYS)}",
                field="img_signature_key_type",
            )
        id = properties["img_signature_certificate_uuid"]
        if not folder:
            raise Invalid(
                "The image is signed, and this cloud trusts no certificates (images.trusted_certificates)",
                field=SIGNATURE[3],
            )
        file = Path(folder) / f"{id}.pem"
        if not ID.fullmatch(id) or not file.is_file():
            raise Invalid(f"There is no trusted certificate {id[:64]}", field=SIGNATURE[3])
        try:
            certificate = x509.load_pem_x509_certificate(file.read_bytes())
            self.signature = base64.b64decode(properties["img_signature"], validate=True)
        except (ValueError, binascii.Error) as e:
            raise Invalid(
                f"The image's signature or its certificate cannot be read: {e}", field="img_signature"
            ) from None
        when = dt.datetime.fromtimestamp(now, dt.UTC)
        if not certificate.not_valid_before_utc <= when <= certificate.not_valid_after_utc:
            raise Invalid(f"The certificate {id} is not valid now", field=SIGNATURE[3])
        self.key = certificate.public_key()
        self.algorithm = {
            "SHA-224": hashes.SHA224(),
            "SHA-256": hashes.SHA256(),
            "SHA-384": hashes.SHA384(),
            "SHA-512": hashes.SHA512(),
        }[method]
        self._hash = hashes.Hash(self.algorithm)

    def update(self, data: bytes) -> None:
        self._hash.update(data)

    def verify(self) -> None:
        """Compare the signature with the bytes that were hashed. Raises Invalid."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding, rsa
        from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

        digest, how, key = self._hash.finalize(), Prehashed(self.algorithm), self.key
        try:
            if isinstance(key, rsa.RSAPublicKey) and self.kind == "RSA-PSS":
                pad = padding.PSS(mgf=padding.MGF1(self.algorithm), salt_length=padding.PSS.AUTO)
                key.verify(self.signature, digest, pad, how)
            elif isinstance(key, dsa.DSAPublicKey) and self.kind == "DSA":
                key.verify(self.signature, digest, how)
            elif isinstance(key, ec.EllipticCurvePublicKey) and self.kind == f"ECC_{key.curve.name.upper()}":
                key.verify(self.signature, digest, ec.ECDSA(how))
            else:
                raise Invalid(f"The certificate's key is not of type {self.kind}", field="img_signature_key_type")
        except InvalidSignature:
            raise Invalid(
                "Signature verification failed: the bytes are not what was signed", field="img_signature"
            ) from None
