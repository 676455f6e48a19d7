"""What happens, said in one place, whoever reads it or not."""
