"""`python -m cdshooks` is the command line."""

from .cli import main

main(prog_name="cdshooks")
