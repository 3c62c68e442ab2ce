# SPDX-License-Identifier: Apache-2.0
"""`python -m virga`"""

from virga.cli import main

main()
