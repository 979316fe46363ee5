"""Finding who is who: connected components over links between identifiers."""

from __future__ import annotations

from odibi.transforms.examples import Example, Table
from odibi.transforms.registry import BuildContext, Builtin, builtin, param
from odibi.transforms.sql import ident, text

__all__ = ["StitchIdentities"]


@builtin(
    "stitch_identities",
    cardinality="changes",
    summary="Group identifiers that are linked, directly or through others.",
)
class StitchIdentities(Builtin):
    """Connected components: one row for each identifier that occurs in a link, with its group.

    Identifiers are compared as text; a group is named by its smallest member (in byte order). A link
    with one side null makes an identifier known without linking it. Links through something shared
    by strangers (a kiosk, an office address) have to be removed before.
    """

    left: str = param("Column with one end of a link.")
    right: str = param("Column with the other end.")
    node_col: str = param("Result column with the identifier.", "node")
    component_col: str = param("Result column with its group.", "component")

    EXAMPLE = Example(
        params={"left": "a", "right": "b"},
        df=Table("a, b", [("s1", "c1"), ("s2", "c1"), ("s2", "u7"), ("s9", None)]),
        result=Table(
            "node, component",
            [("c1", "c1"), ("s1", "c1"), ("s2", "c1"), ("u7", "c1"), ("s9", "s9")],
        ),
    )

    def build(self, ctx: BuildContext) -> str:
        # Labels spread along links until nothing gets smaller; USING KEY keeps one row a node.
        # Identifiers become dense integers first, in text order, so that the smallest label wins.
        return f"""WITH RECURSIVE _pairs AS MATERIALIZED (
  SELECT DISTINCT {text(ctx.col(self.left))} AS a, {text(ctx.col(self.right))} AS b FROM df
), _nodes AS MATERIALIZED (
  SELECT node, row_number() OVER (ORDER BY node) AS id
  FROM (SELECT a AS node FROM _pairs UNION SELECT b FROM _pairs) WHERE node IS NOT NULL
), _linked AS MATERIALIZED (
  SELECT x.id AS a, y.id AS b FROM _pairs JOIN _nodes AS x ON x.node = _pairs.a JOIN _nodes AS y ON y.node = _pairs.b
  WHERE x.id <> y.id
), _links AS MATERIALIZED (
  SELECT a, b FROM _linked UNION SELECT b, a FROM _linked
), _labels(id, label) USING KEY (id) AS (
  SELECT id, id FROM _nodes
  UNION
  SELECT _links.b, min(_labels.label)
  FROM _labels JOIN _links ON _links.a = _labels.id JOIN recurring._labels AS known ON known.id = _links.b
  GROUP BY _links.b HAVING min(_labels.label) < min(known.label)
)
SELECT _nodes.node AS {ident(self.node_col)}, named.node AS {ident(self.component_col)}
FROM _labels JOIN _nodes ON _nodes.id = _labels.id JOIN _nodes AS named ON named.id = _labels.label"""
