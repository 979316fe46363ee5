"""Python steps of this project: a function with @transform can be named in odibi.yaml."""

import pyarrow as pa
import pyarrow.compute as pc

from odibi import transform


@transform
def tidy_names(customers: pa.Table) -> pa.Table:
    """Names without stray spaces; the annotation asks for an Arrow table."""
    names = pc.utf8_trim_whitespace(customers["name"])
    return customers.set_column(customers.schema.get_field_index("name"), "name", names)
