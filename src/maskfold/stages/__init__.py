from maskfold.memory import pause_collection

pause_collection()  # of a command; where it begins it resumes it
