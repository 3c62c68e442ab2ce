# SPDX-License-Identifier: Apache-2.0
"""`python -m virga`"""

from virga.cli.main import main

main()
