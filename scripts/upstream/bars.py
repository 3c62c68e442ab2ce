# SPDX-License-Identifier: Apache-2.0
"""Bars on a logarithmic scale, as an SVG that needs nothing to be shown."""

from __future__ import annotations

import math
from html import escape

LEFT, RIGHT, WIDE, THICK, GAP = 230, 60, 900, 9, 11
UP, US = "#9aa5b1", "#0b6e99"


def picture(bars: list[tuple[str, str, float, float]], caption: str) -> str:
    """(family, request, upstream's ms, our ms) → the text of an SVG, a pair of bars each, the ratio at the end of the longer one."""
    low = 10 ** math.floor(math.log10(min(min(b[2:]) for b in bars)))
    high = 10 ** math.ceil(math.log10(max(max(b[2:]) for b in bars)))
    span = WIDE - LEFT - RIGHT

    def x(ms: float) -> float:
        return LEFT + span * math.log10(ms / low) / math.log10(high / low)

    out, y, family = [], 92.0, ""
    for kind, name, up, us in bars:
        if kind != family:
            y += 12
            out.append(f'<text x="16" y="{y + 6:.0f}" class="f">{escape(kind)}</text>')
            y, family = y + 16, kind
        out.append(f'<text x="{LEFT - 8}" y="{y + THICK + 4:.0f}" class="n">{escape(name)}</text>')
        for ms, color, at in ((up, UP, y), (us, US, y + THICK + 1)):
            out.append(
                f'<rect x="{LEFT}" y="{at:.0f}" width="{max(x(ms) - LEFT, 1):.1f}" height="{THICK}" fill="{color}"/>'
            )
        ratio = up / us
        out.append(f'<text x="{x(max(up, us)) + 6:.1f}" y="{y + THICK + 4:.0f}" class="r">{ratio:.3g}×</text>')
        y += 2 * THICK + GAP
    grid = []
    for power in range(round(math.log10(low)), round(math.log10(high)) + 1):
        at, words = x(10.0**power), f"{10.0**power:g}"
        grid.append(f'<line x1="{at:.1f}" y1="86" x2="{at:.1f}" y2="{y:.0f}" stroke="#d9dee3"/>')
        grid.append(f'<text x="{at:.1f}" y="80" class="s">{words}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {y + 16:.0f}" width="{WIDE}" height="{y + 16:.0f}" '
        'font-family="DejaVu Sans, Helvetica, Arial, sans-serif" font-size="12" fill="#1f2933">\n'
        "<style>.n{text-anchor:end}.s{text-anchor:middle;fill:#616e7c;font-size:11px}.r{font-weight:bold}"
        ".f{font-weight:bold;font-size:13px;fill:#52606d}.t{font-size:16px;font-weight:bold}</style>\n"
        f'<rect width="{WIDE}" height="{y + 16:.0f}" fill="#ffffff"/>\n'
        '<text x="16" y="26" class="t">Processor time per request, milliseconds (log scale): shorter is better</text>\n'
        f'<rect x="16" y="40" width="12" height="12" fill="{UP}"/><text x="34" y="51">upstream OpenStack</text>'
        f'<rect x="180" y="40" width="12" height="12" fill="{US}"/><text x="198" y="51">Virga</text>'
        f'<text x="260" y="51" fill="#616e7c">{escape(caption)}; all processes of each side, database and broker included</text>\n'
        + "\n".join(grid + out)
        + "\n</svg>\n"
    )
