"""Names that a file of a dataset must never have, and what a disk can hold of them."""

from pathlib import Path

NOWHERE = {
    "nothing": "",
    "a dot": ".",
    "two dots": "..",
    "up": "../evil",
    "up and up": "../../../../../../../../tmp/evil",
    "up in the middle": "a/../../evil",
    "up at the end": "a/..",
    "a dot in the middle": "a/./b",
    "dots and a blank": "a/.. /evil",
    "dots after a wide blank": "\u3000../evil",
    "absolute": "/etc/evil",
    "absolute twice": "//etc/evil",
    "a file URL's path": "///etc/evil",
    "a slash at the end": "a/",
    "two slashes": "a//b",
    "only a slash": "/",
    "only a blank": " ",
    "an empty-looking segment": "a/\u2003/b",
    "NUL": "a\0b",
    "NUL at the end": "good\0",
    "half a letter": "a\ud800",
    "the other half": "\udcffevil",
    "hutch's own": ".hutch",
    "hutch's own journal": ".hutch/journal.sqlite",
    "hutch's own settings": ".hutch/config.json",
    "hutch's own, shouted": ".HUTCH/config.json",
    "hutch's own, mixed": ".Hutch/tmp/evil",
    "65 deep": "/".join("d" * 65),
    "2,000 deep": "/".join("d" * 2_000),
    "a long segment": "x/" + "n" * 256,
    "a long segment of few letters": "ä" * 128,
    "long in all": "/".join("n" * 200 for _ in range(5)),
    "a megabyte": "n" * 1_000_000,
}
"""Those that no disk would hold as one name, or that lead elsewhere."""
ODD = {
    "a backslash": "a\\b",
    "up, in the other way": "..\\evil",
    "a share of Windows": "\\\\host\\share\\evil",
    "a drive and a backslash": "C:\\evil",
    "a line feed": "line\nbreak",
    "a carriage return": "good\revil",
    "a tab": "a\tb",
    "a bell": "a\x07",
    "delete": "a\x7f",
    "a title for the terminal": "\x1b]0;evil\x07",
    "a clean screen": "\x1b[2Jevil",
    "one byte's escape": "a\x9b2J",
    "next line": "a\x85b",
    "a line separator": "a\u2028b",
    "a paragraph separator": "a\u2029b",
    "right to left": "abc\u202egnp.exe",
    "an isolate": "a\u2066b\u2069",
    "a mark": "a\u200fb",
    "an Arabic mark": "a\u061cb",
    "no character": "a\ufdd0",
    "no character of plane 1": "a\U0001fffe",
    "apart": "e\u0301",
    "apart, in Korean": "\u1112\u1161\u11ab",
    "another ohm": "\u2126",
    "another angstrom": "\u212b",
    "MinIO's directory": "a__XLDIR__",
    "SeaweedFS's versions": "a.versions",
    "SeaweedFS's uploads": ".uploads",
}
"""Those that a disk can hold, but that no dataset does."""
UNPORTABLE = {
    "a drive": "C:evil",
    "a stream": "good.txt:evil",
    "the console": "CON",
    "the console with an ending": "con.txt",
    "nothing at all": "NUL",
    "a printer": "a/LPT1",
    "a port": "COM¹.dat",
    "the console's input": "CONIN$",
    "a dot at the end": "evil.",
    "a blank at the end": "evil ",
    "blank and dot": "a/evil. .",
    "a star": "*",
    "a question": "what?",
    "a quote": 'say "x"',
    "a pipe": "a|b",
    "smaller": "a<b",
    "larger": "a>b",
}
"""Those that Windows cannot hold, or takes for something else."""
LOOKALIKES = {
    "a slash that is none": "a\u2215..\u2215evil",
    "a wide slash": "a\uff0f..\uff0fevil",
    "dots that are none": "\u2024\u2024/evil",
    "wide dots": "\uff0e\uff0e/evil",
    "a Cyrillic a": "\u0430bc",
    "without width": "a\u200bb",
    "encoded": "%2e%2e%2fevil",
    "encoded twice": "%252e%252e%252fevil",
    "a tilde": "~/evil",
    "a variable": "$HOME/evil",
    "an option": "--delete",
    "a dash": "-",
    "a substitution": "$(touch evil)",
    "three dots": ".../evil",
    "hutch's own below": "a/.hutch/config.json",
}
"""Those that are ordinary names, whatever they look like."""
TWINS = {
    "case": ("Scan.h5", "scan.h5"),
    "a directory's case": ("RAW/a", "raw/b"),
    "sharp s": ("stra\u00dfe", "strasse"),
    "final sigma": ("\u03c3\u03c2", "\u03c3\u03c3"),
    "Kelvin": ("k", "\u212a"),
    "a ligature": ("\ufb01le", "file"),
    "a file and its directory": ("a", "a/b"),
    "a directory and its file": ("a/b", "a"),
    "deep below a file": ("a/b", "a/b/c/d/e"),
    "the same twice": ("a", "a"),
}
"""Pairs that one disk or one store cannot hold together."""


def picture(root: Path) -> dict[str, tuple[int, bytes | str | None, int]]:
    """Take down all that is below a directory: kinds, contents, targets, times."""
    found: dict[str, tuple[int, bytes | str | None, int]] = {}
    for path in sorted([root, *root.rglob("*")]):
        stat = path.lstat()
        content: bytes | str | None = None
        if path.is_symlink():
            content = str(path.readlink())
        elif path.is_file():
            content = path.read_bytes()
        found[str(path)] = (stat.st_mode, content, stat.st_mtime_ns)
    return found
