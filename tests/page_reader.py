"""A page as a browser would read it."""

import html.parser


class Page(html.parser.HTMLParser):
    """Read a page as a browser would; every tag must be closed in its place."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.words, self.rows, self._open = [], [], [], []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        assert not self._open
        self.text = " ".join(" ".join(self.words).split())
        self.cells = {row[0]: row[1:] for row in self.rows}

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if "style" not in self._open:
            self.words.append(data)
        if "tr" in self._open:
            self.rows[-1][-1] += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]
