"""The stages of a node's life, in the order in which `odibi.node.execute` calls them."""
