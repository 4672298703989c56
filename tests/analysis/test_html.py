"""Pages: what is escaped, and that nothing points outside."""

import base64
import re

import numpy as np
import pandas as pd
import simplejpeg
from matplotlib.figure import Figure

from maskfold.analysis.html import Html, chart, element, page, photo, sentence, table

NASTY = "<script>\"&'</script>"
ESCAPED = "&lt;script&gt;&quot;&amp;&#x27;&lt;/script&gt;"


def test_text_and_attributes_are_escaped_and_html_is_not():
    assert element("p", NASTY, title=NASTY) == f'<p title="{ESCAPED}">{ESCAPED}</p>'
    assert element("p", element("b", "a"), Html("<hr>"), class_="x", id=None) == '<p class="x"><b>a</b><hr></p>'


def test_a_name_is_escaped_wherever_it_stands():
    picture = photo(np.zeros((4, 6, 3), np.uint8), alt=NASTY, caption=NASTY)
    whole = page(NASTY, table(pd.DataFrame({NASTY: [NASTY]})), picture, chart(Figure(), alt=NASTY))

    assert whole.count(ESCAPED) == 6
    assert "<script" not in whole


def test_a_picture_is_inside_the_page():
    image = np.full((4, 6, 3), 200, np.uint8)

    found = re.search(
        r'src="data:image/jpeg;base64,([^"]+)" alt="a photo" width="6" height="4"',
        photo(image, alt="a photo", caption=""),
    )

    decoded = simplejpeg.decode_jpeg(base64.b64decode(found[1]))
    assert np.abs(decoded.astype(int) - 200).max() <= 2


def test_a_page_loads_nothing():
    whole = page("title", element("p", "text"))

    assert whole.startswith('<!doctype html>\n<html lang="en"><head><meta charset="utf-8">')
    assert not re.search(r"https?:|<link|<script|@import|url\(", whole)


def test_one_row_of_a_table_is_stressed():
    made = table(pd.DataFrame({"": ["a", "b"], "x": ["1", "2"]}), strong=1)

    assert '<tr><td>a</td><td>1</td></tr><tr class="strong"><td>b</td><td>2</td></tr>' in made


def test_what_stands_between_backticks_is_code():
    assert sentence("run `make <x>` & wait") == "run <code>make &lt;x&gt;</code> &amp; wait"
