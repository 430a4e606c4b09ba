"""The formatter (`dlc fmt`), and printers of the syntax tree and the graph."""
