# SPDX-License-Identifier: Apache-2.0
"""Security groups and their extensions."""

from __future__ import annotations

from virga.services.network import nouns, wire
from virga.services.network.actions import security_group, security_group_rule
from virga.services.network.extensions import rows
from virga.services.network.extensions.extension import Extension

EXTENSIONS = (
    Extension(
        alias="security-group",
        name="security-group",
        description="Which packets reach and leave a port",
        updated="2012-10-05T10:00:00-00:00",
        fields={nouns.PORT: ("security_groups",), nouns.QUOTA: ("security_group", "security_group_rule")},
        routes=(
            rows.create(nouns.GROUP, security_group.create, wire.CreateGroup),
            rows.index(nouns.GROUP, security_group.index, tx="none"),
            rows.show(nouns.GROUP, security_group.show),
            rows.update(nouns.GROUP, security_group.update, wire.UpdateGroup),
            rows.delete(nouns.GROUP, security_group.delete),
            rows.create(nouns.RULE, security_group_rule.create, wire.CreateRule),
            rows.index(nouns.RULE, security_group_rule.index),
            rows.show(nouns.RULE, security_group_rule.show),
            rows.delete(nouns.RULE, security_group_rule.delete),
        ),
    ),
    Extension(
        alias="port-security-groups-filtering",
        name="Port filtering on security groups",
        description="Lists of the ports that a group is on",
        updated="2018-01-09T09:00:00-00:00",
        filters={nouns.PORT: ("security_groups",)},
        needs=("security-group",),
    ),
    Extension(
        alias="stateful-security-group",
        name="Stateful security group",
        description="Groups that do not remember connections",
        updated="2019-11-26T09:00:00-00:00",
        fields={nouns.GROUP: ("stateful",)},
        needs=("security-group",),
    ),
    Extension(
        alias="security-groups-normalized-cidr",
        name="Normalized CIDR field for security group rules",
        description="The prefix that a rule is about in its one spelling",
        updated="2020-07-28T10:00:00-00:00",
        fields={nouns.RULE: ("normalized_cidr",)},
        needs=("security-group",),
    ),
)
