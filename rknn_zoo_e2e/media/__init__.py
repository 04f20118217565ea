"""Pictures and videos from other machines: addresses, and what is fetched from them."""
