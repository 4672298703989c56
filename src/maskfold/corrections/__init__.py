"""What production says back: which network is in use, and whether another one may take its place."""
