"""What the commands share: reading their arguments, errors, progress, tables, files written."""
