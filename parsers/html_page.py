"""An HTML page that needs nothing else: the style and the pictures are inside, and there are no scripts."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

_CSS = """
:root { color-scheme: light dark; --ink: #1d2127; --page: #ffffff; --line: #c9cfd6; --soft: #545c66; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --page: #16191d; --line: #454d57; --soft: #aab2bc; } }
body { color: var(--ink); background: var(--page); font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding-bottom: .4rem; }
th, td { text-align: right; padding: .25rem .7rem; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; overflow-wrap: anywhere; }
figure { margin: 1rem 0; break-inside: avoid; } img { max-width: 100%; height: auto; background: #ffffff; }
figcaption { color: var(--soft); }
@media print { :root { --ink: #000000; --page: #ffffff; --line: #999999; --soft: #333333; } body { max-width: none; } }
""".strip()


def html_page(title: str, body: Iterable[str]) -> str:
    """Write a page from pieces of HTML; the title is plain text."""
    told = "\n".join(body)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{_CSS}\n</style>\n</head>\n"
        f"<body>\n<main>\n{told}\n</main>\n</body>\n</html>\n"
    )


def html_figure(png: bytes, alternative: str, caption: str) -> str:
    """Put a picture on the page; both texts are plain."""
    data = base64.b64encode(png).decode()
    return (
        f'<figure><img src="data:image/png;base64,{data}" alt="{escape(alternative)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def html_table(caption: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Put a table on the page; all texts are plain."""
    head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in headings)
    lines = "\n".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f'<div class="wide"><table><caption>{escape(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{lines}\n</tbody></table></div>"
    )
