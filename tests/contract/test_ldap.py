# SPDX-License-Identifier: Apache-2.0
"""The LDAP driver against a real slapd."""

from __future__ import annotations

import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from directories import ADMIN, SECRET, SUFFIX, Slapd, free_port
from virga.ground.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable
from virga.services.identity.directories.drivers.ldap import LdapDirectory
from virga.services.identity.directories.settings import Ldap

Make = Callable[..., LdapDirectory]


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    server = Slapd(tmp_path_factory.mktemp("slapd"))
    yield server
    server.stop()


@pytest.fixture
def make(slapd: Slapd) -> Iterator[Make]:
    made: list[LdapDirectory] = []

    def one(**over: Any) -> LdapDirectory:
        values: dict[str, Any] = {
            "url": slapd.url,
            "user": f"cn=reader,{SUFFIX}",
            "password": "look",
            "suffix": SUFFIX,
            "group_name_attribute": "cn",
            "user_name_attribute": "cn",
            "connection_timeout": 2.0,
            "timeout": 3.0,
            "retry_seconds": 0,
        }
        made.append(LdapDirectory(Ldap(**(values | over)), "corp"))
        return made[-1]

    yield one
    for each in made:
        each.close()


def writer(make: Make, **over: Any) -> LdapDirectory:
    return make(user=ADMIN, password=SECRET, writable=True, **over)


def test_people_come_in_pages(slapd: Slapd, make: Make) -> None:
    """More than the server gives at once: 50 without pages."""
    slapd.load(
        "\n".join(
            f"dn: cn=p{n},ou=Users,{SUFFIX}\nobjectClass: inetOrgPerson\ncn: p{n}\nsn: many\n" for n in range(220)
        )
    )
    filter = "(sn=many)"
    assert len(make(user_filter=filter, page_size=40).users()) == 220
    with pytest.raises(Unavailable, match="does not answer"):
        make(user_filter=filter, page_size=0).users()  # sizeLimitExceeded is no full list: better none than a part


def test_passwords(slapd: Slapd, make: Make) -> None:
    slapd.user("anna", "right", "mail: anna@corp.test\n")
    d = make()
    anna = d.user(name="anna")
    assert anna is not None and anna.extra == {"email": "anna@corp.test"} and anna.enabled
    assert d.right(anna, "right")
    for wrong in ("wrong", "", "\0", "right\0", "r" * 4000, "*"):
        assert not d.right(anna, wrong), wrong
    assert not d.right(None, "right")
    assert d.user(name="nobody") is None
    assert d.user(local_id="anna") == anna


HOSTILE = [
    "*",
    "a*",
    "anna)(cn=*",
    "*)(uid=*))(|(uid=*",
    "\\2a",
    "anna\\",
    "a\0b",
    "(",
    ")",
    "|",
    "&",
    "(&)",
    "anna)(|(objectClass=*",
    "\u00e9\u0000",
    "#x",
    " anna",
    "anna,ou=Users",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_what_users_send_is_never_a_filter(slapd: Slapd, make: Make, name: str) -> None:
    d = make()
    if d.user(name="anna") is None:
        slapd.user("anna", "right")
    found = d.user(name=name)
    assert found is None or found.name.strip() == name.strip(), "LDAP itself ignores blanks around a name"
    assert found is None or name == " anna"
    assert d.user(local_id=name) is None or name == " anna"


@pytest.mark.parametrize(
    "name",
    [
        "Comma, Inc",
        "plus+plus",
        'quo"te',
        "back\\slash",
        "<angle>",
        "#hash",
        "semi;colon",
        "eq=ual",
        "dc=corp,dc=test",
        "Zoë ☃",
        "*",
    ],
)
def test_any_name_can_be_written_and_read_back(make: Make, name: str) -> None:
    d = writer(make)
    made = d.add_user(name, "pw", True, {"email": "x@y"})
    assert made.name == name and d.user(name=name) == made
    assert d.right(made, "pw") and not d.right(made, "wp")
    group = d.add_group(f"of {name}", "")
    d.join(group.local_id, made.local_id)
    assert [c.name for c in d.groups_of(made)] == [f"of {name}"]
    d.remove_group(group.local_id)
    d.remove_user(made.local_id)
    assert d.user(name=name) is None


def test_groups_in_groups_and_rings(slapd: Slapd, make: Make) -> None:
    kim = slapd.user("kim")
    inner = slapd.group("inner", kim)
    middle = slapd.group("middle", inner)
    slapd.group("outer", middle)
    ring = slapd.group("ring", f"cn=knot,ou=UserGroups,{SUFFIX}", kim)
    slapd.group("knot", ring)
    d = make()
    who = d.user(name="kim")
    assert who is not None
    assert {c.name for c in d.groups_of(who)} == {"inner", "middle", "outer", "ring", "knot"}
    every = {c.name: c.members for c in d.groups()}
    assert all(every[name] == {"kim"} for name in ("inner", "middle", "outer", "ring", "knot"))
    flat = make(nested_groups=False)
    assert {c.name for c in flat.groups_of(who)} == {"inner", "ring"}
    assert {c.name: c.members for c in flat.groups()}["outer"] == set()


def test_members_by_id(slapd: Slapd, make: Make) -> None:
    slapd.user("uma")
    slapd.load(f"dn: cn=unix,ou=UserGroups,{SUFFIX}\nobjectClass: posixGroup\ncn: unix\ngidNumber: 7\nmemberUid: uma\n")
    d = make(group_objectclass="posixGroup", group_member_attribute="memberUid", group_members_are_ids=True)
    who = d.user(name="uma")
    assert who is not None and [c.name for c in d.groups_of(who)] == ["unix"]
    assert d.groups()[0].members == {"uma"}


@pytest.mark.parametrize(
    ("value", "over", "enabled"),
    [
        ("TRUE", {}, True),
        ("FALSE", {}, False),
        ("False", {}, False),
        ("0", {}, False),
        ("nonsense", {}, False),
        ("true", {}, True),
        ("512", {"user_enabled_mask": 2}, True),
        ("514", {"user_enabled_mask": 2}, False),
        ("x", {"user_enabled_mask": 2}, False),
        ("TRUE", {"user_enabled_invert": True}, False),
        ("FALSE", {"user_enabled_invert": True}, True),
        ("odd", {"user_enabled_invert": True}, False),
    ],
)
def test_who_is_disabled(slapd: Slapd, make: Make, value: str, over: dict[str, Any], enabled: bool) -> None:
    """The attribute's text decides, not whether there is one."""
    name = uuid.uuid4().hex
    slapd.user(name, more=f"employeeType: {value}\n")
    found = make(user_enabled_attribute="employeeType", **over).user(name=name)
    assert found is not None and found.enabled is enabled


def test_writing(slapd: Slapd, make: Make) -> None:
    d = writer(make, user_enabled_attribute="employeeType")
    made = d.add_user("wim", "one", True, {"email": "w@x", "description": "d"})
    with pytest.raises(Conflict):
        d.add_user("wim", "two", True, {})
    assert d.change_user("wim", {"email": "new@x", "description": None, "enabled": False}).extra == {"email": "new@x"}
    found = d.user(name="wim")
    assert found is not None and not found.enabled
    d.change_user("wim", {"password": "two"})
    assert d.right(made, "two") and not d.right(made, "one")
    with pytest.raises(Forbidden):
        d.change_user("wim", {"name": "tim"})
    with pytest.raises(Invalid, match="shoe"):
        d.add_user("shoes", None, True, {"shoe": 43})
    with pytest.raises(NotFound):
        d.change_user("nobody", {"email": "x"})
    group = d.add_group("team", "words")
    assert (group.description, d.groups_of(made)) == ("words", [])
    d.join("team", "wim")
    d.join("team", "wim")
    assert [c.name for c in d.groups_of(made)] == ["team"]
    d.leave("team", "wim")
    with pytest.raises(NotFound):
        d.leave("team", "wim")
    d.change_group("team", {"description": "other"})
    d.join("team", "wim")
    d.remove_user("wim")
    assert {c.name: c.members for c in d.groups()}["team"] == set()
    d.remove_group("team")
    with pytest.raises(NotFound):
        d.remove_group("team")


def test_read_only_writes_nothing(make: Make) -> None:
    d = make()
    for verb in (
        lambda: d.add_user("x", None, True, {}),
        lambda: d.change_user("x", {}),
        lambda: d.remove_user("x"),
        lambda: d.add_group("x", ""),
        lambda: d.change_group("x", {}),
        lambda: d.remove_group("x"),
        lambda: d.join("x", "y"),
        lambda: d.leave("x", "y"),
    ):
        with pytest.raises(Forbidden, match="write"):
            verb()


def test_a_directory_that_refuses_the_writer(slapd: Slapd, make: Make) -> None:
    with pytest.raises(Forbidden, match="refused"):
        make(writable=True).add_user("sneak", "x", True, {})


def test_tls(slapd: Slapd, make: Make) -> None:
    slapd.user("tess", "right")
    for over in ({"url": slapd.secure}, {"use_tls": True}):
        d = make(tls_cacertfile=str(slapd.ca), **over)
        who = d.user(name="tess")
        assert who is not None and d.right(who, "right")
        with pytest.raises(Unavailable):
            make(**over).user(name="tess")  # nobody vouches for its certificate
        assert make(tls_req_cert="never", **over).user(name="tess") is not None
    wrong = slapd.secure.replace("127.0.0.1", "127.0.0.2")
    with pytest.raises(Unavailable):
        make(url=wrong, tls_cacertfile=str(slapd.ca)).user(name="tess")


def test_the_next_server_is_asked(slapd: Slapd, make: Make) -> None:
    assert make(url=f"ldap://127.0.0.1:{free_port()},{slapd.url}").users() is not None


def test_a_dead_directory_is_said_once_and_quickly(make: Make, tmp_path: Path) -> None:
    d = make(url=f"ldap://127.0.0.1:{free_port()}", retry_seconds=60)
    with pytest.raises(Unavailable, match="corp"):
        d.users()
    began = time.perf_counter()
    for _ in range(20):
        with pytest.raises(Unavailable):
            d.right(None, "x")
    assert time.perf_counter() - began < 0.5


@pytest.mark.parametrize("scheme", ["ldap", "ldaps"])
def test_a_silent_directory_times_out(make: Make, scheme: str) -> None:
    """It takes the connection and never says a word."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(8)
        d = make(url=f"{scheme}://127.0.0.1:{s.getsockname()[1]}", timeout=1.0, retry_seconds=60)
        began = time.perf_counter()
        with pytest.raises(Unavailable):
            d.user(name="x")
        assert time.perf_counter() - began < 5


def test_it_comes_back(tmp_path: Path, make: Make) -> None:
    own = Slapd(tmp_path / "own")
    own.user("bob")
    d = make(url=own.url)
    assert d.user(name="bob")
    own.stop()
    with pytest.raises(Unavailable):
        d.user(name="bob")
    own.start()
    assert d.user(name="bob"), "kept connections of the old server are let go"
    seen: list[object] = []
    threads = [threading.Thread(target=lambda: seen.append(d.user(name="bob"))) for _ in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(seen) == 12 and all(seen)
    own.stop()


def test_a_wrong_service_password(make: Make) -> None:
    with pytest.raises(Unavailable):
        make(password="wrong").users()
