"""What commands share: options, output, progress, tables, how they end."""
