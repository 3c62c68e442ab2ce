# SPDX-License-Identifier: Apache-2.0
"""A domain's own configuration: groups of options, by which a domain has its own directory (Identity API v3, "Domain configuration").
Secrets are taken, kept sealed and never shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from virga.authority.rules import Rule, allow
from virga.ground.act import Act
from virga.ground.errors import Forbidden, Invalid, NotFound
from virga.services.identity import model, policy, settings, store, wire
from virga.services.identity.actions import domains
from virga.services.identity.directories.settings import of_domain
from virga.services.identity.secrets import Vault
from virga.services.identity.tokens import Tokens

Groups = dict[str, dict[str, Any]]
DEFAULTS: Groups = {
    "identity": {"driver": "sql", "list_limit": None},
    "ldap": {
        "url": "ldap://localhost",
        "user": None,
        "suffix": "cn=example,cn=com",
        "query_scope": "one",
        "page_size": 0,
        "alias_dereferencing": "default",
        "debug_level": None,
        "chase_referrals": None,
        "user_tree_dn": None,
        "user_filter": None,
        "user_objectclass": "inetOrgPerson",
        "user_id_attribute": "cn",
        "user_name_attribute": "sn",
        "user_mail_attribute": "mail",
        "user_description_attribute": "description",
        "user_pass_attribute": "userPassword",
        "user_enabled_attribute": "enabled",
        "user_enabled_invert": False,
        "user_enabled_mask": 0,
        "user_enabled_default": "True",
        "user_attribute_ignore": ["default_project_id"],
        "user_default_project_id_attribute": None,
        "user_enabled_emulation": False,
        "user_enabled_emulation_dn": None,
        "user_enabled_emulation_use_group_config": False,
        "user_additional_attribute_mapping": [],
        "group_tree_dn": None,
        "group_filter": None,
        "group_objectclass": "groupOfNames",
        "group_id_attribute": "cn",
        "group_name_attribute": "ou",
        "group_members_are_ids": False,
        "group_member_attribute": "member",
        "group_desc_attribute": "description",
        "group_attribute_ignore": [],
        "group_additional_attribute_mapping": [],
        "group_ad_nesting": False,
        "tls_cacertfile": None,
        "tls_cacertdir": None,
        "use_tls": False,
        "tls_req_cert": "demand",
        "use_pool": True,
        "pool_size": 10,
        "pool_retry_max": 3,
        "pool_retry_delay": 0.1,
        "pool_connection_timeout": -1,
        "pool_connection_lifetime": 600,
        "use_auth_pool": True,
        "auth_pool_size": 100,
        "auth_pool_connection_lifetime": 60,
    },
}
SECRETS = {"ldap": {"password"}}
DEFAULT_DOMAIN = "default"
COMPLIANCE = ("password_regex", "password_regex_description")


def _known(group: str | None, option: str | None = None) -> None:
    if group is not None and group not in DEFAULTS:
        raise _invalid(f"Group {group} is not supported for domain specific configurations")
    if option is not None and option not in DEFAULTS[str(group)] and option not in SECRETS.get(str(group), ()):
        raise _invalid(f"Option {option} in group {group} is not supported for domain specific configurations")


def _invalid(reason: str) -> Forbidden:
    return Forbidden(f"Invalid domain specific configuration: {reason}.")


def _valid(config: Any) -> Groups:
    if not isinstance(config, dict) or not config:
        raise _invalid("No options specified")
    for group, options in config.items():
        _known(group)
        if not isinstance(options, dict) or not options:
            raise _invalid(f"The value of group {group} specified in the config should be a dictionary of options")
        for option in options:
            _known(group, option)
    return config


def _rows(act: Act, domain_id: str, group: str | None, option: str | None) -> list[model.DomainOption]:
    c = store.DOMAIN_OPTIONS.c
    where = [c.domain_id == domain_id]
    where += [c.group == group] if group is not None else []
    where += [c.option == option] if option is not None else []
    return store.DOMAIN_OPTIONS.find(act.tx, *where, order=[c.group, c.option])


def _shown(rows: list[model.DomainOption]) -> Groups:
    out: Groups = {}
    for row in rows:
        if not row.secret:
            out.setdefault(row.group, {})[row.option] = row.value
    return out


def _write(act: Act, domain_id: str, config: Groups) -> None:
    c = store.DOMAIN_OPTIONS.c
    for group, options in config.items():
        for option, value in options.items():
            secret = option in SECRETS.get(group, ())
            stored = act.use(Vault).seal(str(value)) if secret else value
            store.DOMAIN_OPTIONS.delete(act.tx, c.domain_id == domain_id, c.group == group, c.option == option)
            store.DOMAIN_OPTIONS.insert(
                act.tx, domain_id=domain_id, group=group, option=option, value=stored, secret=secret
            )
    _usable(act, domain_id)
    act.use(Tokens).bump_generation(act.tx)


def _usable(act: Act, domain_id: str) -> None:
    """Whether what is configured now could be a directory; who writes it hears at once what could not. An address that is none is kept,
    as Keystone keeps it (OpenStack's own cases write such); the domain's logins then say so."""
    if not any(r.value == "ldap" for r in _rows(act, domain_id, "identity", "driver")):
        return  # kept for whoever reads it; no directory is made of it
    rows = _rows(act, domain_id, "ldap", None)
    options = {r.option: act.use(Vault).open(str(r.value)) if r.secret else r.value for r in rows if r.option != "url"}
    try:
        read = of_domain(options)
    except msgspec.ValidationError as e:
        option = str(e).rpartition("$.")[2].rstrip("`") if "$." in str(e) else "ldap"
        raise Invalid(
            f"Invalid input for field 'config.ldap.{option}': {str(e).partition(' - at')[0]}", field=option
        ) from None
    if read.tls_cacertfile and not Path(read.tls_cacertfile).is_file():
        raise Invalid(
            f"Invalid input for field 'config.ldap.tls_cacertfile': there is no file {read.tls_cacertfile}",
            field="tls_cacertfile",
        )


def _missing(domain_id: str, group: str | None, option: str | None) -> NotFound:
    what = f"option {option} in group {group}" if option else f"group {group}" if group else "any options"
    return NotFound(f"Could not find {what} in domain configuration for domain {domain_id}.")


def _allow(act: Act, rule: Rule, domain_id: str) -> None:
    allow(act, rule)
    domains.found(act.tx, domain_id)


def create(act: Act, domain_id: str, body: wire.Config) -> tuple[bool, Groups]:
    """PUT /v3/domains/{id}/config: in place of what there was; whether there was nothing."""
    _allow(act, policy.CREATE_DOMAIN_CONFIG, domain_id)
    config, fresh = _valid(body.config), not _rows(act, domain_id, None, None)
    store.DOMAIN_OPTIONS.delete(act.tx, store.DOMAIN_OPTIONS.c.domain_id == domain_id)
    _write(act, domain_id, config)
    return fresh, _shown(_rows(act, domain_id, None, None))


def show(act: Act, domain_id: str, group: str | None = None, option: str | None = None) -> Any:
    """GET /v3/domains/{id}/config, …/{group}, …/{group}/{option}"""
    if group == "security_compliance":
        return _compliance(act, domain_id, option)
    _allow(act, policy.GET_DOMAIN_CONFIG, domain_id)
    _known(group, option)
    found = _shown(_rows(act, domain_id, group, option))
    if not found:
        raise _missing(domain_id, group, option)
    return {option: found[str(group)][option]} if option is not None else found


def _compliance(act: Act, domain_id: str, option: str | None) -> Any:
    """What passwords must be like, for anybody who has to choose one."""
    allow(act, policy.GET_SECURITY_COMPLIANCE)
    domains.found(act.tx, domain_id)
    if domain_id != DEFAULT_DOMAIN:
        raise _invalid(
            "Reading security compliance information for any domain other than the default domain is not allowed or supported"
        )
    if option is not None and option not in COMPLIANCE:
        raise _invalid(
            "Reading security compliance values other than password_regex and password_regex_description is not allowed"
        )
    own = act.use(settings.Identity)
    options: dict[str, Any] = dict(
        zip(COMPLIANCE, (own.password_regex or None, own.password_regex_text or None), strict=True)
    )
    return {option: options[option]} if option is not None else {"security_compliance": options}


def update(act: Act, domain_id: str, body: wire.Config) -> Groups:
    """PATCH /v3/domains/{id}/config: options of any groups, merged."""
    _allow(act, policy.UPDATE_DOMAIN_CONFIG, domain_id)
    _write(act, domain_id, _valid(body.config))
    return _shown(_rows(act, domain_id, None, None))


def update_group(act: Act, domain_id: str, group: str, body: wire.Config) -> Groups:
    """PATCH /v3/domains/{id}/config/{group}: the body names that group and no other."""
    _allow(act, policy.UPDATE_DOMAIN_CONFIG, domain_id)
    _known(group)
    config = body.config
    if set(config) != {group}:
        raise _invalid(
            f"The group(s) {', '.join(map(str, config))} specified in the config do not match group {group} in the request"
        )
    config = _valid(config)
    if not _rows(act, domain_id, group, None):
        raise _missing(domain_id, group, None)
    _write(act, domain_id, config)
    return _shown(_rows(act, domain_id, None, None))


def update_option(act: Act, domain_id: str, group: str, option: str, body: wire.Config) -> Groups:
    """PATCH /v3/domains/{id}/config/{group}/{option}: the body is the option and its value."""
    _allow(act, policy.UPDATE_DOMAIN_CONFIG, domain_id)
    _known(group, option)
    if set(body.config) != {option}:
        raise _invalid(
            f"The option(s) {', '.join(map(str, body.config))} specified in the config do not match option {option} in the request"
        )
    if not _rows(act, domain_id, group, option):
        raise _missing(domain_id, group, option)
    _write(act, domain_id, {group: {option: body.config[option]}})
    return _shown(_rows(act, domain_id, None, None))


def delete(act: Act, domain_id: str, group: str | None = None, option: str | None = None) -> None:
    """DELETE /v3/domains/{id}/config, …/{group}, …/{group}/{option}"""
    _allow(act, policy.DELETE_DOMAIN_CONFIG, domain_id)
    _known(group, option)
    rows = _rows(act, domain_id, group, option)
    if not rows and group is not None:
        raise _missing(domain_id, group, option)
    c = store.DOMAIN_OPTIONS.c
    for row in rows:
        store.DOMAIN_OPTIONS.delete(act.tx, c.domain_id == domain_id, c.group == row.group, c.option == row.option)
    act.use(Tokens).bump_generation(act.tx)


def defaults(act: Act, group: str | None = None, option: str | None = None) -> Any:
    """GET /v3/domains/config/default, …/{group}/default, …/{group}/{option}/default"""
    allow(act, policy.GET_DOMAIN_CONFIG_DEFAULT)
    _known(group, option)
    if option is not None:
        return {option: DEFAULTS[str(group)].get(option)}
    return DEFAULTS if group is None else {group: DEFAULTS[group]}
