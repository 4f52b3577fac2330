"""Text that came from data, made safe to show: what would act on a terminal or on a table is written as its escape.

File names, field names, names of other packages' codecs and texts of errors hold whatever their authors put there. A
control character could move the cursor or set a title, a newline could forge a line of output, a bidirectional override
turns what follows around, and a lone surrogate cannot be written as UTF-8 at all.

Source: Unicode's general categories; Unicode Technical Report 36, "Bidirectional Text Spoofing".
"""

import re
import unicodedata

ACTING = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Categories of what acts: controls, formats (bidirectional ones among them), surrogates, ends of lines."""
LINKING = re.compile(r"\](?=[(:[])|:/(?=/)|www(?=\.)", re.IGNORECASE)
"""What makes a link of what follows it in Markdown; a backslash between the two takes that away."""
JOINERS = "\u200c\u200d"
"""Formats that scripts and emoji are written with."""


def visible(text: str, keep: str = "") -> str:
    r"""Return a text in which nothing acts: ESC is written as `\x1b`, a newline as `\n`, a lone surrogate as `\ud83d`.

    Args:
        text: from data.
        keep: characters that stay as they are all the same, such as the newlines of a text of several lines.

    Returns:
        The text, which can be written in any encoding of Unicode.
    """
    if text.isprintable():
        return text
    return "".join(ascii(one)[1:-1] if _acts(one) and one not in keep else one for one in text)


def inline(text: str) -> str:
    """Return a text from data for a line of Markdown: no tag begins in it, no link, no picture and no other line.

    Source of what becomes a link without brackets: GitHub Flavored Markdown, "Autolinks (extension)".
    """
    escaped = LINKING.sub(r"\g<0>\\", visible(text).replace("<", "&lt;"))
    return re.sub(r"(?<=[\w.+-])@(?=\w)", "<!-- -->@", escaped)


def _acts(character: str) -> bool:
    """Return whether a character does something in place of being shown."""
    return unicodedata.category(character) in ACTING and character not in JOINERS
