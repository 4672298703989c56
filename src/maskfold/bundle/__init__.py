"""An ensemble as one folder that predicts where there is no internet, and its rehearsal with the network cut off.

`run.py` goes into every bundle as it is, `watch.py` into every rehearsal: both use the standard library alone.
"""
