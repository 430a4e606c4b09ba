"""Parser: source text to syntax tree, with hints for syntax errors."""
