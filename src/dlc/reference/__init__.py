"""The Markdown pages of `dlc explain`, of `dlc doc` and of the site.

They are made from the definitions and from the pages of the codes.
"""
