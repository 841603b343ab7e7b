"""Writes into its log what should not come out of it as it is.

usage: talk.py KIND
"""

import sys
from pathlib import Path

MIB = 1024 * 1024
TOKEN = b"hutch_" + b"Aa1" * 15 + b"Z"
SIGNED = (
    b"http://store/b/k?X-Amz-Credential=KEYKEYKEYKEYKEYKEYKE%2F20260101%2Fus-east-1"
    b"&X-Amz-Signature=" + b"0123456789abcdef" * 4
)


def tricks() -> bytes:
    """What a terminal would obey, and what looks like a secret."""
    return b"\n".join(
        (
            b"colour \x1b[31mred\x1b[0m",
            b"title \x1b]0;owned\x07after title",
            b"clipboard \x1b]52;c;cm0gLXJmIC8=\x1b\\after clipboard",
            b"unended \x1b]0;owned",
            b"next line is there",
            b"eight \xc2\x9b31mbits\xc2\x9c",
            b"nested \x1b\x1b[[31mred",
            b"back\x08\x08\x08\x08space bell\x07 null\x00 device \x1bP1q\x1b\\",
            b"over\rwritten",
            b"token " + TOKEN,
            b"divided hutch_\x00" + TOKEN[6:],
            b"coloured hutch_Aa\x1b[31m" + TOKEN[8:],
            b"signed " + SIGNED,
            b"bytes \xff\xfe\xc3(",
            b"last line without an end",
        )
    )


def much() -> bytes:
    """100 MiB in lines."""
    line = b"x" * 1_023 + b"\n"
    for _ in range(100):
        sys.stdout.buffer.write(line * 1_024)
    return b"the end\n"


def nothing() -> bytes:
    """Characters that are not kept, more than are kept of any."""
    for _ in range(24):
        sys.stdout.buffer.write((b"\x00" * 1_023 + b"\n") * 1_024)
    return b"the end\n"


def long_line() -> bytes:
    """A line of 20 MiB with secrets in it."""
    piece = b"y" * (1_000 - len(TOKEN)) + TOKEN
    for _ in range(20 * MIB // len(piece)):
        sys.stdout.buffer.write(piece)
    return b"\nthe end\n"


KINDS = {"tricks": tricks, "much": much, "nothing": nothing, "long-line": long_line}
sys.stdout.buffer.write(KINDS[sys.argv[1]]())
sys.stdout.flush()
Path("/out/a").write_bytes(b"a")
