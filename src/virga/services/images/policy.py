# SPDX-License-Identifier: Apache-2.0
"""Images' rules, by Glance's names."""

from __future__ import annotations

from virga.authority.rules import ADMIN, MEMBER, READER, SCOPED, Rule, role

GET_IMAGES = Rule("get_images", ADMIN | SCOPED, "List images")
GET_IMAGE = Rule("get_image", READER, "Show an image")
ADD_IMAGE = Rule("add_image", ADMIN | (role("member") & SCOPED), "Create an image")
UPLOAD_IMAGE = Rule("upload_image", MEMBER, "Upload an image's bytes")
DOWNLOAD_IMAGE = Rule("download_image", ADMIN | SCOPED, "Download an image's bytes")
MODIFY_IMAGE = Rule("modify_image", MEMBER, "Change an image")
DELETE_IMAGE = Rule("delete_image", MEMBER, "Delete an image")
PUBLICIZE_IMAGE = Rule("publicize_image", ADMIN, "Make an image public")
SET_OWNER = Rule("set_image_owner", ADMIN, "Give an image to another project")
