"""Steps of this project that are clearer in Python than in SQL."""

import unicodedata

import pyarrow as pa

from odibi import transform

DIRECTIONS = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@transform
def clean_names(table: pa.Table, columns: list[str]) -> pa.Table:
    """One spelling for the same text (Unicode NFC), without characters that steer a screen.

    Restaurants type their own names: `é` comes as one character or as two, and some names hold control
    characters or turn the direction of the text around them.
    """
    for column in columns:
        cleaned = [None if name is None else _clean(name) for name in table[column].to_pylist()]
        position = table.column_names.index(column)
        table = table.set_column(position, column, pa.array(cleaned, pa.string()))
    return table


def _clean(name: str) -> str:
    kept = (char for char in name if unicodedata.category(char) != "Cc" and char not in DIRECTIONS)
    return unicodedata.normalize("NFC", "".join(kept))
