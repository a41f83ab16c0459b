import os


os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its threads spin while others work
# Most of a test's time is compilation. Experiments and benchmarks run as users do.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import equinox.internal as eqxi
import jax
import jaxtyping
import pytest

from jfacemap.core import precision


jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")


slow = """
attribute/test_discriminate.py
attribute/test_macroscale.py
benchmarks/test_tiny.py
core/test_fan_out.py::test_eight_devices[batches
core/test_fan_out.py::test_eight_devices[bootstrap
core/test_fan_out.py::test_eight_devices[folds
core/test_fan_out.py::test_eight_devices[sweep
core/test_maps.py::test_compose[
core/test_mesh.py::test_rows_on_eight_devices
core/test_mesh.py::test_eight_devices[comparisons
core/test_mesh.py::test_eight_devices[default_axes
core/test_mesh.py::test_eight_devices[fields
core/test_mesh.py::test_eight_devices[fits
core/test_mesh.py::test_eight_devices[judgement
core/test_mesh.py::test_eight_devices[pooling
core/test_mesh.py::test_eight_devices[probes
core/test_mesh.py::test_eight_devices[where
core/test_moments.py::test_chunks_add_up
core/test_moments.py::test_joint_merges_and_vmaps
core/test_moments.py::test_merge_is_associative_commutative_and_equals_the_whole
core/test_mesh.py::test_eight_devices[without_float64
core/test_polar_products.py::test_rotations
core/test_precision.py::test_gradient
core/test_precision.py::test_value[fit_affine
core/test_precision.py::test_value[fit_all_pairs
core/test_precision.py::test_value[fit_rotation
core/test_precision.py::test_value[fit_similarity
core/test_precision.py::test_value[merge
core/test_precision.py::test_value[solve_linear
core/test_split_products.py::test_merged
core/test_split_products.py::test_vmap
core/test_wide_solve.py::test_maps
core/test_wide_solve.py::test_the_slope
data/test_simulate.py::test_a_better_model_verifies_better_and_a_map_carries_over
data/test_simulate.py::test_one_key_one_world
data/test_simulate.py::test_rows_are_the_same_however_they_are_cut
data/test_simulate.py::test_rows_follow_the_formula
data/test_store_commit.py::test_a_writer_killed_at_any_step_loses_no_committed_row
data/test_store_convert.py::test_more_rows_than_memory_stream_through
evaluate/compare/test_indices.py::test_tiles_that_do_not_divide
evaluate/test_cross_match.py::test_any_sizes
evaluate/test_pooling.py::test_mapped_images_are_scaled_and_pooled[affine
evaluate/test_pooling.py::test_mapped_images_are_scaled_and_pooled[linear-3-False-False-7
evaluate/test_pooling.py::test_mapped_images_are_scaled_and_pooled[rotation-3-True
evaluate/test_pooling.py::test_mapped_images_are_scaled_and_pooled[rotation-5
evaluate/test_pooling.py::test_mapped_images_are_scaled_and_pooled[rotation-9
evaluate/test_subject_bootstrap.py::test_replicates_are_those_of_literal_resampling
evaluate/test_tar.py::test_vmap_is_a_loop[nearest
experiments/test_canonical_faces.py::test_controls_bound_the_maps
experiments/test_canonical_faces.py::test_tables_are_those_of_float64_numpy
experiments/test_canonical_faces.py::test_the_record_is_whole
experiments/test_canonical_space.py
experiments/test_claims.py::test_what_published_tables_decide_is_recomputed
experiments/test_classifier_swap.py::test_accuracies
experiments/test_classifier_swap.py::test_least_squares
experiments/test_classifier_swap.py::test_logits
experiments/test_classifier_swap.py::test_the_record
experiments/test_defences.py::test_users_one_by_one_are_as_by_hand
experiments/test_launch.py::test_a_launcher_that_is_ended_ends_its_processes
experiments/test_launch.py::test_one_that_fails_stops_the_others[--die
experiments/test_launch.py::test_one_that_fails_stops_the_others[--exit
experiments/test_map_families.py::test_a_quick_run
experiments/test_reidentification.py
experiments/test_which_pairs.py
fit/test_all_pairs.py::test_equals_a_loop_over_pairs[0.0-rotation
fit/test_all_pairs.py::test_vmaps_over_weights
fit/test_cca.py::test_correlations_are_those_of_the_eigenvalue_problem[0.0
fit/test_gradient.py::test_labels_and_low_rank
fit/test_gradient.py::test_one_buffer_of_a_source_is_fitted_as_arrays_are[None
fit/test_gradient.py::test_unsquared_distance_matches_a_general_minimiser
fit/test_low_rank.py::test_held_out_errors_are_those_of_maps_fitted_on_the_others
fit/test_margin.py::test_gradients_are_finite_at_a_centre_and_opposite[arcface
fit/test_ridge_path.py::test_errors_and_maps_are_those_of_a_loop_over_sklearn[False
fit/test_ridge_path.py::test_errors_have_a_slope
fit/test_ridge_path.py::test_it_closes_the_gap_that_least_squares_leaves_for_faceres
fit/test_ridge_path.py::test_vmap_is_a_loop_and_solve_is_fit
fit/test_robust.py
fit/test_rotation.py::test_no_random_rotation_does_better
network/test_convolution.py::test_both_ways_have_the_same_derivatives_under_vmap_too
network/test_lenet.py
network/test_train.py
onnx2jax/test_conformance.py::test_a_case_of_every_operator
onnx2jax/test_function.py::test_shards_over_the_batch
onnx2jax/test_models.py::test_a_network_of_any_batch_runs_on_many_and_in_bfloat16
onnx2jax/test_models.py::test_the_gradient_of_a_network_is_its_slope
study/report/test_whole.py
study/test_attack.py
study/test_attribute_probe.py::test_what_is_there_is_read_and_what_is_not_is_not
study/test_choose_maps.py::test_each_pair_has_the_map_of_least_held_out_error
study/test_cross_verify.py::test_controls
study/test_cross_verify.py::test_matches_the_reference_table[affine
study/test_cross_verify.py::test_matches_the_reference_table[rotation
study/test_embed.py::test_batches_may_be_sharded
study/test_embed_models.py::test_embeddings_are_those_known_of_these_images[orl_faces
study/test_finetune.py
study/test_ladder.py
study/test_lattice.py::test_energies_stream_and_are_kept
study/test_linkage.py
study/test_processes.py::test_who_is_left_alone_does_not_wait_forever
study/test_stream_moments.py::test_moments_are_those_of_all_rows
study/test_stream_moments.py::test_parts_merge
study/test_surface.py
study/test_sweep.py::test_each_map_is_the_one_fitted_on_its_rows[affine
study/test_sweep.py::test_each_map_is_the_one_fitted_on_its_rows[linear
study/test_sweep.py::test_each_map_is_the_one_fitted_on_its_rows[rotation
study/test_verify_map.py::test_all_pairs_equal_a_loop[arrays-probe
study/test_verify_map.py::test_all_pairs_equal_a_loop[one at a time
test_cli_compare.py::test_indices_are_those_of_the_library
test_cli_families.py
test_cli_sweep.py::test_sweep_is_that_of_the_library[--sizes 24
test_compile_once.py::test_called_within_jit
test_lowering.py::test_lowers[default-tar_at_far nearest
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
def no_float64(monkeypatch):
    """As on a TPU: kernels run the branch of a platform that has no float64."""
    monkeypatch.setattr(precision, "float64_platforms", ())
    jax.clear_caches()
    yield
    monkeypatch.undo()
    jax.clear_caches()


@pytest.fixture
def getkey():
    return eqxi.GetKey(0)
