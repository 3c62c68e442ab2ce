# SPDX-License-Identifier: Apache-2.0
"""Who may do what: the owner's roles, readers, reseller admins, access lists of account and container, temporary URLs. Decided on
rows; anonymous callers read 401, known ones 403 with the rule's name."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from urllib.parse import quote

from virga.authority.rules import Rule
from virga.ground.act import NOBODY, Actor
from virga.ground.errors import Forbidden
from virga.ground.http.call import Authenticator, Cold
from virga.services.identity import api as identity
from virga.services.objects import acl, model, policy
from virga.services.objects.context import ObjectContext
from virga.services.objects.http import Answered, Request
from virga.services.objects.swift.replies import page

READS = frozenset({"GET", "HEAD"})


@dataclass(slots=True)
class SignedAccess:
    """A temporary URL's right: methods, and the paths it reaches."""

    methods: frozenset[str]
    account: str
    container: str | None = None
    object: str | None = None
    prefix: str | None = None

    def covers(self, method: str, account: str, container: str | None, object: str | None) -> bool:
        if method not in self.methods or account != self.account or not object:
            return False
        if self.container is not None and container != self.container:
            return False
        if self.prefix is not None:
            return object.startswith(self.prefix)
        return self.object is None or object == self.object


@dataclass(slots=True)
class Entry:
    """A caller in front of an account."""

    context: ObjectContext
    actor: Actor
    own: str
    """The account of the caller's project."""
    service: bool = False
    """Whether a service's token came beside the user's."""
    signed_access: SignedAccess | None = None
    _who: acl.Who | None = field(default=None)
    _made_owner: str = ""
    """The account whose access list makes the caller an administrator of it."""

    def holds(self, rule: Rule, account: str) -> bool:
        prefix = self.context.settings.service_prefix
        if prefix and self.service and account.startswith(prefix):
            account = model.account_of(account.removeprefix(prefix))
        return policy.holds(self.actor, rule, account, self.context.settings.reseller_roles)

    def reseller(self, account: str = "") -> bool:
        """Whether the caller makes and ends accounts (any, or this one)."""
        return self.holds(policy.MANAGE_ACCOUNT, account)

    def owns(self, account: str) -> bool:
        """Whether the caller is an operator of the account (sees keys and lists, changes everything)."""
        return self.holds(policy.ADMINISTER, account) or (bool(account) and account == self._made_owner)

    def mine(self, account: str) -> bool:
        """Whether the account belongs to the caller's project: under the usual prefix, or under that of services."""
        prefix = self.context.settings.service_prefix
        return bool(self.own) and (
            account == self.own or (bool(prefix) and account == prefix + model.project_of(self.own))
        )

    async def who(self) -> acl.Who | None:
        if self.actor is NOBODY:
            return None
        if self._who is None:
            project = self.actor.project_id or ""
            name, domain = (
                await self.context.commits.read(lambda tx: identity.project_name(tx, project)) if project else ("", "")
            )
            a = self.actor
            self._who = acl.Who(
                a.user_id, a.user_name, project, name, a.roles, a.user_domain_id == "default" and domain == "default"
            )
        return self._who

    async def allow(
        self,
        request: Request,
        account: str,
        container: model.Container | None = None,
        object: str | None = None,
        *,
        method: str | None = None,
        container_name: str | None = None,
        account_row: model.Account | None = None,
    ) -> None:
        """Raise 401 or 403 unless the caller may do `method` on account, container or object."""
        method = method or request.method
        named = container_name if container is None else container.name
        if self.signed_access is not None:
            if self.signed_access.covers(method, account, named, object):
                return
            raise unauthorized(account)
        rule = policy.READ if method in READS else policy.WRITE
        if named is None and method in {"PUT", "DELETE"}:
            rule = policy.MANAGE_ACCOUNT
        if self.holds(rule, account):
            return
        if await self._granted(account, account_row, named, method):
            return
        if container is not None and container.control:
            if method in READS:
                text = container.control.get("read")
                if text:
                    referrers, groups = acl.parse(text)
                    if (object or ".rlistings" in groups) and acl.referrer_allowed(
                        request.headers.get("referer"), referrers
                    ):
                        return
                    if await self.listed(account, groups):
                        return
            elif object and method in {"PUT", "POST", "DELETE"}:
                text = container.control.get("write")
                if text and await self.listed(account, acl.parse(text)[1]):
                    return
        if self.actor is NOBODY:
            raise unauthorized(account)
        raise self._refused(rule)

    async def listed(self, account: str, groups: list[str]) -> bool:
        """Whether an access list of the account names the caller. Names count only where every one concerned is in the default domain,
        the account's project too; roles only in the caller's own account (keystoneauth)."""
        who = await self.who()
        if who is None or not groups:
            return False
        return acl.listed(who, groups, names=await self._names(account, who), roles=self.mine(account))

    async def _names(self, account: str, who: acl.Who) -> bool:
        if not who.names_count or self.mine(account):
            return who.names_count
        project = project_of(self.context, account)
        return (await self.context.commits.read(lambda tx: identity.project_name(tx, project)))[1] == "default"

    async def _granted(self, account: str, row: model.Account | None, container: str | None, method: str) -> bool:
        """X-Account-Access-Control."""
        if self.actor is NOBODY:
            return False
        if row is None:
            from virga.services.objects.store import containers

            row = await self.context.commits.read(lambda tx: containers.account_row(tx, account))
        access = row.control.get("access") if row is not None and row.control else None
        if not access:
            return False
        who = await self.who()
        if who is None:
            return False
        level = acl.account_grant(who, access, names=await self._names(account, who), roles=self.mine(account))
        if level == "admin":
            self._made_owner = account
            return not (container is None and method in {"PUT", "DELETE"})
        if level == "read-write":
            return container is not None or method in READS
        return level == "read-only" and method in READS

    def _refused(self, rule: Rule) -> Forbidden:
        have = ", ".join(sorted(self.actor.roles)) or "no role"
        return Forbidden(
            f"Access was denied to this resource: {rule.name} needs {(self.actor.overrides.get(rule.name) or rule.check).text}, or an access list that names you; you have {have}"
            f" on project {self.actor.project_id or '-'}.",
            rule=rule.name,
        )


def project_of(context: ObjectContext, account: str) -> str:
    """The project that an account belongs to."""
    prefix = context.settings.service_prefix
    return account.removeprefix(prefix) if prefix and account.startswith(prefix) else model.project_of(account)


def known(context: ObjectContext, account: str) -> bool:
    """Whether the name is an account's at all."""
    prefix = context.settings.service_prefix
    return account.startswith(model.PREFIX) or (bool(prefix) and account.startswith(prefix))


def unauthorized(account: str) -> Answered:
    response = page(401, "This server could not verify that you are authorized to access the document you requested.")
    response.headers["www-authenticate"] = f'Swift realm="{quote(account) or "unknown"}"'
    return Answered(response)


async def _actor(context: ObjectContext, token: str) -> Actor:
    authenticator = context.registry.use(Authenticator)
    try:
        return authenticator.hot(token) or NOBODY
    except Cold:
        known: Actor | None = await asyncio.get_running_loop().run_in_executor(
            context.threads, authenticator.cold, token
        )
        return known or NOBODY


async def enter(context: ObjectContext, request: Request) -> Entry:
    """The caller by X-Auth-Token (or X-Storage-Token), and by X-Service-Token the service that speaks for it; an unusable token is
    nobody's, and so is a caller whose service's token is."""
    token = request.header("x-auth-token") or request.header("x-storage-token")
    actor = await _actor(context, token) if token else NOBODY
    service = False
    if "x-service-token" in request.headers and actor is not NOBODY:
        beside = await _actor(context, request.headers["x-service-token"])
        if beside is NOBODY:
            actor = NOBODY
        beside.hold_to_rules("object-store", request.method, (request.path, request.mount + request.path))
        service = not beside.roles.isdisjoint(r.lower() for r in context.settings.service_roles)
    actor.hold_to_rules("object-store", request.method, (request.path, request.mount + request.path))
    return Entry(context, actor, model.account_of(actor.project_id) if actor.project_id else "", service)
