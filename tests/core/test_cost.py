"""Collectives read off programs: kinds, groups, and loops that turn."""

import jax
import jax.numpy as jnp
import pytest

from jfacemap.core.cost import Collective, program_cost, read_collectives, read_products


text = """\
HloModule jit_f, is_scheduled=true

%add (a: f32[], b: f32[]) -> f32[] {
  ROOT %sum = f32[] add(%a, %b)
}

%body (p: (s32[], f32[4,4])) -> (s32[], f32[4,4]) {
  %all-reduce.2 = f32[4,4]{1,0} all-reduce(%x), replica_groups=[2,4]<=[8], to_apply=%add
  ROOT %t = (s32[], f32[4,4]) tuple(%i, %all-reduce.2)
}

%cond (p: (s32[], f32[4,4])) -> pred[] {
  ROOT %less = pred[] compare(%i, %n), direction=LT
}

ENTRY %main (x: f32[8,4]) -> f32[64,4] {
  %gathered = f32[64,4]{1,0} all-gather(%x), replica_groups={{0,1,2,3,4,5,6,7}}
  %two = (f64[3]{0}, s32[]) all-reduce(%y, %k), replica_groups=mesh['a'=2,'b'=4] {'b'}, \
to_apply=%add
  %loop = (s32[], f32[4,4]) while(%t0), condition=%cond, body=%body, \
backend_config={"known_trip_count":{"n":"10"}}
  %begun = (bf16[8]{0}, bf16[64]{0}) all-gather-start(%z), replica_groups=[1,8]<=[8]
  %moved = pred[5]{0} collective-permute(%m), source_target_pairs={{0,1},{1,0}}
  %used = f32[64,4]{1,0} add(%all-reduce.2, %gathered)
}
"""


def test_kinds_groups_and_turns():
    found = {(c.kind, c.shards): c for c in read_collectives(text)}
    assert found == {
        ("all-gather", 8): Collective("all-gather", 8, 2, 64 * 4 * 4 + 64 * 2),
        ("all-reduce", 4): Collective("all-reduce", 4, 11, 10 * 16 * 4 + 3 * 8 + 4),
        ("collective-permute", 2): Collective("collective-permute", 2, 1, 5),
    }


def test_all_devices_and_several_arrays_at_once():
    """No groups named are all devices; what starts early lists operands before results."""
    several = """\
HloModule m, is_scheduled=true, num_partitions=8

ENTRY %main (x: f32[4]) -> f32[100] {
  %begun = ((f32[4]{0}, f32[2]{0}), (f32[32]{0}, f32[16]{0})) all-gather-start(%x, %y), \
replica_groups=[1,8]<=[8]
  ROOT %sum = f32[100]{0} all-reduce(%z), replica_groups={}, to_apply=%add
}
"""
    assert read_collectives(several) == (
        Collective("all-gather", 8, 1, 4 * (32 + 16)),
        Collective("all-reduce", 8, 1, 400),
    )


def test_products_in_loops_count_every_turn():
    x = jnp.ones((8, 16))

    def f(x, turns):
        step = lambda y, _: (jnp.tanh(y @ x.T @ x), None)
        return jax.lax.scan(step, x, None, length=turns)[0]

    for turns in (3, 12):
        compiled = jax.jit(f, static_argnums=1).lower(x, turns).compile()
        assert read_products(compiled.as_text()) == turns * 2 * (2 * 8 * 16 * 8)
    batched = jnp.ones((5, 8, 16))
    product = jax.jit(lambda a: jnp.einsum("bij,bkj->bik", a, a)).lower(batched).compile()
    assert read_products(product.as_text()) == 2 * 5 * 8 * 8 * 16


@pytest.mark.parametrize(
    ("kind", "sent"),
    [
        ("all-gather", 75),
        ("all-reduce", 150),
        ("reduce-scatter", 300),
        ("all-to-all", 75),
        ("collective-permute", 100),
    ],
)
def test_what_a_ring_sends(kind, sent):
    assert Collective(kind, 4, 1, 100).sent == sent


def test_a_program_of_one_device_sends_nothing():
    x = jnp.ones((8, 8))
    cost = program_cost(jax.jit(lambda x: x @ x).lower(x).compile())
    assert cost.sent == 0 and cost.collectives == ()
    assert 2 * 8**3 <= cost.flops < 3 * 8**3
    assert cost.bytes_accessed >= 2 * x.nbytes
