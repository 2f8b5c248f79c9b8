"""Names that end comments, strings, table cells and lines if they are written without escaping."""

CANARY = "CANARY"
"""Part of the names below: if it appears as code, a name was executed."""

PRINTABLE = (
    '*/ int CANARY; /*/ // CANARY " CANARY ; touch CANARY # $(touch CANARY) `touch CANARY` '
    "$(shell touch CANARY) ${CANARY} ]]CANARY --> <script>CANARY</script> & [bold]CANARY[/bold] "
    ":warning: {{ 7*7 }} %s ??/ it's \\"
)
"""Legal names with code of many languages."""

HIDDEN = (
    "\x1b[2Kred",
    "over\rwritten",
    "two\nn2uqc: error: lines",
    "nul\x00",
    "bell\x07",
    "c1\x9b31m",
    "delete\x7f",
    "right\u202eto left",
    "isolate\u2066d",
    "zero\u200bwidth",
    "joined\u200d",
    "mark\ufeff",
    "line\u2028end",
    "filler\u3164",
    "tag\U000e0041",
)
"""Illegal names: they hold characters that control the display."""


def acts(text: str) -> set[str]:
    """Return the characters of a command's output that control the display, except line ends.

    They are listed by code point, independently of the code under test.
    """
    ranges = (
        *((0x00, 0x09), (0x0B, 0x1F), (0x7F, 0x9F), (0x200B, 0x200F), (0x2028, 0x202E)),
        *((0x2060, 0x206F), (0xD800, 0xDFFF), (0xFEFF, 0xFEFF), (0x3164, 0x3164)),
        (0xE0000, 0xE007F),
    )
    return {c for c in text if any(low <= ord(c) <= high for low, high in ranges)}
