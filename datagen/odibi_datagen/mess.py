"""The dirt in the data: one rate a kind of mistake, all between 0 and 1."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Mess"]


@dataclass(frozen=True, slots=True)
class Mess:
    """How often things go wrong. `Mess.none()` gives clean data."""

    duplicate: float = 0.008
    """Share of feed lines delivered a second time, byte for byte."""
    late: float = 0.02
    """Share of feed records that arrive hours (clicks) or half an hour (pings) late."""
    clock_skew: float = 0.01
    """Share of visits on a device whose clock is off by about a quarter of an hour."""
    truncated: float = 0.0005
    """Share of feed lines cut off before the record ends."""
    wrong_type: float = 0.0003
    """Share of feed lines with a value of the wrong type."""
    unknown_event: float = 0.0005
    """Share of click events with a misspelt event type."""
    null_coordinates: float = 0.004
    """Share of click events and pings without a position."""
    gps_jump: float = 0.001
    """Share of pings whose position leaps far away."""
    latitude_out_of_range: float = 0.0003
    """Share of pings with a latitude beyond the pole."""
    on_border: float = 0.0005
    """Share of pings that lie exactly on a corner of a zone's border."""
    kiosk: float = 0.02
    """Share of visits made on a public device that many strangers use."""
    idle_gap: float = 0.012
    """Share of click events that follow more than half an hour of silence within a visit."""
    hostile_text: float = 0.02
    """Share of searches with markup, formulas, control sequences or emoji in them."""
    failed_payment: float = 0.06
    """Share of orders whose first payment fails and is tried again."""
    cancelled_order: float = 0.05
    """Share of orders that are cancelled and paid back."""
    orphan_payment: float = 0.004
    """Payments for orders that don't exist, as a share of all payments."""
    erased_customer: float = 0.01
    """Share of accounts that were erased on demand: their orders stay, their customer doesn't."""
    negative_price: float = 0.0005
    """Share of menu rows with a minus before the price."""
    late_menu: float = 0.01
    """Share of restaurants' daily menus that come one to three days late, in a later day's file."""
    ragged_row: float = 0.0002
    """Junk lines in menu files, as a share of their rows (at least one a file unless 0)."""

    @classmethod
    def none(cls) -> Mess:
        """No mistakes at all."""
        return cls(**dict.fromkeys(cls.__slots__, 0.0))
