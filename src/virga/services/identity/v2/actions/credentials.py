# SPDX-License-Identifier: Apache-2.0
"""EC2 credentials by the OS-EC2 extension, and tokens for those who sign with them."""

from __future__ import annotations

from virga.ground.act import Act
from virga.ground.http.call import Call
from virga.services.identity import model
from virga.services.identity import wire as v3
from virga.services.identity.actions import credentials, ec2
from virga.services.identity.v2 import wire
from virga.services.identity.v2.actions.tokens import Issued, told


def create(act: Act, user_id: str, body: wire.WriteCredential) -> model.Credential:
    """POST /v2.0/users/{user}/credentials/OS-EC2"""
    return credentials.create_ec2(act, user_id, v3.CreateEC2Credential(tenant_id=body.tenant_id))


def index(act: Act, user_id: str) -> list[model.Credential]:
    """GET /v2.0/users/{user}/credentials/OS-EC2"""
    return credentials.index_ec2(act, user_id)


def show(act: Act, user_id: str, access: str) -> model.Credential:
    """GET /v2.0/users/{user}/credentials/OS-EC2/{access}"""
    return credentials.show_ec2(act, user_id, access)


def delete(act: Act, user_id: str, access: str) -> None:
    """DELETE /v2.0/users/{user}/credentials/OS-EC2/{access}"""
    credentials.delete_ec2(act, user_id, access)


def exchange(call: Call, body: v3.Signed) -> Issued:
    """POST /v2.0/ec2tokens, for services: a token of the one who signed."""
    return told(call, ec2.log_in(call, body))
