from __future__ import annotations

from html.parser import HTMLParser

from parsers.html_page import html_figure, html_page, html_table


class Seen(HTMLParser):
    """Notes the tags of a page, and its words."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def seen(html: str) -> Seen:
    parser = Seen()
    parser.feed(html)
    return parser


def test_texts_are_plain_whatever_they_hold():
    table = html_table("a < b", ["x & y"], [["<script>"], ['"quoted"']])

    assert seen(table).tags == ["div", "table", "caption", "thead", "tr", "th", "tbody", "tr", "td", "tr", "td"]
    assert [word.strip() for word in seen(table).words if word.strip()] == ["a < b", "x & y", "<script>", '"quoted"']


def test_a_picture_is_inside_the_page():
    figure = html_figure(b"\x89PNG", 'a "plot"', "what it shows")

    assert 'src="data:image/png;base64,iVBORw=="' in figure
    assert 'alt="a &quot;plot&quot;"' in figure


def test_a_page_needs_nothing_from_elsewhere():
    page = html_page("T & T", ["<h1>T</h1>", html_table("t", ["a"], [["1"]])])

    assert "<title>T &amp; T</title>" in page
    assert "http" not in page
    assert {"script", "link"}.isdisjoint(seen(page).tags)
