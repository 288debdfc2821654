"""Tables as CSV that a spreadsheet reads as what they say, and never runs."""

import re

import pandas as pd

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}",
                  "\N{FULLWIDTH HYPHEN-MINUS}", "\N{FULLWIDTH COMMERCIAL AT}")  # fmt: skip
"""What a spreadsheet may take for the beginning of a formula (OWASP, "CSV Injection")."""
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")


def csv_bytes(table: pd.DataFrame) -> bytes:
    """CSV in UTF-8: times in ISO 8601; a text or a heading that begins like a formula gets an apostrophe in front.

    Numbers stay numbers, also where a column of texts holds one.
    """
    plain = table.rename(columns=escape_formula)
    for place, kind in enumerate(plain.dtypes):
        if isinstance(kind, pd.DatetimeTZDtype):
            plain.isetitem(place, plain.iloc[:, place].map(_iso, na_action="ignore").to_list())
        elif not (pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_datetime64_any_dtype(kind)):
            plain.isetitem(place, plain.iloc[:, place].astype(object).map(escape_formula, na_action="ignore").to_list())
    return plain.to_csv(index=False, lineterminator="\n").encode()


def _iso(value: pd.Timestamp) -> str:
    return value.isoformat(timespec="milliseconds")


def escape_formula(value: object) -> object:
    """The value, or a text that no spreadsheet takes for a formula."""
    if not isinstance(value, str):
        return value
    # Only a line feed makes pandas quote a cell; a lone carriage return would begin a row of its own.
    text = value.replace("\r\n", "\n").replace("\r", "\n")
    return f"'{text}" if text.startswith(FORMULA_STARTS) and not _NUMBER.fullmatch(text) else text
