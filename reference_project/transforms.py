"""Steps of this project that are clearer in Python than in SQL."""

import pyarrow as pa
import pyarrow.compute as pc

from odibi import transform

# control characters, and those that turn the direction of the text around them
STEERING = r"[\p{Cc}\x{200e}\x{200f}\x{202a}-\x{202e}\x{2066}-\x{2069}]"


@transform
def clean_names(table: pa.Table, columns: list[str]) -> pa.Table:
    """One spelling for the same text (Unicode NFC), without characters that steer a screen.

    Restaurants type their own names: `é` comes as one character or as two, and some names hold control
    characters or turn the direction of the text around them.
    """
    for column in columns:
        spelled = pc.utf8_normalize(table[column].cast(pa.string()), form="NFC")
        cleaned = pc.replace_substring_regex(spelled, pattern=STEERING, replacement="")
        table = table.set_column(table.column_names.index(column), column, cleaned)
    return table
