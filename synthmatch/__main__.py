"""Lets `python -m synthmatch` do what the `synthmatch` command does."""

from synthmatch.cli import main

if __name__ == "__main__":
    main()
