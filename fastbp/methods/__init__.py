"""What a `Network` can do beyond training and predicting, a class for each topic, from which `Network` inherits."""
