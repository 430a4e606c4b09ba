"""The page that explains runs: `dlc report`. One HTML file without scripts, which needs no network."""
