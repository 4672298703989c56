"""Masks, cut-outs and quality over HTTP."""
