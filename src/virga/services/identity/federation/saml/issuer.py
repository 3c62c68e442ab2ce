# SPDX-License-Identifier: Apache-2.0
"""This cloud as an identity provider of other clouds (Keystone-to-Keystone): its key and certificate, its metadata, and the assertion
that says who a token's user is, signed, for one service provider."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import threading
from pathlib import Path

from virga.services.identity import model
from virga.services.identity.federation.saml import messages
from virga.services.identity.federation.saml.messages import DS, ECP, MD, NEXT, SAML, SAMLP, SOAP, Element, stamp

LOGIN_CLASS = "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"
SOAP_BINDING = "urn:oasis:names:tc:SAML:2.0:bindings:SOAP"


class SamlKey:
    """The key that signs assertions, with its certificate, in one PEM file; made when first asked for. `file` None keeps it in memory."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self._lock = threading.Lock()
        self._pem: bytes | None = None

    def pem(self) -> bytes:
        """The key and after it the certificate."""
        with self._lock:
            if self._pem is None:
                if self.file is None:
                    self._pem = _made()
                else:
                    if not self.file.exists():
                        self._store(_made())
                    self._pem = self.file.read_bytes()
            return self._pem

    def certificate(self) -> str:
        text = self.pem().decode()
        return text[text.index("-----BEGIN CERTIFICATE-----") :]

    def _store(self, pem: bytes) -> None:
        assert self.file is not None
        new = self.file.with_name(f"{self.file.name}.{os.getpid()}")
        fd = os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "wb") as out:
            out.write(pem)
            out.flush()
            os.fsync(out.fileno())
        with contextlib.suppress(FileExistsError):  # another process was quicker: its key is the cloud's
            os.link(new, self.file)
        new.unlink()


def _made() -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import NameOID

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Virga, identity provider")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return plain + certificate.public_bytes(serialization.Encoding.PEM)


def metadata(entity: str, address: str, certificate: str) -> bytes:
    """What a service provider needs to believe us."""
    from lxml import etree

    root = etree.Element(f"{{{MD}}}EntityDescriptor", nsmap={"md": MD, "ds": DS}, entityID=entity)
    role = etree.SubElement(root, f"{{{MD}}}IDPSSODescriptor", protocolSupportEnumeration=SAMLP)
    key = etree.SubElement(role, f"{{{MD}}}KeyDescriptor", use="signing")
    data = etree.SubElement(etree.SubElement(key, f"{{{DS}}}KeyInfo"), f"{{{DS}}}X509Data")
    lines = certificate.strip().splitlines()[1:-1]
    etree.SubElement(data, f"{{{DS}}}X509Certificate").text = "\n".join(lines)
    etree.SubElement(role, f"{{{MD}}}SingleSignOnService", Binding=SOAP_BINDING, Location=address)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


def _attributes(assertion: Element, attributes: dict[str, list[str]]) -> None:
    from lxml import etree

    statement = etree.SubElement(assertion, f"{{{SAML}}}AttributeStatement")
    for name, values in attributes.items():
        one = etree.SubElement(statement, f"{{{SAML}}}Attribute", Name=name)
        for value in values:
            etree.SubElement(one, f"{{{SAML}}}AttributeValue").text = value


def response(
    entity: str,
    address: str,
    session: model.Session,
    *,
    groups: list[tuple[str, str]],
    now: float,
    seconds: float,
    key: SamlKey,
) -> Element:
    """A response with one signed assertion about the user and project of a token, for the service provider at `address`. The names of
    the attributes are Keystone's."""
    from lxml import etree
    from signxml.algorithms import CanonicalizationMethod
    from signxml.signer import XMLSigner

    assert session.project is not None and session.project_domain is not None
    ends = stamp(now + seconds)
    assertion = etree.Element(
        f"{{{SAML}}}Assertion", nsmap={"saml": SAML}, ID=messages.request_id(), Version="2.0", IssueInstant=stamp(now)
    )
    etree.SubElement(
        assertion, f"{{{SAML}}}Issuer", Format="urn:oasis:names:tc:SAML:2.0:nameid-format:entity"
    ).text = entity
    etree.SubElement(assertion, f"{{{DS}}}Signature", nsmap={"ds": DS}, Id="placeholder")
    subject = etree.SubElement(assertion, f"{{{SAML}}}Subject")
    etree.SubElement(subject, f"{{{SAML}}}NameID").text = session.user.name
    confirmation = etree.SubElement(subject, f"{{{SAML}}}SubjectConfirmation", Method=messages.BEARER)
    etree.SubElement(confirmation, f"{{{SAML}}}SubjectConfirmationData", Recipient=address, NotOnOrAfter=ends)
    login = etree.SubElement(
        assertion,
        f"{{{SAML}}}AuthnStatement",
        AuthnInstant=stamp(now),
        SessionNotOnOrAfter=ends,
        SessionIndex=messages.request_id(),
    )
    context = etree.SubElement(login, f"{{{SAML}}}AuthnContext")
    etree.SubElement(context, f"{{{SAML}}}AuthnContextClassRef").text = LOGIN_CLASS
    etree.SubElement(context, f"{{{SAML}}}AuthenticatingAuthority").text = entity
    attributes = {
        "openstack_user": [session.user.name],
        "openstack_roles": [r.name for r in session.roles],
        "openstack_project": [session.project.name],
        "openstack_project_domain": [session.project_domain.name],
        "openstack_user_domain": [session.user_domain.name],
    }
    if groups:
        attributes["openstack_groups"] = [
            "JSON:" + json.dumps({"name": name, "domain": {"name": domain}}) for name, domain in groups
        ]
    _attributes(assertion, attributes)
    signer = XMLSigner(c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0)
    signed = signer.sign(
        assertion, key=key.pem(), cert=key.certificate(), reference_uri=assertion.get("ID"), id_attribute="ID"
    )
    out = etree.Element(
        f"{{{SAMLP}}}Response",
        nsmap={"samlp": SAMLP, "saml": SAML},
        ID=messages.request_id(),
        Version="2.0",
        IssueInstant=stamp(now),
        Destination=address,
    )
    etree.SubElement(out, f"{{{SAML}}}Issuer").text = entity
    etree.SubElement(etree.SubElement(out, f"{{{SAMLP}}}Status"), f"{{{SAMLP}}}StatusCode", Value=messages.SUCCESS)
    out.append(signed)
    return out


def in_envelope(message: Element, address: str, relay_state_prefix: str) -> bytes:
    """The response as an enhanced client would bring it."""
    from lxml import etree

    root = etree.Element(f"{{{SOAP}}}Envelope", nsmap={"S": SOAP, "ecp": ECP})
    header = etree.SubElement(root, f"{{{SOAP}}}Header")
    for tag, value in (
        (f"{{{ECP}}}Response", None),
        (f"{{{ECP}}}RelayState", relay_state_prefix + os.urandom(16).hex()),
    ):
        part = etree.SubElement(header, tag)
        part.set(f"{{{SOAP}}}mustUnderstand", "1")
        part.set(f"{{{SOAP}}}actor", NEXT)
        if value is None:
            part.set("AssertionConsumerServiceURL", address)
        else:
            part.text = value
    etree.SubElement(root, f"{{{SOAP}}}Body").append(message)
    return bytes(etree.tostring(root))
