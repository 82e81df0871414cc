"""First derivatives beside the gradient: of every sample's cost, of costs by inputs, of outputs and layers."""

from fastbp.methods.base import HasModel


class FirstOrder(HasModel):
    """What a network says of its first derivatives."""
