"""odibi: declare data pipelines in YAML, run them on DuckDB, pandas or Spark, read the story of every run."""

__version__ = "0.1.0"
