"""jfacemap: do two embedding models see the same thing, and what is the map between?"""

import importlib as _importlib
import typing as _typing

from . import data as data
from .attribute.class_distance import (
    class_distances as class_distances,
    ClassDistances as ClassDistances,
)
from .attribute.correlate import (
    correlate_entropy as correlate_entropy,
    ks_aggregates as ks_aggregates,
    SpearmanTable as SpearmanTable,
)
from .attribute.dimension import ph_dimension as ph_dimension, PhDimension as PhDimension
from .attribute.discriminate import (
    Discrimination as Discrimination,
    discriminative_power as discriminative_power,
)
from .attribute.energy import field_energy as field_energy, FieldEnergy as FieldEnergy
from .attribute.entropy import (
    inter_entropy as inter_entropy,
    intra_entropy as intra_entropy,
)
from .attribute.fields import (
    Alignment as Alignment,
    field_alignment as field_alignment,
    Gravity as Gravity,
    gravity as gravity,
    mean_distance as mean_distance,
)
from .attribute.histogram import (
    pair_histogram as pair_histogram,
    PairHistogram as PairHistogram,
)
from .attribute.identity_spectrum import (
    identity_spectrum as identity_spectrum,
    IdentitySpectrum as IdentitySpectrum,
)
from .attribute.macroscale import attribute_ks as attribute_ks, AttributeKs as AttributeKs
from .attribute.neighbours import (
    AllPairs as AllPairs,
    Ball as Ball,
    KNearest as KNearest,
    RelativeBall as RelativeBall,
)
from .attribute.nulls import field_null as field_null, FieldNull as FieldNull
from .attribute.paired import (
    compare_energies as compare_energies,
    PairedTest as PairedTest,
)
from .core.factor import pair_factor as pair_factor, PairFactor as PairFactor
from .core.head import Head as Head
from .core.linalg import unit as unit
from .core.maps import (
    AbstractMap as AbstractMap,
    AffineMap as AffineMap,
    compose as compose,
    identity_map as identity_map,
    LinearMap as LinearMap,
    LowRankMap as LowRankMap,
    RotationMap as RotationMap,
    SimilarityMap as SimilarityMap,
    Standardize as Standardize,
)
from .core.mlp import mlp_map as mlp_map, MlpMap as MlpMap
from .core.moments import (
    joint_moments as joint_moments,
    JointMoments as JointMoments,
    pair_moments as pair_moments,
    PairMoments as PairMoments,
)
from .core.monoid import merge as merge
from .data.map_file import load as load, save as save
from .evaluate import compare as compare
from .evaluate.agreement import (
    error_agreement as error_agreement,
    ErrorAgreement as ErrorAgreement,
)
from .evaluate.bands import Band as Band, simultaneous_band as simultaneous_band
from .evaluate.classify import (
    swap_accuracy as swap_accuracy,
    swap_confidence as swap_confidence,
    SwapAccuracy as SwapAccuracy,
)
from .evaluate.confidence import (
    bootstrap_weights as bootstrap_weights,
    tar_confidence as tar_confidence,
    TarConfidence as TarConfidence,
)
from .evaluate.cross_match import cross_match as cross_match, CrossMatch as CrossMatch
from .evaluate.difference import (
    tar_difference as tar_difference,
    TarDifference as TarDifference,
)
from .evaluate.fusion import fuse_models as fuse_models, FusedSearch as FusedSearch
from .evaluate.identify import Identification as Identification, identify as identify
from .evaluate.identities import (
    identity_pairs as identity_pairs,
    IdentityPairs as IdentityPairs,
)
from .evaluate.linkability import Linkability as Linkability, linkability as linkability
from .evaluate.match_counts import FineCounts as FineCounts, MatchCounts as MatchCounts
from .evaluate.match_shards import (
    bins_in_doubt as bins_in_doubt,
    count_matches as count_matches,
    tar_of_counts as tar_of_counts,
)
from .evaluate.matrix_permutation import qap_test as qap_test, QapTest as QapTest
from .evaluate.pooling import (
    pool_mapped as pool_mapped,
    pool_templates as pool_templates,
)
from .evaluate.residual import map_residual as map_residual
from .evaluate.roc import roc_curve as roc_curve, RocCurve as RocCurve
from .evaluate.scoring import (
    label_pairs as label_pairs,
    PairPlan as PairPlan,
    plan_pairs as plan_pairs,
    score_all as score_all,
    score_pairs as score_pairs,
)
from .evaluate.search_confidence import (
    search_confidence as search_confidence,
    SearchConfidence as SearchConfidence,
)
from .evaluate.subject_bootstrap import subject_confidence as subject_confidence
from .evaluate.tar import tar_at_far as tar_at_far, TarAtFar as TarAtFar
from .evaluate.templates import (
    group_templates as group_templates,
    Grouping as Grouping,
    Templates as Templates,
)
from .evaluate.wilson import (
    RateInterval as RateInterval,
    wilson_intervals as wilson_intervals,
    WilsonIntervals as WilsonIntervals,
)
from .fit import losses as losses
from .fit.all_pairs import fit_all_pairs as fit_all_pairs, PairMaps as PairMaps
from .fit.by_identity import (
    fit_by_identity as fit_by_identity,
    identity_moments as identity_moments,
    IdentityPairing as IdentityPairing,
    pair_by_identity as pair_by_identity,
)
from .fit.canonical import (
    canonical_agreement as canonical_agreement,
    CanonicalSpace as CanonicalSpace,
    fit_canonical as fit_canonical,
)
from .fit.cca import (
    CcaAlignment as CcaAlignment,
    fit_cca as fit_cca,
    solve_cca as solve_cca,
)
from .fit.closed_form import (
    fit_affine as fit_affine,
    fit_linear as fit_linear,
    solve_affine as solve_affine,
    solve_linear as solve_linear,
)
from .fit.diagnose import diagnose as diagnose, FitInfo as FitInfo
from .fit.few_rows import fit_few_rows as fit_few_rows
from .fit.folds import assign_folds as assign_folds
from .fit.gradient import fit_gradient as fit_gradient, GradientFit as GradientFit
from .fit.groups import group_moments as group_moments, merge_groups as merge_groups
from .fit.logits import (
    head_split as head_split,
    HeadSplit as HeadSplit,
    logit_map as logit_map,
)
from .fit.low_rank import fit_low_rank as fit_low_rank, solve_low_rank as solve_low_rank
from .fit.low_rank_path import (
    fit_low_rank_path as fit_low_rank_path,
    LowRankPath as LowRankPath,
    solve_low_rank_path as solve_low_rank_path,
)
from .fit.margin import (
    adaface_logits as adaface_logits,
    arcface_logits as arcface_logits,
    margin_loss as margin_loss,
    NormStatistics as NormStatistics,
    validation_loss as validation_loss,
)
from .fit.ridge_path import (
    fit_ridge_path as fit_ridge_path,
    ridge_grid as ridge_grid,
    RidgePath as RidgePath,
    solve_ridge_path as solve_ridge_path,
)
from .fit.robust import fit_robust as fit_robust, RobustFit as RobustFit
from .fit.rotation import (
    fit_rotation as fit_rotation,
    fit_similarity as fit_similarity,
    solve_rotation as solve_rotation,
    solve_similarity as solve_similarity,
)
from .fit.standardize import fit_standardize as fit_standardize
from .page.report import report as report
from .probe.activation import (
    classify_by_mav as classify_by_mav,
    MavMatch as MavMatch,
    mean_activation_vectors as mean_activation_vectors,
    MeanActivations as MeanActivations,
)
from .probe.errors import (
    error_intervals as error_intervals,
    error_split as error_split,
    ErrorIntervals as ErrorIntervals,
    ErrorSplit as ErrorSplit,
)
from .probe.regression import (
    binned_absolute_error as binned_absolute_error,
    BinnedError as BinnedError,
    fit_ridge as fit_ridge,
    Regressor as Regressor,
)
from .probe.spectrum import (
    block_diagonalize as block_diagonalize,
    BlockDiagonal as BlockDiagonal,
    Scree as Scree,
    scree as scree,
)
from .probe.svm import (
    choose_penalty as choose_penalty,
    fit_svm as fit_svm,
    LinearSvm as LinearSvm,
)
from .study import defences as defences
from .study.attack import (
    AttackPlan as AttackPlan,
    identify_mapped as identify_mapped,
    leaked_pairs_attack as leaked_pairs_attack,
    plan_attack as plan_attack,
)
from .study.choose_maps import choose_maps as choose_maps, ChosenMaps as ChosenMaps
from .study.choose_ridge import choose_ridge as choose_ridge, RidgeChoice as RidgeChoice
from .study.composition import (
    composition_errors as composition_errors,
    CompositionErrors as CompositionErrors,
    pair_residuals as pair_residuals,
)
from .study.cross_verify import cross_scores as cross_scores, table_tar as table_tar
from .study.design import Choice as Choice, choose_pairs as choose_pairs
from .study.embed import embed as embed
from .study.finetune import (
    finetune as finetune,
    FinetuneHistory as FinetuneHistory,
    FinetuneSettings as FinetuneSettings,
)
from .study.identify_map import (
    identify_map as identify_map,
    MapIdentification as MapIdentification,
)
from .study.identity_parts import (
    identity_parts as identity_parts,
    IdentityParts as IdentityParts,
)
from .study.ladder import Ladder as Ladder, map_ladder as map_ladder
from .study.lattice_energy import (
    lattice_energies as lattice_energies,
    LatticeEnergies as LatticeEnergies,
)
from .study.lattice_images import (
    edit_derivatives as edit_derivatives,
    LatticePlan as LatticePlan,
    plan_lattice as plan_lattice,
)
from .study.linkage import link_sources as link_sources, Linkage as Linkage
from .study.make_lattice import (
    LatticeFolder as LatticeFolder,
    make_lattice as make_lattice,
)
from .study.map_bootstrap import (
    bootstrap_maps as bootstrap_maps,
    map_spread as map_spread,
    MapDraws as MapDraws,
    MapSpread as MapSpread,
)
from .study.processes import (
    merge_processes as merge_processes,
    process_rows as process_rows,
)
from .study.rank import rank_path as rank_path, RankPath as RankPath
from .study.report.settings import ReportSettings as ReportSettings
from .study.report.whole import Report as Report
from .study.shared_parts import (
    shared_parts as shared_parts,
    SharedParts as SharedParts,
)
from .study.stream_folds import stream_fold_moments as stream_fold_moments
from .study.stream_moments import (
    stream_joint_moments as stream_joint_moments,
    stream_pair_moments as stream_pair_moments,
)
from .study.surface import (
    IdentitySurface as IdentitySurface,
    sweep_identities as sweep_identities,
)
from .study.sweep import SubsetSweep as SubsetSweep, sweep_subsets as sweep_subsets
from .study.transfer import Transfer as Transfer, transfer_maps as transfer_maps
from .study.verify_map import (
    ijb_fars as ijb_fars,
    MapVerdict as MapVerdict,
    plan_verification as plan_verification,
    VerificationPlan as VerificationPlan,
    verify_map as verify_map,
)
from .study.verify_pairs import PairVerdicts as PairVerdicts, verify_pairs as verify_pairs


if _typing.TYPE_CHECKING:
    from . import network as network, onnx2jax as onnx2jax


def __getattr__(name: str):
    # Many operators, and flax: they wait until they are wanted.
    if name in ("network", "onnx2jax"):
        return _importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), "network", "onnx2jax"})
