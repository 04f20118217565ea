"""What people give and where from: files, lists and data sets; addresses and what is fetched from them."""
