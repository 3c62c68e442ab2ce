# SPDX-License-Identifier: Apache-2.0
"""SAML 2.0: believing an identity provider's assertions, and making assertions for other clouds."""
