import os


os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its threads spin while others work
# Most of a test's time is compilation. Experiments and benchmarks run as users do.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import equinox.internal as eqxi
import jax
import jaxtyping
import pytest


jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")


slow = """
attribute/test_discriminate.py
attribute/test_macroscale.py
core/test_fan_out.py::test_eight_devices[batches
core/test_fan_out.py::test_eight_devices[sweep
core/test_maps.py::test_compose[
core/test_mesh.py::test_eight_devices[fields
core/test_mesh.py::test_eight_devices[fits
core/test_mesh.py::test_eight_devices[probes
core/test_mesh.py::test_eight_devices[where
core/test_moments.py::test_chunks_add_up
core/test_moments.py::test_joint_merges_and_vmaps
core/test_precision.py::test_gradient
core/test_precision.py::test_value[fit_affine
core/test_precision.py::test_value[fit_all_pairs
core/test_precision.py::test_value[fit_rotation
core/test_precision.py::test_value[fit_similarity
core/test_precision.py::test_value[merge
core/test_precision.py::test_value[solve_linear
data/test_simulate.py::test_a_better_model_verifies_better_and_a_map_carries_over
data/test_simulate.py::test_one_key_one_world
data/test_simulate.py::test_rows_are_the_same_however_they_are_cut
data/test_simulate.py::test_rows_follow_the_formula
data/test_store_commit.py::test_a_writer_killed_at_any_step_loses_no_committed_row
evaluate/compare/test_indices.py::test_tiles_that_do_not_divide
evaluate/test_cross_match.py::test_any_sizes
evaluate/test_pooling.py::test_mapped_images_are_scaled_and_pooled[affine
evaluate/test_pooling.py::test_mapped_images_are_scaled_and_pooled[rotation-3-True
evaluate/test_pooling.py::test_mapped_images_are_scaled_and_pooled[rotation-5
evaluate/test_pooling.py::test_mapped_images_are_scaled_and_pooled[rotation-9
evaluate/test_subject_bootstrap.py::test_replicates_are_those_of_literal_resampling
experiments/test_canonical_faces.py::test_controls_bound_the_maps
experiments/test_canonical_faces.py::test_tables_are_those_of_float64_numpy
experiments/test_canonical_faces.py::test_the_record_is_whole
experiments/test_reidentification.py
experiments/test_which_pairs.py
fit/test_all_pairs.py::test_vmaps_over_weights
fit/test_gradient.py::test_labels_and_low_rank
fit/test_gradient.py::test_unsquared_distance_matches_a_general_minimiser
fit/test_ridge_path.py::test_errors_and_maps_are_those_of_a_loop_over_sklearn[False
fit/test_robust.py
fit/test_rotation.py::test_no_random_rotation_does_better
network/test_lenet.py
network/test_train.py
onnx2jax/test_conformance.py::test_a_case_of_every_operator
onnx2jax/test_function.py::test_shards_over_the_batch
onnx2jax/test_models.py::test_a_network_of_any_batch_runs_on_many_and_in_bfloat16
onnx2jax/test_models.py::test_the_gradient_of_a_network_is_its_slope
study/test_attack.py
study/test_cross_verify.py::test_controls
study/test_cross_verify.py::test_matches_the_reference_table[affine
study/test_embed.py::test_batches_may_be_sharded
study/test_embed_models.py::test_embeddings_are_those_known_of_these_images[orl_faces
study/test_finetune.py
study/test_ladder.py
study/report/test_whole.py
study/test_linkage.py
study/test_stream_moments.py
study/test_surface.py
study/test_sweep.py::test_each_map_is_the_one_fitted_on_its_rows[linear
study/test_verify_map.py::test_all_pairs_equal_a_loop[one at a time
test_cli_families.py
test_cli_sweep.py::test_sweep_is_that_of_the_library[--sizes 24
test_compile_once.py::test_called_within_jit
test_lowering.py::test_lowers[x64 flag
test_site.py::test_tutorials_run
""".split("\n")[1:-1]
"""Of tests that take some 5 s and more: those whose neighbours see most faults as well."""


def pytest_collection_modifyitems(items):
    for item in items:
        if any(name in item.nodeid for name in slow):
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def unchecked_types():
    """Without the tests' type checker, which would speak before the library does."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def getkey():
    return eqxi.GetKey(0)
