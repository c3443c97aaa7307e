"""What can be asked of facts as of a moment, and the answers, whoever gives them."""
