"""What pictures show beside what a network says of them."""
