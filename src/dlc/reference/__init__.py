"""What `dlc explain` and `dlc doc` say, which is what the pages of `docs/` hold too: Markdown, made from the
definitions and from the pages of the codes."""
