"""Steps of this project that are clearer in Python than in SQL."""

import unicodedata

import pyarrow as pa

from odibi import transform


@transform
def clean_names(table: pa.Table, columns: list[str]) -> pa.Table:
    """One spelling for the same text (Unicode NFC), without control and invisible format characters.

    Restaurants type their own names: `é` comes as one character or as two, and some names hold characters
    that change the direction of the text around them.
    """
    for column in columns:
        cleaned = [None if name is None else _clean(name) for name in table[column].to_pylist()]
        position = table.column_names.index(column)
        table = table.set_column(position, column, pa.array(cleaned, pa.string()))
    return table


def _clean(name: str) -> str:
    visible = (char for char in name if unicodedata.category(char) not in ("Cc", "Cf"))
    return unicodedata.normalize("NFC", "".join(visible)).strip()
