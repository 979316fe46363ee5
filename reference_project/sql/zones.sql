-- One row a zone out of the FeatureCollection.
SELECT
  CAST(json_extract_string(feature, '$.properties.zone_id') AS BIGINT) AS zone_id,
  json_extract_string(feature, '$.properties.neighbourhood') AS neighbourhood,
  json_extract_string(feature, '$.properties.city') AS city,
  CAST(json_extract(feature, '$.geometry') AS VARCHAR) AS geometry
FROM (SELECT UNNEST(features) AS feature FROM df)
