"""The command line: parses arguments, prints, exits; all work is done below."""
