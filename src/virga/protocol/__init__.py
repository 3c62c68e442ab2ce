# SPDX-License-Identifier: Apache-2.0
"""What control and nodes say to each other: frozen messages, and the topics they travel on. It is the only thing that both sides import;
neither knows the other's drivers, paths or functions. A message may gain fields with defaults within a version; whoever reads it passes
over fields that it does not know. Anything else is a new `VERSION`, which a node says when it says hello."""

VERSION = 1
