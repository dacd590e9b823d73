"""Checks of the course's exercises, one function an exercise: `check.cross_attention(cross_attention)`.

A module for a few lessons; `verdict` says how a check speaks.
"""

# ruff: noqa: F401 - to be re-exported is all that these imports are for
from lineart.course.checks.attention import cross_attention, matched_attention, mirror_test, skip_gate
from lineart.course.checks.blocks import group_norm, residual_block, standardize
from lineart.course.checks.claims import paired_gap, right_slot
from lineart.course.checks.discriminator import patch_stack, power_iteration
from lineart.course.checks.game import adversarial_loss, discriminator_loss
from lineart.course.checks.generator import add_noise, decode
from lineart.course.checks.handles import colorfulness_under_grey, two_handles
from lineart.course.checks.lines import crop_and_flip, xdog
from lineart.course.checks.losses import feature_matching, l1_loss, total_variation
from lineart.course.checks.measurements import (
    color_of_l1,
    drawings_of_step_six,
    improvement,
    parameters_of_a_block,
    parameters_of_the_discriminator,
    share_of_the_decoder,
    smallest_gap,
    standard_errors,
)
from lineart.course.checks.metrics import frechet, psnr, ssim
from lineart.course.checks.palettes import colors_needed, lloyd_step, palette_planes
from lineart.course.checks.patients import six_patients
from lineart.course.checks.pictures import area_answered, nearest_color, to_uint8
from lineart.course.checks.predictions import (
    best_logit,
    channels_into_decoder_3,
    complaints_of_a_row,
    fourth_green,
    ink_threshold,
    mebibytes_of_scores,
    no_distance,
    patches_inside,
    pull_along_a_filter,
    rows_of_ink,
    side_of_the_pupil,
    step_of_grey,
    steps_of_the_wrong_way,
    ten_levels_off,
    three_coins,
    times_larger,
    two_steps_of_kmeans,
    wins_of_copying,
)
from lineart.course.checks.results import bleeding, error_near_ink, region_medians
from lineart.course.checks.step import training_step
from lineart.course.checks.table_1 import derangement, kid
from lineart.course.checks.training import color_spread, learning_rate
