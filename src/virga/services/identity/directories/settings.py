# SPDX-License-Identifier: Apache-2.0
"""Where a domain's directory is and how it writes down people. The names are those of Keystone's [ldap] section, so that a
configuration moves as it is (keystone, "Integrate Identity with LDAP")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from virga.ground import typed

Attribute = Annotated[str, Meta(pattern=r"^([A-Za-z][A-Za-z0-9;.-]*)?$", max_length=255)]


class Ldap(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`url` may name several servers, separated by commas: the first that answers is asked."""

    url: Annotated[str, Meta(pattern=r"^ldap(s|i)?://", max_length=2048)] = "ldap://localhost"
    user: str = ""
    password: str = ""
    suffix: str = "cn=example,cn=com"
    query_scope: Literal["one", "sub"] = "one"
    page_size: Annotated[int, Meta(ge=0, le=100000)] = 500
    connection_timeout: Annotated[float, Meta(gt=0, le=60)] = 3.0
    timeout: Annotated[float, Meta(gt=0, le=300)] = 10.0
    use_tls: bool = False
    tls_cacertfile: str = ""
    tls_req_cert: Literal["demand", "allow", "never"] = "demand"
    user_tree_dn: str = ""
    user_filter: str = ""
    user_objectclass: Attribute = "inetOrgPerson"
    user_id_attribute: Attribute = "cn"
    user_name_attribute: Attribute = "sn"
    user_description_attribute: Attribute = "description"
    user_mail_attribute: Attribute = "mail"
    user_pass_attribute: Attribute = "userPassword"  # noqa: S105 - a name
    user_enabled_attribute: Attribute = ""
    user_enabled_mask: Annotated[int, Meta(ge=0)] = 0
    user_enabled_default: str = "True"
    user_enabled_invert: bool = False
    group_tree_dn: str = ""
    group_filter: str = ""
    group_objectclass: Attribute = "groupOfNames"
    group_id_attribute: Attribute = "cn"
    group_name_attribute: Attribute = "ou"
    group_desc_attribute: Attribute = "description"
    group_member_attribute: Attribute = "member"
    group_members_are_ids: bool = False
    group_ad_nesting: bool = False
    nested_groups: bool = True
    writable: bool = False
    sync_seconds: Annotated[float, Meta(ge=1)] = 60.0
    check_seconds: Annotated[float, Meta(ge=0)] = 1.0
    """How often the directory is asked whether those who hold tokens still may; 0: only with the renewal."""
    retry_seconds: Annotated[float, Meta(ge=0)] = 10.0

    @property
    def users_at(self) -> str:
        return self.user_tree_dn or f"ou=Users,{self.suffix}"

    @property
    def groups_at(self) -> str:
        return self.group_tree_dn or f"ou=UserGroups,{self.suffix}"


def of_domain(options: Mapping[str, Any]) -> Ldap:
    """The directory that a domain's own configuration describes. Options of Keystone's that mean nothing here (its pools, its debug
    levels) are passed over, as are those set to null. Raises ValidationError."""
    known = {f.name for f in msgspec.structs.fields(Ldap)}
    return typed.convert({k: v for k, v in options.items() if k in known and v is not None}, Ldap, strict=False)
