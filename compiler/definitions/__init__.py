"""How words of the language are defined: settings, their parameter types, sections, aliases."""
