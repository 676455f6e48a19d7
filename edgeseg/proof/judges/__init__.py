"""What a comparison must satisfy: one small judge a limit, and the gates made of them."""
