# SPDX-License-Identifier: Apache-2.0
"""Consumers, and what users grant them, as Keystone prints them."""

from __future__ import annotations

from virga.ground.http.call import Call
from virga.ground.wire import UNSET, UnsetType
from virga.ground.world import iso_micro
from virga.services.identity import model as identity
from virga.services.identity.answers import Links, Self
from virga.services.identity.oauth import answers, model


def _consumer(c: model.Consumer, call: Call, secret: str | UnsetType = UNSET) -> answers.Consumer:
    links = Self(call.request.link(f"/v3/OS-OAUTH1/consumers/{c.id}"))
    return answers.Consumer(id=c.id, description=c.description, links=links, secret=secret)


def made(found: tuple[model.Consumer, str], call: Call) -> answers.ConsumerAnswer:
    """The only answer that shows the secret."""
    return answers.ConsumerAnswer(_consumer(found[0], call, found[1]))


def consumer(c: model.Consumer, call: Call) -> answers.ConsumerAnswer:
    return answers.ConsumerAnswer(_consumer(c, call))


def consumers(rows: list[model.Consumer], call: Call) -> answers.ConsumersAnswer:
    links = Links(call.request.link("/v3/OS-OAUTH1/consumers"))
    return answers.ConsumersAnswer(consumers=[_consumer(c, call) for c in rows], links=links)


def verifier(word: str, _: Call) -> answers.VerifierAnswer:
    return answers.VerifierAnswer(answers.Verifier(word))


def _access(a: model.AccessToken, call: Call) -> answers.AccessToken:
    own = call.request.link(f"/v3/users/{a.user_id}/OS-OAUTH1/access_tokens/{a.id}")
    return answers.AccessToken(
        id=a.id,
        consumer_id=a.consumer_id,
        project_id=a.project_id,
        authorizing_user_id=a.user_id,
        expires_at=iso_micro(a.expires) if a.expires is not None else None,
        links=answers.AccessTokenLinks(self_=own, roles=f"{own}/roles"),
    )


def access_token(a: model.AccessToken, call: Call) -> answers.AccessTokenAnswer:
    return answers.AccessTokenAnswer(_access(a, call))


def access_tokens(rows: list[model.AccessToken], call: Call) -> answers.AccessTokensAnswer:
    links = Links(call.request.base + call.request.path)
    return answers.AccessTokensAnswer(access_tokens=[_access(a, call) for a in rows], links=links)


def _role(r: identity.Role, call: Call) -> answers.AccessTokenRole:
    links = Self(call.request.link(f"/v3/roles/{r.id}"))
    return answers.AccessTokenRole(id=r.id, name=r.name, domain_id=None, links=links)


def role(r: identity.Role, call: Call) -> answers.AccessTokenRoleAnswer:
    return answers.AccessTokenRoleAnswer(_role(r, call))


def roles(rows: list[identity.Role], call: Call) -> answers.AccessTokenRolesAnswer:
    links = Links(call.request.base + call.request.path)
    return answers.AccessTokenRolesAnswer(roles=[_role(r, call) for r in rows], links=links)
