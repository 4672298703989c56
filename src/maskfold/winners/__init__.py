"""What hosts ask of winners: the model summary and what goes with the code, filled from what runs left behind."""
