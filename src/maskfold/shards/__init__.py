"""Labelled photos as LitData folders, one a month: many photos to a file, in a folder or at an address."""
