"""Pattern `date_dimension`: a calendar, one row a day."""

from __future__ import annotations

from datetime import date

from pydantic import field_validator, model_validator

from odibi.transforms.examples import Example, Table
from odibi.transforms.registry import BuildContext, Builtin, builtin, param

__all__ = ["DateDimension"]

_COLUMNS = (
    "date_sk BIGINT, full_date DATE, day_of_week, day_of_week_num BIGINT, day_of_month BIGINT, "
    "day_of_year BIGINT, is_weekend BOOLEAN, week_of_year BIGINT, month BIGINT, month_name, "
    "quarter BIGINT, quarter_name, year BIGINT, fiscal_year BIGINT, fiscal_quarter BIGINT, "
    "is_month_start BOOLEAN, is_month_end BOOLEAN, is_year_start BOOLEAN, is_year_end BOOLEAN"
)


@builtin(
    "date_dimension",
    kind="pattern",
    cardinality="changes",
    summary="A calendar table, one row a day.",
)
class DateDimension(Builtin):
    """Weeks are ISO weeks (Monday is day 1); a fiscal year is named by the year in which it ends."""

    start_date: str = param("First day, YYYY-MM-DD.")
    end_date: str = param("Last day, YYYY-MM-DD.")
    fiscal_year_start_month: int = param(
        "Month (1–12) in which the fiscal year begins.", 1, ge=1, le=12
    )
    unknown_member: bool = param("Add the row for unknown dates: date_sk 0, 1900-01-01.", False)

    EXAMPLE = Example(
        params={
            "start_date": "2024-12-31",
            "end_date": "2025-01-01",
            "fiscal_year_start_month": 7,
            "unknown_member": True,
        },
        df=Table("nothing"),
        result=Table(
            _COLUMNS,
            [
                (20241231, "2024-12-31", "Tuesday", 2, 31, 366, False, 1, 12, "December", 4, "Q4",
                 2024, 2025, 2, False, True, False, True),
                (20250101, "2025-01-01", "Wednesday", 3, 1, 1, False, 1, 1, "January", 1, "Q1",
                 2025, 2025, 3, True, False, True, False),
                (0, "1900-01-01", "Unknown", 0, 0, 0, False, 0, 0, "Unknown", 0, "Unknown",
                 0, 0, 0, False, False, False, False),
            ],
        ),
    )  # fmt: skip

    @field_validator("start_date", "end_date")
    @classmethod
    def _is_date(cls, value: str) -> str:
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            raise ValueError(f"{value!r} is no date: write YYYY-MM-DD") from None

    @model_validator(mode="after")
    def _in_order(self) -> DateDimension:
        if self.start_date > self.end_date:
            raise ValueError(f"start_date {self.start_date} is after end_date {self.end_date}")
        return self

    def build(self, ctx: BuildContext) -> str:
        shift = 13 - self.fiscal_year_start_month if self.fiscal_year_start_month > 1 else 0
        fiscal = f"d + INTERVAL {shift} MONTH"
        days = f"""SELECT CAST(strftime(d, '%Y%m%d') AS BIGINT) AS date_sk, d AS full_date,
  dayname(d) AS day_of_week, isodow(d) AS day_of_week_num, day(d) AS day_of_month, dayofyear(d) AS day_of_year,
  isodow(d) >= 6 AS is_weekend, week(d) AS week_of_year, month(d) AS month, monthname(d) AS month_name,
  quarter(d) AS quarter, 'Q' || quarter(d) AS quarter_name, year(d) AS year,
  year({fiscal}) AS fiscal_year, quarter({fiscal}) AS fiscal_quarter,
  day(d) = 1 AS is_month_start, d = last_day(d) AS is_month_end,
  dayofyear(d) = 1 AS is_year_start, (month(d) = 12 AND day(d) = 31) AS is_year_end
FROM (SELECT CAST(unnest(range(DATE '{self.start_date}', DATE '{self.end_date}' + INTERVAL 1 DAY, INTERVAL 1 DAY)) AS DATE) AS d)"""
        return f"{days}\nUNION ALL\n{_UNKNOWN}" if self.unknown_member else days


_UNKNOWN = (
    "SELECT 0, DATE '1900-01-01', 'Unknown', 0, 0, 0, FALSE, 0, 0, 'Unknown', 0, 'Unknown', 0, 0, 0, "
    "FALSE, FALSE, FALSE, FALSE"
)
