"""What every interval from resampling asks of its arguments."""

import jax


def check_draws(key, replicates: int, level: float) -> None:
    """Raise `ValueError` unless these are a key, at least one draw, and a coverage."""
    check_key(key)
    if replicates < 1:
        raise ValueError(f"An interval takes at least one draw; got {replicates}.")
    check_level(level)


def check_key(key) -> None:
    """Raise `ValueError` unless this is a JAX key."""
    if not isinstance(key, jax.Array):
        raise ValueError(f"key is a JAX key, as of jax.random.key(0); got {key!r}.")


def check_level(level: float) -> None:
    """Raise `ValueError` unless `level` is a coverage."""
    if not 0 < level < 1:
        raise ValueError(f"level is a coverage between 0 and 1, like 0.95; got {level}.")
