"""What `dlc explain` and `dlc doc` say, and the pages of the site made of the same: Markdown, from the
definitions and from the pages of the codes."""
