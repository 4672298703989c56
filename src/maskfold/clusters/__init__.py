"""Kinds of products: features, k-means with examples given by hand, light-coloured products, a page."""
