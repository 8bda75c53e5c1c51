"""The subcommands, one module per stage. Only click is imported before a command runs."""
