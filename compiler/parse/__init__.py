"""From text to the syntax tree, with hints for what the grammar does not know."""
