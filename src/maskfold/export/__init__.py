"""A network, or an ensemble's mean, as one file: how it is made, and how it runs without torch."""
