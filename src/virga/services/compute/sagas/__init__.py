# SPDX-License-Identifier: Apache-2.0
"""Compute's long operations."""

from virga.services.compute.sagas.create_server import CREATE_SERVER, CREATE_VERIFIED_SERVER
from virga.services.compute.sagas.delete_server import DELETE_SERVER
from virga.services.compute.sagas.power import CHANGE_POWER
from virga.services.compute.sagas.snapshot import CREATE_IMAGE

SAGAS = (CREATE_SERVER, DELETE_SERVER, CHANGE_POWER, CREATE_IMAGE, CREATE_VERIFIED_SERVER)
