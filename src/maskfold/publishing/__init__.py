"""Exported models at an address, where others take them from."""
