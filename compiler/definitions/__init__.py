"""Definitions of the language: settings, parameter types, sections, initializers and aliases."""
