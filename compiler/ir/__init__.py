"""The graph (intermediate representation): values, nodes, types and unique names."""
