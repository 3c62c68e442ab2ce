# SPDX-License-Identifier: Apache-2.0
"""SAML messages of attackers: each is refused with 401 and a reason, reads no file, asks no network, and costs next to nothing. The
same cloud takes the message that is right."""

from __future__ import annotations

import copy
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
from signxml.signer import XMLSigner

from saml_idp import key_and_certificate
from sim_cloud import SimCloud, make
from virga.services.identity.federation.saml import issuer
from virga.services.identity.federation.saml.messages import BEARER, DS, PAOS, SAML, SAMLP, SOAP, SUCCESS, stamp

FED = "/identity/v3/OS-FEDERATION"
AT = f"{FED}/identity_providers/corp/protocols/saml2"
ENTITY = "https://idp.test"
ACS, US = f"http://127.0.0.1:8700{AT}/saml2/acs", f"http://127.0.0.1:8700{AT}/saml2/metadata"
RULES = [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "uid"}]}]


class Forge:
    """Makes responses: right ones with the provider's key, and others."""

    def __init__(self, folder: Path) -> None:
        self.key, self.certificate = key_and_certificate(folder, "real")
        self.other, self.others = key_and_certificate(folder, "evil")
        (folder / "idp.xml").write_bytes(issuer.metadata(ENTITY, "https://idp.test/ecp", self.certificate.decode()))
        self.metadata = folder / "idp.xml"

    def assertion(self, uid: str = "anna", **over: Any) -> Any:
        now, id = time.time(), "_" + os.urandom(8).hex()
        claims = {
            "issuer": ENTITY,
            "audience": US,
            "recipient": ACS,
            "ends": now + 300,
            "begins": now - 5,
            "answers": None,
            "id": id,
        } | over
        root = etree.Element(
            f"{{{SAML}}}Assertion", nsmap={"saml": SAML}, ID=claims["id"], Version="2.0", IssueInstant=stamp(now)
        )
        etree.SubElement(root, f"{{{SAML}}}Issuer").text = claims["issuer"]
        etree.SubElement(root, f"{{{DS}}}Signature", nsmap={"ds": DS}, Id="placeholder")
        subject = etree.SubElement(root, f"{{{SAML}}}Subject")
        etree.SubElement(subject, f"{{{SAML}}}NameID").text = uid
        data = etree.SubElement(
            etree.SubElement(subject, f"{{{SAML}}}SubjectConfirmation", Method=claims.get("method", BEARER)),
            f"{{{SAML}}}SubjectConfirmationData",
        )
        data.set("Recipient", claims["recipient"])
        data.set("NotOnOrAfter", stamp(claims["ends"]))
        if claims["answers"]:
            data.set("InResponseTo", claims["answers"])
        conditions = etree.SubElement(
            root, f"{{{SAML}}}Conditions", NotBefore=stamp(claims["begins"]), NotOnOrAfter=stamp(claims["ends"])
        )
        if claims["audience"]:
            etree.SubElement(
                etree.SubElement(conditions, f"{{{SAML}}}AudienceRestriction"), f"{{{SAML}}}Audience"
            ).text = claims["audience"]
        etree.SubElement(root, f"{{{SAML}}}AuthnStatement", AuthnInstant=stamp(now))
        one = etree.SubElement(
            etree.SubElement(root, f"{{{SAML}}}AttributeStatement"), f"{{{SAML}}}Attribute", Name="uid"
        )
        etree.SubElement(one, f"{{{SAML}}}AttributeValue").text = uid
        return root

    def signed(self, element: Any, key: bytes | None = None, certificate: bytes | None = None, **how: Any) -> Any:
        signer = XMLSigner(c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0, **how)
        return signer.sign(
            element,
            key=key or self.key,
            cert=(certificate or self.certificate).decode(),
            reference_uri=element.get("ID"),
            id_attribute="ID",
        )

    def response(self, *parts: Any, sign: bool = False) -> Any:
        root = etree.Element(
            f"{{{SAMLP}}}Response", nsmap={"samlp": SAMLP}, ID="_" + os.urandom(8).hex(), Version="2.0", Destination=ACS
        )
        etree.SubElement(root, f"{{{SAML}}}Issuer").text = ENTITY
        if sign:
            etree.SubElement(root, f"{{{DS}}}Signature", nsmap={"ds": DS}, Id="placeholder")
        etree.SubElement(etree.SubElement(root, f"{{{SAMLP}}}Status"), f"{{{SAMLP}}}StatusCode", Value=SUCCESS)
        root.extend(parts)
        return self.signed(root) if sign else root

    def right(self, uid: str = "anna", **over: Any) -> Any:
        return self.response(self.signed(self.assertion(uid, **over)))


def bare(assertion: Any) -> Any:
    """Without a signature."""
    for found in assertion.findall(f"{{{DS}}}Signature"):
        assertion.remove(found)
    return assertion


def enveloped(message: Any) -> bytes:
    root = etree.Element(f"{{{SOAP}}}Envelope", nsmap={"S": SOAP})
    etree.SubElement(root, f"{{{SOAP}}}Header")
    etree.SubElement(root, f"{{{SOAP}}}Body").append(message)
    return bytes(etree.tostring(root))


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Forge:
    return Forge(tmp_path_factory.mktemp("forge"))


@pytest.fixture(scope="module")
def cloud(forge: Forge) -> Iterator[SimCloud]:
    made = make(
        **{
            "identity.saml": {
                "corp": {"metadata": str(forge.metadata), "unsolicited": True},
                "asked": {"metadata": str(forge.metadata)},
            }
        }
    )
    made.start()
    sim = SimCloud(made)
    a = sim.admin
    a.put(f"{FED}/mappings/m", {"mapping": {"rules": RULES}}, 201)
    for idp in ("corp", "asked"):
        a.put(
            f"{FED}/identity_providers/{idp}",
            {"identity_provider": {"enabled": True, "remote_ids": [ENTITY] if idp == "corp" else []}},
            201,
        )
        a.put(f"{FED}/identity_providers/{idp}/protocols/saml2", {"protocol": {"mapping_id": "m"}}, 201)
    yield sim
    made.stop()


def send(sim: SimCloud, raw: bytes, path: str = f"{AT}/saml2/acs") -> Any:
    return sim.http.post(path, content=raw, headers={"Content-Type": "application/vnd.paos+xml"})


def refused(sim: SimCloud, raw: bytes, why: str) -> None:
    began = time.process_time()
    got = send(sim, raw)
    assert got.status_code == 401 and why in got.json()["error"]["message"], (got.status_code, got.text[:500])
    assert time.process_time() - began < 1.0


def name(sim: SimCloud, got: Any) -> str:
    assert got.status_code == 201, got.text
    return str(got.json()["token"]["user"]["name"])


def test_the_right_ones_come_in(cloud: SimCloud, forge: Forge) -> None:
    assert name(cloud, send(cloud, enveloped(forge.right()))) == "anna"
    whole = forge.response(bare(forge.assertion("bert")), sign=True)
    assert name(cloud, send(cloud, enveloped(whole))) == "bert"
    for method in (SignatureMethod.RSA_SHA512, SignatureMethod.SHA256_RSA_MGF1):
        assert (
            name(
                cloud,
                send(cloud, enveloped(forge.response(forge.signed(forge.assertion(), signature_algorithm=method)))),
            )
            == "anna"
        )


def test_external_entities_read_nothing(cloud: SimCloud, forge: Forge, tmp_path: Path) -> None:
    """XXE, by general and by parameter entities, from files and by network."""
    canary = tmp_path / "canary"
    canary.write_text("the-canary")
    good = enveloped(forge.right())
    for dtd in (
        f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{canary}">]>',
        '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">',
        f'<!DOCTYPE x [<!ENTITY % p SYSTEM "file://{canary}"> %p;]>',
        "<!DOCTYPE x>",
    ):
        for raw in (dtd.encode() + good, b'<?xml version="1.0"?>' + dtd.encode() + good.replace(b">anna<", b">&e;<")):
            got = send(cloud, raw)
            assert got.status_code == 401 and "document type" in got.text and "canary" not in got.text
    refused(cloud, good.replace(b">anna<", b">&e;<"), "not well-formed")


def test_a_billion_laughs_are_not_laughed(cloud: SimCloud, forge: Forge) -> None:
    lines = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<!DOCTYPE x [<!ENTITY l0 "ha">{lines}]><x a="&l11;">&l11;</x>'.encode()
    refused(cloud, bomb, "document type")
    refused(cloud, b"<x>" * 20_000, "well-formed")
    assert send(cloud, b"<x>" * 100_000).status_code == 413, "more than nobody in particular may send"
    wide = b"<S:Envelope xmlns:S='" + SOAP.encode() + b"'><S:Body>" + b"<a b='c'/>" * 10_000 + b"</S:Body></S:Envelope>"
    refused(cloud, wide, "exactly one message")


def test_other_encodings_hide_nothing(cloud: SimCloud, forge: Forge) -> None:
    good = enveloped(forge.right()).decode()
    hidden = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>'
    for raw in (
        ('<?xml version="1.0" encoding="utf-16"?>' + hidden + good).encode("utf-16"),
        (hidden + good).encode("utf-16-le"),
        ('<?xml version="1.0" encoding="UTF-7"?>' + hidden + good).encode("utf-7"),
        ('<?xml version="1.0" encoding="ISO-8859-1"?>' + good).encode(),
        ('<?xml version="1.0" encoding="utf-32"?>' + good).encode("utf-32"),
    ):
        refused(cloud, raw, "UTF-8")


def test_unsigned_assertions(cloud: SimCloud, forge: Forge) -> None:
    refused(cloud, enveloped(forge.response(bare(forge.assertion("admin")))), "not signed")
    empty = forge.assertion("admin")
    refused(cloud, enveloped(forge.response(empty)), "no certificate")
    stripped = forge.right("admin")
    for value in stripped.iter(f"{{{DS}}}SignatureValue"):
        value.text = ""
    refused(cloud, enveloped(stripped), "no certificate")


def test_a_word_that_was_changed(cloud: SimCloud, forge: Forge) -> None:
    for before, after in ((b">anna<", b">admin<"), (US.encode(), US.encode() + b"x"), (b'Name="uid"', b'Name="UID"')):
        refused(cloud, enveloped(forge.right()).replace(before, after), "no certificate")


def _evil(forge: Forge) -> Any:
    return bare(forge.assertion("admin"))


def _wrap_before(forge: Forge, good: Any) -> Any:
    return forge.response(_evil(forge), good)


def _wrap_after(forge: Forge, good: Any) -> Any:
    return forge.response(good, _evil(forge))


def _wrap_inside_evil(forge: Forge, good: Any) -> Any:
    evil = _evil(forge)
    evil.append(good)
    return forge.response(evil)


def _wrap_evil_in_good(forge: Forge, good: Any) -> Any:
    good.append(_evil(forge))
    return forge.response(good)


def _wrap_in_extensions(forge: Forge, good: Any) -> Any:
    root = forge.response(_evil(forge))
    etree.SubElement(root, f"{{{SAMLP}}}Extensions").append(good)
    return root


def _wrap_in_the_signature(forge: Forge, good: Any) -> Any:
    """The signed assertion as an object of a signature that the forged one carries, under the signed one's id."""
    evil, signature = _evil(forge), copy.deepcopy(good.find(f"{{{DS}}}Signature"))
    evil.set("ID", good.get("ID"))
    etree.SubElement(signature, f"{{{DS}}}Object").append(bare(copy.deepcopy(good)))
    evil.insert(1, signature)
    return forge.response(evil)


def _same_id(forge: Forge, good: Any) -> Any:
    evil = _evil(forge)
    evil.set("ID", good.get("ID"))
    return forge.response(evil, good)


def _signature_moved(forge: Forge, good: Any) -> Any:
    """The signature of the right assertion, over a forged one beside it in the response's own place."""
    signature = good.find(f"{{{DS}}}Signature")
    root = forge.response(_evil(forge))
    root.insert(1, copy.deepcopy(signature))
    etree.SubElement(root, f"{{{SAMLP}}}Extensions").append(bare(good))
    return root


def _response_in_response(forge: Forge, good: Any) -> Any:
    whole = forge.response(bare(forge.assertion()), sign=True)
    root = forge.response(_evil(forge))
    root.insert(1, copy.deepcopy(whole.find(f"{{{DS}}}Signature")))
    etree.SubElement(root, f"{{{SAMLP}}}Extensions").append(whole)
    return root


WRAPS = [
    _wrap_before,
    _wrap_after,
    _wrap_inside_evil,
    _wrap_evil_in_good,
    _wrap_in_extensions,
    _wrap_in_the_signature,
    _same_id,
    _signature_moved,
    _response_in_response,
]


@pytest.mark.parametrize("wrap", WRAPS, ids=lambda w: w.__name__.strip("_"))
def test_signature_wrapping(cloud: SimCloud, forge: Forge, wrap: Callable[[Forge, Any], Any]) -> None:
    """A signature that holds, over something else than what is read (Somorovsky and others, 2012: XSW 1 to 8)."""
    got = send(cloud, enveloped(wrap(forge, forge.signed(forge.assertion()))))
    assert got.status_code == 401, got.text
    assert "not believed" in got.text
    users = cloud.admin.get("/identity/v3/users")["users"]
    assert not [u for u in users if u["name"] == "admin" and u["domain_id"] != "default"]


def test_a_replayed_assertion(cloud: SimCloud, forge: Forge) -> None:
    raw = enveloped(forge.right())
    assert send(cloud, raw).status_code == 201
    for _ in range(3):
        refused(cloud, raw, "used before")
    refused(cloud, raw.replace(b"<S:Header/>", b"<S:Header></S:Header> "), "used before")


@pytest.mark.parametrize(
    ("over", "why"),
    [
        ({"audience": "https://other.test"}, "not for the audience"),
        ({"audience": None}, "not for the audience"),
        ({"ends": 1_000_000_000.0}, "expired"),
        ({"ends": time.time() - 120}, "expired"),
        ({"begins": 4_000_000_000.0}, "not valid yet"),
        ({"recipient": ACS.replace("corp", "asked")}, "recipient"),
        ({"recipient": "https://other.test/acs"}, "recipient"),
        ({"issuer": "https://evil.test"}, "another provider"),
        ({"answers": "_someone-elses"}, "was not begun here"),
        ({"method": "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches"}, "bearer"),
        ({"method": "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"}, "bearer"),
    ],
    ids=[
        "wrong audience",
        "no audience",
        "expired long ago",
        "expired",
        "not yet",
        "for another provider here",
        "for another cloud",
        "another issuer",
        "answer to another login",
        "sender vouches",
        "holder of key",
    ],
)
def test_what_is_signed_and_not_for_us(cloud: SimCloud, forge: Forge, over: dict[str, Any], why: str) -> None:
    refused(cloud, enveloped(forge.right(**over)), why)


def test_other_keys_and_weak_signatures(cloud: SimCloud, forge: Forge) -> None:
    """Another key whose certificate comes along; the provider's public certificate as an HMAC secret; SHA-1."""
    refused(
        cloud,
        enveloped(forge.response(forge.signed(forge.assertion("admin"), forge.other, forge.others))),
        "no certificate",
    )
    refused(
        cloud,
        enveloped(forge.response(forge.signed(forge.assertion("admin"), forge.other, forge.certificate))),
        "no certificate",
    )
    signer = XMLSigner(
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
        signature_algorithm=SignatureMethod.HMAC_SHA256,
    )
    made = forge.assertion("admin")
    refused(
        cloud,
        enveloped(
            forge.response(signer.sign(made, key=forge.certificate, reference_uri=made.get("ID"), id_attribute="ID"))
        ),
        "no certificate",
    )

    class Weak(XMLSigner):
        def check_deprecated_methods(self) -> None:
            """Attackers and old providers do."""

    weak = Weak(
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
        signature_algorithm=SignatureMethod.RSA_SHA1,
        digest_algorithm=DigestAlgorithm.SHA1,
    )
    made = forge.assertion("admin")
    signed = weak.sign(
        made, key=forge.key, cert=forge.certificate.decode(), reference_uri=made.get("ID"), id_attribute="ID"
    )
    refused(cloud, enveloped(forge.response(signed)), "no certificate")


def test_comments_cut_no_names(cloud: SimCloud, forge: Forge) -> None:
    """`admin<!---->.evil` is never read as `admin` (2018's VU#475445)."""
    raw = enveloped(forge.right("admin.evil")).replace(b">admin.evil<", b">admin<!---->.evil<")
    got = send(cloud, raw)
    assert got.status_code == 401 or name(cloud, got) == "admin.evil"


def test_what_was_not_asked_for(cloud: SimCloud, forge: Forge) -> None:
    """Where the operator did not allow it, an assertion that answers no request of ours is refused, right as it may be."""
    other = {"recipient": ACS.replace("corp", "asked"), "audience": US.replace("corp", "asked")}
    message = forge.right(**other)
    message.set("Destination", other["recipient"])
    got = send(cloud, enveloped(message), f"{AT.replace('corp', 'asked')}/saml2/acs")
    assert got.status_code == 401 and "no login that was begun here" in got.text
    began = cloud.http.get(
        f"{AT}/auth", headers={"Accept": "text/html, application/vnd.paos+xml", "PAOS": f'ver="{PAOS}"'}
    )
    assert began.status_code == 200 and began.headers["content-type"] == "application/vnd.paos+xml"


def test_a_message_with_any_byte_changed(cloud: SimCloud, forge: Forge) -> None:
    """Never a fault, never another user: what still comes in says what was signed."""
    dice = random.Random(7)
    for _ in range(int(os.environ.get("VIRGA_SAML_FUZZ", "80"))):
        raw = bytearray(enveloped(forge.right()))
        for _ in range(dice.randrange(1, 4)):
            at, way = dice.randrange(len(raw)), dice.randrange(3)
            if way == 0:
                raw[at] = dice.randrange(256)
            elif way == 1:
                del raw[at : at + dice.randrange(1, 40)]
            else:
                other = dice.randrange(len(raw))
                raw[at:at] = raw[other : other + dice.randrange(1, 60)]
        got = send(cloud, bytes(raw))
        assert got.status_code == 401 or name(cloud, got) == "anna", (got.status_code, bytes(raw), got.text)


def test_junk_is_refused_and_not_a_fault(cloud: SimCloud, forge: Forge) -> None:
    good = enveloped(forge.right())
    for raw in (
        b"",
        b"{}",
        b"<",
        b"<x/>",
        b"\0" * 50,
        b"\xff\xfe",
        good[:-20],
        good[: len(good) // 2],
        etree.tostring(forge.right()),
        good * 2,
    ):
        assert send(cloud, raw).status_code == 401, raw[:60]
    assert send(cloud, good, f"{FED}/identity_providers/none/protocols/saml2/saml2/acs").status_code == 404
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for text in ("", "SAMLResponse=x", "SAMLResponse=%00", "a=" + "b" * 10000, "&" * 500, "SAMLResponse=é"):
        assert cloud.http.post(f"{AT}/saml2/acs", content=text.encode(), headers=form).status_code in {400, 401}, text[
            :30
        ]
    assert (
        cloud.http.post(f"{AT}/saml2/acs", content=good, headers={"Content-Type": "application/json"}).status_code
        == 400
    )
