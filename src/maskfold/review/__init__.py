"""The screen on which masks are corrected, and what it leaves."""
