"""What a page is: its shape, its configuration, its bytes, and the facts it is made from."""
