"""The table of techniques: what each gains over a base, with its interval and its costs."""
