"""A project's own functions, in the way of Odibi 3.x."""

from odibi import transform


@transform
def only_region(context, region, smallest=0):  # type: ignore[no-untyped-def]  # as users write
    """Sales of one region, without the small ones."""
    df = context.df
    return df[(df["region"] == region) & (df["amount"] >= int(smallest))]
