"""The graph: values, nodes, types and unique names."""
