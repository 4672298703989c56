"""What stands between the comments is written anew; everything else stays as it was, to the letter."""

import pytest

from maskfold.cards.blocks import block, regenerate
from maskfold.errors import MaskfoldError

DOCUMENT = """# Title

Prose with `<!-- generated: scores -->` in it.
<!-- generated: one two -->
old
<!-- end -->
  <!-- end -->
<!-- generated: three -->
<!-- end -->
Last line"""


def test_only_the_content_of_blocks_changes():
    assert regenerate(DOCUMENT, lambda what: f"new {what}\n\nmore", name="x.md") == (
        DOCUMENT.replace("old\n", "new one two\n\nmore\n").replace("three -->\n", "three -->\nnew three\n\nmore\n")
    )


def test_twice_is_once():
    once = regenerate(DOCUMENT + "\n", lambda _: "| a |\n| --- |", name="x.md")

    assert regenerate(once, lambda _: "| a |\n| --- |", name="x.md") == once
    assert once.endswith("Last line\n")


def test_an_empty_block_is_two_lines():
    assert block("scores") == "<!-- generated: scores -->\n<!-- end -->"


@pytest.mark.parametrize("rest", ["text\n", "text\n<!-- generated: two -->\n<!-- end -->\n", " <!-- end -->\n"])
def test_a_block_without_end_is_named_by_line(rest):
    with pytest.raises(MaskfoldError, match=r"(?s)x\.md:2: <!-- generated: one -->.*has no end"):
        regenerate("a\n<!-- generated: one -->\n" + rest, str, name="x.md")


def test_what_cannot_be_rendered_is_named_by_line():
    def refuse(what):
        raise MaskfoldError(f"{what}: no such block.")

    with pytest.raises(MaskfoldError, match=r"(?s)x\.md:4: .*one two.*no such block"):
        regenerate(DOCUMENT, refuse, name="x.md")
