"""Code for the schedulers that people already run: Airflow, Dagster, GitHub Actions."""
