"""`python -m maskfold` is the command `maskfold`."""

from maskfold.command.main import main

main()
