# SPDX-License-Identifier: Apache-2.0
"""Where a machine goes. Pure: `hints.py` reads what its builder wants of the host (`query.py`: in conditions), `ask.py` says what placement is asked for, `filters.py` which of the hosts found will not do,
`weighers.py` which of the rest is best, `choose.py` puts them in order and says why none will do."""
