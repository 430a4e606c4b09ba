"""From graph to graph, and from program to warnings."""
