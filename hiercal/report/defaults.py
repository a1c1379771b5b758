"""What a paper shows of each table, if nobody says otherwise."""

from __future__ import annotations

LEFT_OUT = {
    "verdicts": (
        *("p_ecdf", "p_smooth", "p", "p_holm_worst", "p_holm_best", "p_effective_holm"),
        *("low_ess", "reason", "detectable_scale", "shared_shift", "shared_scale"),
    ),
    "meaning": ("at_zero", "at_max", "sentence", "cause", "advice", "docs"),
    "coverage": ("covered", "p"),
    "mixing": ("r_hat_limit", "ess_limit", "high_r_hat", "low_ess_tail", "divergent_draws"),
    "strata": ("fitter", "stratum", "p", "low_ess"),
    "claims": (
        *("study", "source", "rule", "fixed", "measure", "remark", "parts", "where"),
        *("tells_apart", "times_the_data"),
    ),
}
"""Columns that a paper has no use for; the files of the folder have them."""
OF_STUDIES: dict[str, dict[str, tuple[str, ...]]] = {
    "chapter": {
        "comparison": ("counted", "numpyro_z", "pymc_z"),
        "plug_in": ("below", "retained", "expected"),
    },
    "cost": {"trajectories": ("textbook",)},
    "frequentist": {
        "agreement": ("tau", "tau_difference"),
        "intervals": ("tau", "coverage_difference", "width"),
        "mixed_models": ("tau_difference", "tau_mean_rms", "missed_warned"),
        "plug_in": ("tau",),
    },
    "funnel": {
        "bias": ("shrinkage", "neck_error", "z", "z_sd"),
        "rubin": (
            *("n_divergent", "below", "exact_lower", "exact_upper", "rank_p"),
            *(
                f"{what}_{quantile}"
                for what in ("divergences", "mean", "lower", "upper", "ess_bulk")
                for quantile in ("min", "q25", "median", "q75", "max")
                if quantile != "median" or what in ("lower", "upper")
            ),
        ),
        "rubin_seeds": ("r_hat", "rank", "neck"),
        "sampling": ("divergent_fits", "scale_at_divergences"),
    },
    "interval_width": {
        "widths": (
            *("design", "prior", "relative_size", "median_ratio", "median_reduction"),
            *("factor", "other_factor", "matched_ratio"),
        ),
        "trend": ("design", "prior"),
    },
    "james_stein": {
        "far_out": ("risk", "z"),
        "groups": ("exact_bias", "exact_variance"),
        "mixture": ("risk", "z"),
        "population": ("risk", "tau_ratio", "z"),
    },
    "new_group": {
        "private_schools": (
            *("public_mse", "public_excess_mse", "public_coverage"),
            *("beta_mean", "beta_sd", "beta_positive"),
        ),
        "unseen": ("plug_in_times", "wider_than_all"),
    },
    "parameterisation": {
        "arms": ("kappa", "ess_per_second", "divergences", "exact"),
        "survey": ("ess_per_second", "divergences", "exact"),
    },
    "pooling": {
        "choice": ("tau",),
        "psis": ("tau", "bad_groups"),
        "right": ("tau", "loss", "difference", "ratio"),
    },
    "prior_sensitivity": {
        "priors": (
            *("upper", "right", "from_truth", "width_tau", "width", "shrinkage", "slope"),
            *("mse", "mse_ratio"),
        ),
        "samplers": (
            *("upper", "right", "n_paired", "divergent_fits", "divergences_more"),
            *("ess_tau_ratio", "steps_per_draw"),
        ),
    },
}
"""The same, by study and table."""
HEADINGS = {
    "n": "fits",
    "n_failed": "failed",
    "p_holm": "p (Holm)",
    "detectable_shift": "shift found",
    "low_e_bfmi": "low E-BFMI",
    "lower": "from",
    "upper": "to",
    "truth_from": "truth from",
    "truth_to": "to",
}
"""Of columns whose name says too little; of all others, the name without underscores."""
CAPTIONS = {
    "verdicts": "Verdict on each quantity. p (Holm) is of the test that ranks are uniform, "
    "adjusted for all quantities of all arms (eff.: of ranks among effective draws). Shift found: "
    "the smallest shift in posterior standard deviations that is found with probability 0.9, if "
    "this quantity alone is wrong.",
    "coverage": "Share of intervals that hold the true value, with its standard error and exact "
    "95 % limits. Level: the share that a correct posterior reaches.",
    "bias": "Posterior mean minus the exact one, with its standard error, by the true value.",
    "meaning": "What the ranks of miscalibrated quantities look like, and the shift in posterior "
    "standard deviations and the factor of the standard deviation that would make them so, each "
    "with a 95 % interval that is not adjusted for the number of quantities.",
    "mixing": "Shares of completed fits whose chains are unmixed, that have a divergence, too low "
    "an E-BFMI, or reach the largest tree depth; and whether the arm mixes.",
    "strata": "Mean of the rank as a share of L, minus that of the exact posterior's (by truth) or "
    "one half (by data), with its standard error, within quarters from low to high of the true "
    "scale or of its exact posterior mean.",
    "claims": "Claims, with the effect, its standard error, and the bound that it is judged by.",
}


def left_out(study: str, table: str) -> tuple[str, ...]:
    """Columns of a table that are left out; of a run, `study` is empty."""
    return OF_STUDIES.get(study, {}).get(table, LEFT_OUT.get(table, ()))
