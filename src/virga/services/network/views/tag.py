# SPDX-License-Identifier: Apache-2.0
"""Tags as Neutron prints them."""

from __future__ import annotations

from virga.ground.http.call import Call
from virga.services.network import answers


def tags(names: list[str], _: Call) -> answers.TagsAnswer:
    return answers.TagsAnswer(tags=names)
