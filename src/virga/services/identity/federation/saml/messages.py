# SPDX-License-Identifier: Apache-2.0
"""SAML messages in and out. Signatures are checked and made by signxml; what is read of an assertion is read from the very bytes that
were signed. The XML of strangers is taken without a document type, entities, a network, or more than 256 KiB."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import os
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from virga.ground.errors import Unauthorized

SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
SAMLP = "urn:oasis:names:tc:SAML:2.0:protocol"
MD = "urn:oasis:names:tc:SAML:2.0:metadata"
DS = "http://www.w3.org/2000/09/xmldsig#"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
ECP = "urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp"
PAOS = "urn:liberty:paos:2003-08"
NEXT = "http://schemas.xmlsoap.org/soap/actor/next"
POST_BINDING = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
PAOS_BINDING = "urn:oasis:names:tc:SAML:2.0:bindings:PAOS"
REDIRECT_BINDING = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
MIME_PAOS = "application/vnd.paos+xml"
MOST = 256 * 1024
LEEWAY = 60.0
_NAMES = {"saml": SAML, "samlp": SAMLP, "ds": DS, "soap": SOAP, "ecp": ECP, "paos": PAOS, "md": MD}
_DECLARED = re.compile(rb"""^<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
Element = Any
"""lxml's element; the library has no types."""


def no(why: str) -> Unauthorized:
    return Unauthorized(f"The SAML message is not believed: {why}.")


def parse(raw: bytes) -> Element:
    """The root of a message. Raises Unauthorized on what is no plain XML."""
    from lxml import etree

    raw = raw.strip()
    if len(raw) > MOST:
        raise no(f"it is longer than {MOST} bytes")
    declared = _DECLARED.match(raw)
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        raise no("it is not UTF-8") from None
    if b"\0" in raw or (declared is not None and declared[1].lower() not in {b"utf-8", b"us-ascii"}):
        raise no("it is not UTF-8")
    if b"<!DOCTYPE" in raw or b"<!ENTITY" in raw:
        raise no("it has a document type")
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(raw, parser)
    except etree.XMLSyntaxError as e:
        raise no(f"it is not well-formed XML ({str(e)[:120]})") from None
    if root.getroottree().docinfo.doctype:
        raise no("it has a document type")
    return root


def text(element: Element | None) -> str:
    return "" if element is None else "".join(element.itertext()).strip()


def find(root: Element, path: str) -> list[Element]:
    found: list[Element] = root.findall(path, _NAMES)
    return found


def moment(text: str) -> float:
    try:
        when = dt.datetime.fromisoformat(text.strip())
    except ValueError:
        raise no("a time in it is none") from None
    if when.tzinfo is None:
        raise no("a time in it has no zone")
    return when.timestamp()


def stamp(at: float) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


# -- believing -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SamlAssertion:
    """What a believed assertion says: its id and end, who, and the attributes by name."""

    id: str
    until: float
    name_id: str
    attributes: dict[str, list[str]]


@dataclass(frozen=True)
class Expected:
    """What an assertion must be: from this issuer, for this audience, sent to this address, in answer to this request (None: to none)."""

    issuer: str
    certificates: Sequence[str]
    audience: str
    address: str
    request: str | None
    now: float
    need_audience: bool = True
    sha1: bool = False


def unwrapped(root: Element) -> tuple[Element, str]:
    """The SAML message of a SOAP envelope, and the relay state of its header."""
    if root.tag != f"{{{SOAP}}}Envelope":
        raise no("it is no SOAP envelope")
    bodies = find(root, "soap:Body")
    if len(bodies) != 1 or len(bodies[0]) != 1:
        raise no("its envelope does not hold exactly one message")
    states = find(root, "soap:Header/ecp:RelayState")
    return bodies[0][0], text(states[0]) if len(states) == 1 else ""


def believed(response: Element, want: Expected) -> SamlAssertion:
    """What the response's one assertion says, if it is signed by the issuer and is for us, for now, and for this login. Raises
    Unauthorized with the reason (SAML 2.0 profiles, 4.1.4.3, and errata)."""
    assertion = _signed(response, want)
    status = find(response, "samlp:Status/samlp:StatusCode")
    if not status or status[0].get("Value") != SUCCESS:
        raise no(f"the identity provider answered {text_of_status(response)}")
    if response.get("Destination") not in (None, "", want.address):
        raise no("it was sent to another address")
    for issuer in (*find(response, "saml:Issuer"), *find(assertion, "saml:Issuer")):
        if text(issuer) != want.issuer:
            raise no("another provider issued it")
    if assertion.get("Version") != "2.0" or len(find(assertion, "saml:Issuer")) != 1 or not assertion.get("ID"):
        raise no("its assertion has no version 2.0, issuer or ID")
    _conditions(assertion, want)
    until = _subject(assertion, want)
    statements = find(assertion, "saml:AuthnStatement")
    if not statements:
        raise no("it does not say that the user logged in")
    for statement in statements:
        ends = statement.get("SessionNotOnOrAfter")
        if ends and moment(ends) <= want.now - LEEWAY:
            raise no("the session at the identity provider is over")
    attributes: dict[str, list[str]] = {}
    for one in find(assertion, "saml:AttributeStatement/saml:Attribute"):
        values = [text(v) for v in find(one, "saml:AttributeValue")]
        for name in {one.get("Name"), one.get("FriendlyName")} - {None, ""}:
            attributes.setdefault(str(name), []).extend(values)
    names = find(assertion, "saml:Subject/saml:NameID")
    return SamlAssertion(str(assertion.get("ID")), until, text(names[0]) if names else "", attributes)


def text_of_status(response: Element) -> str:
    codes = [c.get("Value", "").rpartition(":")[2] for c in response.iter(f"{{{SAMLP}}}StatusCode")]
    return (
        " ".join([*codes, text(next(iter(find(response, "samlp:Status/samlp:StatusMessage")), None))])[:200]
        or "without a status"
    )


def _signed(response: Element, want: Expected) -> Element:
    """The assertion out of the bytes that were signed. There must be one, in its place, and no second of anything that has its name or
    an id (signature wrapping)."""
    from lxml import etree
    from signxml.algorithms import DigestAlgorithm, SignatureMethod
    from signxml.verifier import SignatureConfiguration, XMLVerifier

    if response.tag != f"{{{SAMLP}}}Response":
        raise no("it is no response")
    if response.find(f".//{{{SAML}}}EncryptedAssertion") is not None:
        raise no("its assertion is encrypted, which this cloud does not take; TLS keeps it from others")
    own = find(response, "saml:Assertion")
    if not own and find(response, "samlp:Status/samlp:StatusCode") and not _success(response):
        raise no(f"the identity provider answered {text_of_status(response)}")
    ids = [e.get("ID") for e in response.iter() if e.get("ID") is not None]
    if len(own) != 1 or sum(1 for _ in response.iter(f"{{{SAML}}}Assertion")) != 1 or len(set(ids)) != len(ids):
        raise no("it does not hold exactly one assertion in its place")
    part = response if find(response, "ds:Signature") else own[0]
    if len(find(part, "ds:Signature")) != 1:
        raise no("its assertion is not signed")
    weak = want.sha1
    config = SignatureConfiguration(
        location="./",
        expect_references=1,
        signature_methods=frozenset(
            m
            for m in SignatureMethod
            if m.name.startswith(("RSA", "ECDSA", "SHA")) and (weak or "SHA1" not in m.name) and "HMAC" not in m.name
        ),
        digest_algorithms=frozenset(d for d in DigestAlgorithm if weak or "SHA1" not in d.name),
    )
    alone = etree.tostring(part, with_tail=False)
    for certificate in want.certificates:
        try:
            result = XMLVerifier().verify(
                etree.fromstring(alone, etree.XMLParser(resolve_entities=False, no_network=True)),
                x509_cert=certificate,
                id_attribute="ID",
                expect_config=config,
            )
        except Exception:  # noqa: S112 - whatever the library stumbles over in a stranger's signature, it is none that holds
            continue
        seen: Element = result.signed_xml  # type: ignore[union-attr]
        if seen is None or seen.tag != part.tag or seen.get("ID") != part.get("ID"):
            raise no("its signature is over something else")
        inside = [seen] if seen.tag == f"{{{SAML}}}Assertion" else find(seen, "saml:Assertion")
        if len(inside) != 1:
            raise no("its signature is over something else")
        return inside[0]
    raise no("no certificate of the identity provider fits its signature")


def _success(response: Element) -> bool:
    return any(c.get("Value") == SUCCESS for c in find(response, "samlp:Status/samlp:StatusCode"))


def _conditions(assertion: Element, want: Expected) -> None:
    found = find(assertion, "saml:Conditions")
    if len(found) > 1:
        raise no("it has several sets of conditions")
    audiences: list[list[str]] = []
    for condition in found:
        before, after = condition.get("NotBefore"), condition.get("NotOnOrAfter")
        if before and want.now + LEEWAY < moment(before):
            raise no("it is not valid yet")
        if after and moment(after) <= want.now - LEEWAY:
            raise no("it has expired")
        for part in condition:
            if part.tag == f"{{{SAML}}}AudienceRestriction":
                audiences.append([text(a) for a in find(part, "saml:Audience")])
            elif part.tag not in {f"{{{SAML}}}OneTimeUse", f"{{{SAML}}}ProxyRestriction"}:
                raise no("it has a condition that is not known here")
    if any(want.audience not in each for each in audiences) or (want.need_audience and not audiences):
        raise no(f"it is not for the audience {want.audience}")


def _subject(assertion: Element, want: Expected) -> float:
    """When the one bearer confirmation that fits ends."""
    why = "it does not confirm its bearer"
    for confirmation in find(assertion, "saml:Subject/saml:SubjectConfirmation"):
        data = find(confirmation, "saml:SubjectConfirmationData")
        if confirmation.get("Method") != BEARER or len(data) != 1:
            continue
        confirmed = data[0]
        ends, begins = confirmed.get("NotOnOrAfter"), confirmed.get("NotBefore")
        if confirmed.get("Recipient") != want.address:
            why = "its recipient is another"
        elif not ends or moment(ends) <= want.now - LEEWAY:
            why = "it has expired"
        elif begins and moment(begins) > want.now + LEEWAY:
            why = "it is not valid yet"
        elif confirmed.get("InResponseTo") != want.request:
            why = (
                "it does not answer the login that was begun"
                if want.request is not None
                else "it answers a login that was not begun here"
            )
        else:
            return moment(ends)
    raise no(why)


# -- asking --------------------------------------------------------------------------------------------------------


def request_id() -> str:
    return "_" + os.urandom(20).hex()


def authn_request(id: str, now: float, issuer: str, address: str, binding: str, destination: str | None) -> Element:
    """An AuthnRequest (SAML 2.0 core, 3.4.1)."""
    from lxml import etree

    root = etree.Element(f"{{{SAMLP}}}AuthnRequest", nsmap={"samlp": SAMLP, "saml": SAML})
    for name, value in (
        ("ID", id),
        ("Version", "2.0"),
        ("IssueInstant", stamp(now)),
        ("ProtocolBinding", binding),
        ("AssertionConsumerServiceURL", address),
    ):
        root.set(name, value)
    if destination:
        root.set("Destination", destination)
    etree.SubElement(root, f"{{{SAML}}}Issuer").text = issuer
    etree.SubElement(root, f"{{{SAMLP}}}NameIDPolicy").set("AllowCreate", "true")
    return root


def redirect_query(request: Element) -> str:
    """The value of SAMLRequest for the redirect binding: deflated, in base64."""
    from lxml import etree

    squeeze = zlib.compressobj(wbits=-15)
    return base64.b64encode(squeeze.compress(etree.tostring(request)) + squeeze.flush()).decode()


def ecp_request(request: Element, issuer: str, address: str, relay: str) -> bytes:
    """The envelope by which an enhanced client is asked to log in (SAML 2.0 profiles, 4.2.3.2)."""
    from lxml import etree

    root = etree.Element(f"{{{SOAP}}}Envelope", nsmap={"S": SOAP, "paos": PAOS, "ecp": ECP, "saml": SAML})
    header = etree.SubElement(root, f"{{{SOAP}}}Header")

    def part(tag: str, **more: str) -> Element:
        made = etree.SubElement(header, tag)
        made.set(f"{{{SOAP}}}mustUnderstand", "1")
        made.set(f"{{{SOAP}}}actor", NEXT)
        for name, value in more.items():
            made.set(name, value)
        return made

    part(f"{{{PAOS}}}Request", responseConsumerURL=address, service=ECP)
    etree.SubElement(part(f"{{{ECP}}}Request"), f"{{{SAML}}}Issuer").text = issuer
    part(f"{{{ECP}}}RelayState").text = relay
    etree.SubElement(root, f"{{{SOAP}}}Body").append(request)
    return bytes(etree.tostring(root))


def from_form(value: str) -> Element:
    """The message of a SAMLResponse field."""
    try:
        return parse(base64.b64decode(value, validate=False))
    except (binascii.Error, ValueError):
        raise no("it is not base64") from None


def service_provider_metadata(entity: str, address: str) -> bytes:
    """Our description of ourselves for an identity provider."""
    from lxml import etree

    root = etree.Element(f"{{{MD}}}EntityDescriptor", nsmap={"md": MD}, entityID=entity)
    role = etree.SubElement(
        root, f"{{{MD}}}SPSSODescriptor", protocolSupportEnumeration=SAMLP, WantAssertionsSigned="true"
    )
    for n, binding in enumerate((POST_BINDING, PAOS_BINDING)):
        etree.SubElement(role, f"{{{MD}}}AssertionConsumerService", Binding=binding, Location=address, index=str(n))
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))
