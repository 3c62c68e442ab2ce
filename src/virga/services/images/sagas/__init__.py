# SPDX-License-Identifier: Apache-2.0
"""Images' long operations."""

from virga.services.images.sagas.bring import IMPORT

SAGAS = (IMPORT,)
