# SPDX-License-Identifier: Apache-2.0
"""Images' long operations."""

from virga.services.images.sagas.import_image import IMPORT

SAGAS = (IMPORT,)
