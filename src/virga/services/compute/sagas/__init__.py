# SPDX-License-Identifier: Apache-2.0
"""Compute's long operations."""

from virga.services.compute.sagas.build import CREATE_SERVER, CREATE_VERIFIED_SERVER
from virga.services.compute.sagas.erase import DELETE_SERVER
from virga.services.compute.sagas.image import CREATE_IMAGE
from virga.services.compute.sagas.power import CHANGE_POWER

SAGAS = (CREATE_SERVER, DELETE_SERVER, CHANGE_POWER, CREATE_IMAGE, CREATE_VERIFIED_SERVER)
