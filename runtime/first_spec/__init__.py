"""A first spec for a file of rows (`dlc new`): what the columns hold, what they become, and the text."""
