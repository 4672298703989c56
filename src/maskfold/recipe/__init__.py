"""Experiments and an ensemble for the data, the device and the hours that there are, by rules that give reasons."""
