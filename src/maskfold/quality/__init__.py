"""How good a mask is without its truth: measures, calibration, certificates, routes."""
