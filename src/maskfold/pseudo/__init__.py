"""Pseudo-labels: masks that an ensemble made of photos without any, and the record of who made them."""
