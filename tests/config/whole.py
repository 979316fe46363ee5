"""A valid project that uses nearly every key."""

from __future__ import annotations

WHOLE = """\
project: whole
engine: duckdb
description: every part of the language
version: 1.2.0
owner: data
connections:
  raw: {type: local, base_path: data/raw}
  lake:
    type: local
    base_path: data/lake
  shop: {type: sqlite, path: shop.db}
story: {connection: lake, path: stories, max_sample_rows: 5}
system: {connection: lake}
vars: {day: 2024-01-01, limit: 10, hide: true}
retry: {max_attempts: 2, backoff: linear}
logging: {level: WARNING}
alerts:
  - {type: webhook, url: https://example.com/hook, on_events: [on_failure, on_gate_block]}
performance: {threads: 2, memory_limit: 1GB}
lineage: {url: https://example.com, api_key: k-123456}
environments:
  prod: {connections: {lake: {type: local, base_path: /srv/lake}}}
pipelines:
  - pipeline: bronze
    layer: bronze
    tags: [daily]
    freshness_sla: 6h
    nodes:
      - name: orders
        description: orders as they come
        read:
          connection: raw
          format: csv
          path: orders-*.csv
          filter: amount > 0
          options: {header: true, delimiter: ";", columns: {id: BIGINT, amount: DOUBLE}}
          bad_lines: {on_error: quarantine, connection: lake, path: bad.ndjson, max_rate: 0.1}
        contracts:
          - {type: row_count, min: 1}
        validation:
          mode: fail
          tests:
            - {type: not_null, columns: [id], on_fail: quarantine}
            - {type: unique, columns: [id]}
            - {type: range, column: amount, min: 0, max: 1e6}
            - {type: accepted_values, column: state, values: [paid, open, 3]}
            - {type: regex_match, column: code, pattern: "[A-Z]+"}
            - {type: custom_sql, condition: amount < 9, threshold: 0.5}
            - {type: freshness, column: at, max_age: 24h}
            - {type: distribution, column: amount, metric: mean, threshold: "> 100"}
            - {type: schema, strict: false}
            - {type: volume_drop}
          quarantine: {connection: lake, path: rejected, add_columns: {original_node: true}}
          gate:
            require_pass_rate: 0.9
            thresholds: [{test: unique, min_pass_rate: 1.0}]
            row_count: {min: 1, change_threshold: 0.5}
        columns:
          id: {description: key, pii: true, tags: [a]}
        sensitive: [amount]
        write: {connection: lake, format: parquet, path: orders, partition_by: [day], add_metadata: {source_file: true}}
      - name: payments
        read: {connection: shop, format: sql, query: SELECT * FROM payments}
        privacy: {method: hash, salt: pepper-and-salt, declassify: [id]}
        timeout: 5m
        retry: {max_attempts: 1}
        write: {connection: lake, format: delta, path: payments, mode: upsert, merge_keys: [id]}
  - pipeline: silver
    nodes:
      - name: paid
        inputs:
          orders: $bronze.orders
          payments: $bronze.payments
          zones: {connection: raw, format: json, path: zones.json}
        transform:
          steps:
            - SELECT * FROM orders
            - {sql: SELECT * FROM df WHERE id > 1}
            - {function: deduplicate, params: {keys: [id]}}
            - {operation: drop, params: {columns: [x]}}
        sensitive: ${vars.hide}
      - name: dim
        depends_on: [paid]
        pattern: {type: dimension, params: {natural_key: id, surrogate_key: sk}}
        on_error: ignore
        pre_sql: [SET x = 1]
        enabled: false
"""
