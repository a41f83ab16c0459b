"""The default solver of Caffe's MNIST example, in optax."""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax


class CaffeSolver(eqx.Module):
    r"""SGD as Caffe does it: the learning rate is inside the velocity.

    $v \leftarrow \mu v + \eta_t (g + \lambda w)$, $w \leftarrow w - v$, with
    $\eta_t = \eta (1 + \gamma t)^{-p}$ ("inv"), and twice that for biases. All numbers
    are traced. Weight decay $\lambda$ reaches the biases too, as in Caffe. In the first
    `warmup` steps the rate is a tenth: not Caffe's, for losses whose first steps at the
    full rate would silence all features.
    """

    rate: float | jax.Array = 0.01
    momentum: float | jax.Array = 0.9
    decay: float | jax.Array = 5e-4
    gamma: float | jax.Array = 1e-4
    power: float | jax.Array = 0.75
    warmup: int | jax.Array = 0

    def optimizer(self) -> optax.GradientTransformation:
        """As an optax transformation."""

        def rate(step):
            passed = self.gamma * jnp.asarray(step, jnp.float32)
            share = jnp.where(step < self.warmup, 0.1, 1.0)
            return share * self.rate * (1 + passed) ** -self.power

        return optax.chain(
            optax.add_decayed_weights(self.decay),
            optax.masked(optax.scale(2.0), biases),
            optax.scale_by_learning_rate(rate),
            optax.trace(self.momentum),
        )


def biases(weights):
    """Which leaves are biases."""
    is_bias = lambda path, _: "bias" in jax.tree_util.keystr(path)
    return jax.tree_util.tree_map_with_path(is_bias, weights)
