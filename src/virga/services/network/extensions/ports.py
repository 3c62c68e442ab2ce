# SPDX-License-Identifier: Apache-2.0
"""Extensions of ports."""

from __future__ import annotations

from virga.services.network import nouns
from virga.services.network.extensions.extension import Extension

EXTENSIONS = (
    Extension(
        alias="binding",
        name="Port Binding",
        description="Where a port is bound, and how",
        updated="2014-02-03T10:00:00-00:00",
        fields={
            nouns.PORT: (
                "binding:host_id",
                "binding:profile",
                "binding:vnic_type",
                "binding:vif_type",
                "binding:vif_details",
            )
        },
    ),
    Extension(
        alias="port-security",
        name="Port Security",
        description="Whether what a port sends is held to its addresses",
        updated="2012-07-23T10:00:00-00:00",
        fields={nouns.NETWORK: ("port_security_enabled",), nouns.PORT: ("port_security_enabled",)},
    ),
    Extension(
        alias="allowed-address-pairs",
        name="Allowed Address Pairs",
        description="More addresses that a port may send from",
        updated="2013-07-23T10:00:00-00:00",
        fields={nouns.PORT: ("allowed_address_pairs",)},
    ),
)
