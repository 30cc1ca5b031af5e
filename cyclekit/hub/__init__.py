"""Trained runs passed on: a card that says what they are, and a hub that keeps them."""
