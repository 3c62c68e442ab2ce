# SPDX-License-Identifier: Apache-2.0
"""LDAP by ldap3: pure Python, so that it installs without a compiler and without root, and every wait has a bound of its own. What
users send reaches a filter or a DN only through the library's escaping."""

from __future__ import annotations

import contextlib
import math
import secrets
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import ldap3
from ldap3.core.exceptions import LDAPException
from ldap3.utils.conv import escape_filter_chars
from ldap3.utils.dn import escape_rdn

from virga.ground import log
from virga.ground.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable
from virga.services.identity.directories.driver import Group, User
from virga.services.identity.directories.settings import Ldap

Entry = dict[str, Any]
T = TypeVar("T")
IDLE = 4
NO_SUCH = 32
PAGES = "1.2.840.113556.1.4.319"
"""The control of results in pages (RFC 2696)."""
IN_CHAIN = "1.2.840.113556.1.4.1941"
"""Active Directory's matching rule that follows groups in groups (MS-ADTS 3.1.1.3.4.4.3)."""


class _Tls(ldap3.Tls):  # type: ignore[misc]
    """TLS as the standard library checks it, host name and chain, in place of ldap3's own matching of names."""

    def __init__(self, own: Ldap) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self.context = ssl.create_default_context(cafile=own.tls_cacertfile or None)
        if own.tls_req_cert != "demand":
            self.context.check_hostname = False
            self.context.verify_mode = ssl.CERT_NONE

    def wrap_socket(self, connection: ldap3.Connection, do_handshake: bool = False) -> None:
        connection.socket = self.context.wrap_socket(connection.socket, server_hostname=connection.server.host)


class LdapDirectory:
    """One domain's directory. A few bound connections are kept; after a failure the directory counts as away for `retry_seconds`,
    so that a dead one costs one wait and not one for every login."""

    def __init__(self, own: Ldap, domain: str) -> None:
        self.own, self.domain, self.writable = own, domain, own.writable
        self._tls = _Tls(own)
        self._idle: list[ldap3.Connection] = []
        self._lock = threading.Lock()
        self._away_until = 0.0
        self._why = ""
        self.log = log.get("ldap")

    # -- connections -----------------------------------------------------------------------------------------------

    def _away(self, e: Exception) -> Unavailable:
        self._why = f"{type(e).__name__}: {e}".splitlines()[0][:200]
        self._away_until = time.monotonic() + self.own.retry_seconds
        self.log.warning("directory_away", domain=self.domain, why=self._why)
        return Unavailable(f"The directory of domain {self.domain} does not answer; the other domains do. Try again.")

    def _connect(self, user: str | None, password: str | None) -> ldap3.Connection:
        """An open connection that has not bound yet, to the first server that answers, by TLS if it is asked for."""
        last: Exception | None = None
        for url in self.own.url.split(","):
            # a new one each time: ldap3's servers remember for minutes that an address was away
            server = ldap3.Server(
                url.strip(), get_info=ldap3.NONE, connect_timeout=self.own.connection_timeout, tls=self._tls
            )
            c = ldap3.Connection(
                server,
                user=user or None,
                password=password or None,
                receive_timeout=math.ceil(self.own.timeout),
                raise_exceptions=False,
                auto_referrals=False,
                return_empty_attributes=False,
            )
            try:
                c.open()
                if self.own.use_tls and not server.ssl and not c.start_tls():
                    raise LDAPException(f"StartTLS was refused: {c.result.get('description')}")
                return c
            except (LDAPException, OSError) as e:
                last = e
                with contextlib.suppress(Exception):
                    c.unbind()
        raise last or LDAPException("no server")

    def _open(self) -> ldap3.Connection:
        """A connection bound as the service account (anonymous without one)."""
        c = self._connect(self.own.user, self.own.password)
        if not c.bind():
            self._drop(c)
            raise LDAPException(f"the bind as {self.own.user or 'nobody'} was refused: {c.result.get('description')}")
        return c

    def _there(self) -> None:
        if time.monotonic() < self._away_until:
            raise Unavailable(
                f"The directory of domain {self.domain} does not answer ({self._why}); the other domains do. Try again."
            )

    def _ask(self, read: Callable[[ldap3.Connection], T]) -> T:
        """`read` on a kept connection, or on a fresh one when there is none or the server has closed it meanwhile."""
        self._there()
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is not None:
            try:
                found = read(connection)
            except (LDAPException, OSError):
                self._drop(connection)
            else:
                self._release(connection)
                return found
        c = None
        try:
            c = self._open()
            found = read(c)
        except (LDAPException, OSError) as e:
            self._drop(c)
            raise self._away(e) from e
        self._release(c)
        return found

    @contextlib.contextmanager
    def _bound(self) -> Iterator[ldap3.Connection]:
        """A fresh connection to write by: what is written is written once."""
        self._there()
        c = None
        try:
            c = self._open()
            yield c
        except (LDAPException, OSError) as e:
            raise self._away(e) from e
        finally:
            self._drop(c)

    def _release(self, c: ldap3.Connection | None) -> None:
        with self._lock:
            if c is not None and not c.closed and len(self._idle) < IDLE:
                self._idle.append(c)
                return
        self._drop(c)

    @staticmethod
    def _drop(c: ldap3.Connection | None) -> None:
        if c is not None:
            with contextlib.suppress(Exception):
                c.unbind()

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for c in idle:
            self._drop(c)

    # -- reading ---------------------------------------------------------------------------------------------------

    def _search(self, base: str, filter: str, attributes: list[str]) -> list[Entry]:
        """All entries, page by page. A base that is not there has none."""
        scopes = {"one": ldap3.LEVEL, "sub": ldap3.SUBTREE}

        def read(c: ldap3.Connection) -> list[Entry]:
            out: list[Entry] = []
            cookie: Any = None
            while True:
                c.search(
                    base,
                    filter,
                    scopes[self.own.query_scope],
                    attributes=sorted({a for a in attributes if a}),
                    paged_size=self.own.page_size or None,
                    paged_cookie=cookie,
                    time_limit=math.ceil(self.own.timeout),
                )
                message = c.result
                if message["result"] == NO_SUCH:
                    return []
                if message["result"]:
                    raise LDAPException(
                        f"the search in {base} ended with {message.get('description')}: {message.get('message')}"
                    )
                out += [e for e in c.response if e.get("type") == "searchResEntry"]
                cookie = (message.get("controls") or {}).get(PAGES, {}).get("value", {}).get("cookie")
                if not cookie:
                    return out

        return self._ask(read)

    def _user_filter(self, *more: str) -> str:
        own = self.own
        return f"(&(objectClass={own.user_objectclass}){_wrapped(own.user_filter)}({own.user_id_attribute}=*){''.join(more)})"

    def _group_filter(self, *more: str) -> str:
        own = self.own
        return f"(&(objectClass={own.group_objectclass}){_wrapped(own.group_filter)}{''.join(more)})"

    @property
    def _user_attributes(self) -> list[str]:
        own = self.own
        return [
            own.user_id_attribute,
            own.user_name_attribute,
            own.user_mail_attribute,
            own.user_description_attribute,
            own.user_enabled_attribute,
        ]

    def _user(self, e: Entry) -> User | None:
        own = self.own
        local_id, name = _first(e, own.user_id_attribute), _first(e, own.user_name_attribute)
        if not local_id or not name or len(name) > 255:
            return None
        extra = {
            key: value
            for key, attribute in (("email", own.user_mail_attribute), ("description", own.user_description_attribute))
            if attribute and (value := _first(e, attribute))
        }
        return User(local_id, name, e["dn"], self._enabled(e), extra)

    def _enabled(self, e: Entry) -> bool:
        """Whether an entry may log in. A mask names the bits of a number that mean *disabled* (Active Directory's 2); without one the
        attribute is a boolean, and anything but a word for true is false: a value that nobody understands opens no door."""
        own = self.own
        if not own.user_enabled_attribute:
            return True
        value = _first(e, own.user_enabled_attribute)
        if value is None:
            value = own.user_enabled_default
        if own.user_enabled_mask:
            try:
                return not int(value) & own.user_enabled_mask
            except ValueError:
                return False
        yes = value.strip().lower() in {"true", "1", "yes", "on"}
        if own.user_enabled_invert:
            return value.strip().lower() in {"false", "0", "no", "off", ""}
        return yes

    def users(self) -> list[User]:
        rows = self._search(self.own.users_at, self._user_filter(), self._user_attributes)
        return [p for e in rows if (p := self._user(e)) is not None]

    def user(self, *, name: str | None = None, local_id: str | None = None) -> User | None:
        attribute, value = (
            (self.own.user_name_attribute, name) if name is not None else (self.own.user_id_attribute, local_id or "")
        )
        rows = self._search(
            self.own.users_at,
            self._user_filter(f"({attribute}={escape_filter_chars(str(value))})"),
            self._user_attributes,
        )
        found = [p for e in rows if (p := self._user(e)) is not None]
        if len(found) > 1:
            self.log.warning("two_of_a_name", domain=self.domain, places=[p.place for p in found])
            return None
        return found[0] if found else None

    def among(self, local_ids: Sequence[str]) -> list[User]:
        """Asked a hundred at a time."""
        out: list[User] = []
        for n in range(0, len(local_ids), 100):
            either = "".join(
                f"({self.own.user_id_attribute}={escape_filter_chars(id)})" for id in local_ids[n : n + 100]
            )
            rows = self._search(self.own.users_at, self._user_filter(f"(|{either})"), self._user_attributes)
            out += [p for e in rows if (p := self._user(e)) is not None]
        return out

    def _groups(self, *more: str, members: bool) -> list[tuple[Group, list[str]]]:
        own = self.own
        wanted = [own.group_id_attribute, own.group_name_attribute, own.group_desc_attribute] + (
            [own.group_member_attribute] if members else []
        )
        out = []
        for e in self._search(own.groups_at, self._group_filter(*more), wanted):
            local_id, name = _first(e, own.group_id_attribute), _first(e, own.group_name_attribute)
            if local_id and name and len(name) <= 255:
                group = Group(local_id, name, e["dn"], _first(e, own.group_desc_attribute) or "")
                out.append((group, _all(e, own.group_member_attribute)))
        return out

    def groups(self) -> list[Group]:
        """All groups. What is inside what is followed here, round trips and rings of groups cost nothing."""
        rows = self._groups(members=True)
        if self.own.group_members_are_ids:
            return [_with(c, set(members)) for c, members in rows]
        ids = {_same(p.place): p.local_id for p in self.users()}
        inside = {_same(c.place): [_same(m) for m in members] for c, members in rows}
        return [
            _with(c, {ids[m] for m in _reach(_same(c.place), inside, self.own.nested_groups) if m in ids})
            for c, _ in rows
        ]

    def groups_of(self, user: User) -> list[Group]:
        own = self.own
        mark = own.group_member_attribute
        value = escape_filter_chars(user.local_id if own.group_members_are_ids else user.place)
        if own.group_ad_nesting and not own.group_members_are_ids:
            return [c for c, _ in self._groups(f"({mark}:{IN_CHAIN}:={value})", members=False)]
        found = {c.place: c for c, _ in self._groups(f"({mark}={value})", members=False)}
        fresh = list(found.values())
        while fresh and own.nested_groups and not own.group_members_are_ids:
            either = "".join(f"({mark}={escape_filter_chars(c.place)})" for c in fresh[:100])
            above = [c for c, _ in self._groups(f"(|{either})", members=False) if c.place not in found]
            found |= {c.place: c for c in above}
            fresh = fresh[100:] + above
        return list(found.values())

    def right(self, user: User | None, password: str) -> bool:
        """A bind as the person, on a connection of its own. An empty password would be a bind as nobody, which every directory
        grants (RFC 4513, 5.1.2): it is never right."""
        if not password or "\0" in password:
            return False
        self._there()
        place = (
            user.place
            if user is not None
            else f"{self.own.user_id_attribute}={secrets.token_hex(8)},{self.own.users_at}"
        )
        c = None
        try:
            c = self._connect(place, password)
            bound = bool(c.bind())
            code = c.result.get("result")
            if not bound and code not in {
                48,
                49,
                53,
                19,
                50,
                34,
                32,
            }:  # refusals of this bind; anything else is the directory's trouble
                raise LDAPException(f"the bind ended with {c.result.get('description')}")
            return bound and user is not None
        except (LDAPException, OSError) as e:
            raise self._away(e) from e
        finally:
            self._drop(c)

    # -- writing ---------------------------------------------------------------------------------------------------

    def _must_write(self) -> None:
        if not self.writable:
            raise Forbidden(
                f"LDAP does not support write operations: the directory of domain {self.domain} is set to be read only."
            )

    def _did(self, c: ldap3.Connection, what: str) -> None:
        """The directory's own refusals as ours."""
        code, message = c.result["result"], f"{c.result.get('description')} {c.result.get('message') or ''}".strip()
        if code == 0:
            return
        if code == 68:
            raise Conflict(f"Conflict occurred attempting to store {what} - the directory has one already.")
        if code == 32:
            raise NotFound(f"Could not find {what}.")
        if code in {50, 53}:
            raise Forbidden(f"The directory of domain {self.domain} refused to write {what}: {message}")
        if code in {16, 17, 18, 19, 20, 21, 34, 64, 65, 67, 71}:
            raise Invalid(
                f"The directory of domain {self.domain} does not take {what}: {message}", field=what.partition(" ")[0]
            )
        raise LDAPException(message)

    def _at(self, attribute: str, value: str, base: str) -> str:
        return f"{attribute}={escape_rdn(value)},{base}"

    def _found(self, local_id: str) -> User:
        found = self.user(local_id=local_id)
        if found is None:
            raise NotFound(f"Could not find user: {local_id}.")
        return found

    def _group(self, local_id: str) -> Group:
        rows = self._groups(f"({self.own.group_id_attribute}={escape_filter_chars(local_id)})", members=False)
        if len(rows) != 1:
            raise NotFound(f"Could not find group: {local_id}.")
        return rows[0][0]

    def _switch(self, enabled: bool) -> list[str]:
        own = self.own
        if own.user_enabled_mask:
            return [
                str(
                    int(own.user_enabled_default or 0) & ~own.user_enabled_mask
                    | (0 if enabled else own.user_enabled_mask)
                )
            ]
        return ["TRUE" if enabled != own.user_enabled_invert else "FALSE"]

    def add_user(self, name: str, password: str | None, enabled: bool, extra: Mapping[str, Any]) -> User:
        """See `Directory.add_user`. Raises Invalid, Conflict."""
        self._must_write()
        own = self.own
        local_id = name if own.user_id_attribute == own.user_name_attribute else secrets.token_hex(16)
        values: dict[str, Any] = {own.user_id_attribute: local_id, own.user_name_attribute: name}
        for needed in (
            ("cn", "sn") if own.user_objectclass.lower() in {"inetorgperson", "person", "organizationalperson"} else ()
        ):
            values.setdefault(needed, name)
        values |= self._text(extra)
        if password is not None:
            values[own.user_pass_attribute] = password
        if own.user_enabled_attribute:
            values[own.user_enabled_attribute] = self._switch(enabled)
        elif not enabled:
            raise Invalid(
                "Invalid input for field 'user.enabled': this directory has no attribute for it", field="enabled"
            )
        if self.user(name=name) is not None:
            raise Conflict(
                f"Conflict occurred attempting to store user - Duplicate entry found with name {name} at domain {self.domain}."
            )
        with self._bound() as c:
            c.add(self._at(own.user_id_attribute, local_id, own.users_at), own.user_objectclass, values)
            self._did(c, f"user {name}")
            if password is not None:
                self._hash(c, self._at(own.user_id_attribute, local_id, own.users_at), password)
        return self._found(local_id)

    def _hash(self, c: ldap3.Connection, place: str, password: str) -> None:
        """Let the directory hash the password (RFC 3062); one without that operation keeps what was written, by its own rules."""
        c.extend.standard.modify_password(place, None, password)

    def _text(self, extra: Mapping[str, Any]) -> dict[str, Any]:
        own, out = self.own, {}
        for key, value in extra.items():
            attribute = {"email": own.user_mail_attribute, "description": own.user_description_attribute}.get(key, "")
            if not attribute:
                raise Invalid(
                    f"Invalid input for field 'user.{key[:40]}': this directory has no attribute for it", field=key[:40]
                )
            if value:
                out[attribute] = str(value)
        return out

    def change_user(self, local_id: str, change: Mapping[str, Any]) -> User:
        """See `Directory.change_user`. Raises Forbidden, Invalid."""
        self._must_write()
        own, who = self.own, self._found(local_id)
        edits: dict[str, Any] = {}
        for key, value in change.items():
            if key == "name":
                if own.user_name_attribute == own.user_id_attribute and value != who.name:
                    raise Forbidden(
                        "This directory names its entries by the user's name, which therefore cannot change."
                    )
                edits[own.user_name_attribute] = [(ldap3.MODIFY_REPLACE, [value])]
            elif key == "enabled":
                if not own.user_enabled_attribute:
                    raise Invalid(
                        "Invalid input for field 'user.enabled': this directory has no attribute for it",
                        field="enabled",
                    )
                edits[own.user_enabled_attribute] = [(ldap3.MODIFY_REPLACE, self._switch(bool(value)))]
            elif key != "password":
                attribute = {"email": own.user_mail_attribute, "description": own.user_description_attribute}.get(
                    key, ""
                )
                if not attribute:
                    raise Invalid(
                        f"Invalid input for field 'user.{key[:40]}': this directory has no attribute for it",
                        field=key[:40],
                    )
                edits[attribute] = [(ldap3.MODIFY_REPLACE, [str(value)] if value else [])]
        with self._bound() as c:
            if edits:
                c.modify(who.place, edits)
                self._did(c, f"user {who.name}")
            if change.get("password"):
                c.modify(who.place, {own.user_pass_attribute: [(ldap3.MODIFY_REPLACE, [change["password"]])]})
                self._did(c, f"password of {who.name}")
                self._hash(c, who.place, change["password"])
        return self._found(local_id)

    def remove_user(self, local_id: str) -> None:
        self._must_write()
        who = self._found(local_id)
        for group in self.groups_of(who):
            with contextlib.suppress(NotFound):
                self.leave(group.local_id, local_id)
        with self._bound() as c:
            c.delete(who.place)
            self._did(c, f"user {who.name}")

    def add_group(self, name: str, description: str) -> Group:
        """See `Directory.add_group`. Raises Conflict."""
        self._must_write()
        own = self.own
        local_id = name if own.group_id_attribute == own.group_name_attribute else secrets.token_hex(16)
        values: dict[str, Any] = {own.group_id_attribute: local_id, own.group_name_attribute: name}
        if description and own.group_desc_attribute:
            values[own.group_desc_attribute] = description
        if own.group_objectclass.lower() in {"groupofnames", "groupofuniquenames"}:
            values.setdefault("cn", local_id)
            values[own.group_member_attribute] = self._nobody  # these classes need a member (RFC 4519, 3.6)
        if any(
            c.name == name
            for c, _ in self._groups(f"({own.group_name_attribute}={escape_filter_chars(name)})", members=False)
        ):
            raise Conflict(
                f"Conflict occurred attempting to store group - Duplicate entry found with name {name} at domain {self.domain}."
            )
        with self._bound() as c:
            c.add(self._at(own.group_id_attribute, local_id, own.groups_at), own.group_objectclass, values)
            self._did(c, f"group {name}")
        return self._group(local_id)

    @property
    def _nobody(self) -> str:
        """The member of a group without members."""
        return f"cn=dumb,{self.own.groups_at}"

    def change_group(self, local_id: str, change: Mapping[str, Any]) -> Group:
        """See `Directory.change_group`. Raises Forbidden."""
        self._must_write()
        own, group = self.own, self._group(local_id)
        edits: dict[str, Any] = {}
        if "name" in change and change["name"] != group.name:
            if own.group_name_attribute == own.group_id_attribute:
                raise Forbidden("This directory names its entries by the group's name, which therefore cannot change.")
            edits[own.group_name_attribute] = [(ldap3.MODIFY_REPLACE, [change["name"]])]
        if "description" in change and own.group_desc_attribute:
            edits[own.group_desc_attribute] = [
                (ldap3.MODIFY_REPLACE, [change["description"]] if change["description"] else [])
            ]
        if edits:
            with self._bound() as c:
                c.modify(group.place, edits)
                self._did(c, f"group {group.name}")
        return self._group(local_id)

    def remove_group(self, local_id: str) -> None:
        self._must_write()
        group = self._group(local_id)
        with self._bound() as c:
            c.delete(group.place)
            self._did(c, f"group {group.name}")

    def _member(self, local_id: str) -> str:
        return local_id if self.own.group_members_are_ids else self._found(local_id).place

    def join(self, group_id: str, local_id: str) -> None:
        self._must_write()
        group, member = self._group(group_id), self._member(local_id)
        with self._bound() as c:
            c.modify(group.place, {self.own.group_member_attribute: [(ldap3.MODIFY_ADD, [member])]})
            if c.result["result"] != 20:  # is in it already
                self._did(c, f"group {group.name}")

    def leave(self, group_id: str, local_id: str) -> None:
        """See `Directory.leave`. Raises NotFound."""
        self._must_write()
        group, member = self._group(group_id), self._member(local_id)
        mark = self.own.group_member_attribute
        with self._bound() as c:
            c.modify(group.place, {mark: [(ldap3.MODIFY_DELETE, [member])]})
            if c.result["result"] == 65:  # the last one of a class that needs one
                c.modify(group.place, {mark: [(ldap3.MODIFY_ADD, [self._nobody]), (ldap3.MODIFY_DELETE, [member])]})
            if c.result["result"] == 16:
                raise NotFound(f"User '{local_id}' not found in group '{group.name}'.")
            self._did(c, f"group {group.name}")


def _wrapped(filter: str) -> str:
    """The operator's own filter, with its parentheses."""
    return filter if not filter or filter.startswith("(") else f"({filter})"


def _all(e: Entry, attribute: str) -> list[str]:
    """The values of an attribute, its name in any case; what is no text is left out."""
    raw = e.get("raw_attributes", {})
    values = next((raw[k] for k in raw if k.lower() == attribute.lower()), ()) if attribute else ()
    out = []
    for value in values if isinstance(values, (list, tuple)) else [values]:
        with contextlib.suppress(UnicodeDecodeError):
            text = value.decode() if isinstance(value, bytes) else str(value)
            if "\0" not in text:
                out.append(text)
    return out


def _first(e: Entry, attribute: str) -> str | None:
    return next(iter(_all(e, attribute)), None)


def _same(place: str) -> str:
    """A DN so that two spellings of it are equal: no blanks around commas and equals signs, small letters."""
    return ",".join("=".join(half.strip() for half in part.split("=", 1)) for part in place.split(",")).lower()


def _with(c: Group, members: set[str]) -> Group:
    return Group(c.local_id, c.name, c.place, c.description, frozenset(members))


def _reach(start: str, inside: dict[str, list[str]], nested: bool) -> set[str]:
    """Everything in a group; groups in it are opened when `nested`."""
    seen: set[str] = set()
    todo = [start]
    while todo:
        for member in inside.get(todo.pop(), ()):
            if member not in seen:
                seen.add(member)
                if nested and member in inside:
                    todo.append(member)
    return seen
