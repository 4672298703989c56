"""Findings about pairs of photo and mask, near-copies, and the audit of the split."""
