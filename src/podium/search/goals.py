"""Whether less or more of a metric is better, by its name: a closed table.

What the user says with ``define_metric`` counts more; a name that is not known here has no "best". Pure.
"""

from __future__ import annotations

import functools
import re
from typing import Literal, TypeAlias

__all__ = ["Goal", "goal_of", "known_goal"]

Goal: TypeAlias = Literal["min", "max"]

_SMALL_IS_GOOD = frozenset(
    """
    loss logloss log_loss mlogloss nll cross_entropy binary_crossentropy categorical_crossentropy
    sparse_categorical_crossentropy hinge hinge_loss hamming_loss zero_one_loss
    error err error_rate merror max_error
    mse rmse mae mape smape msle rmsle l1 l2 medae
    mean_squared_error root_mean_squared_error mean_absolute_error mean_absolute_percentage_error
    mean_squared_log_error root_mean_squared_log_error median_absolute_error
    mean_pinball_loss pinball_loss mean_poisson_deviance mean_gamma_deviance mean_tweedie_deviance
    brier brier_score brier_score_loss ece calibration_error perplexity ppl bpc bpb kl_divergence
    fid wer cer ter
    """.split()  # noqa: SIM905 - a table of words
)
_MUCH_IS_GOOD = frozenset(
    """
    accuracy acc accuracy_score balanced_accuracy balanced_accuracy_score top_k_accuracy
    categorical_accuracy binary_accuracy sparse_categorical_accuracy
    f1 f1_score fbeta f2 f_score precision precision_score recall recall_score sensitivity specificity
    auc auroc roc_auc roc_auc_score pr_auc auprc aucpr precision_recall_auc average_precision
    average_precision_score ap map mean_average_precision
    ndcg mrr hit_rate exact_match pass_rate
    r2 r2_score explained_variance explained_variance_score d2_absolute_error_score
    mcc matthews_corrcoef kappa cohen_kappa cohen_kappa_score jaccard jaccard_score iou miou mean_iou dice dice_score
    bleu rouge rouge1 rouge2 rougel meteor chrf psnr ssim silhouette silhouette_score
    score reward win_rate
    """.split()  # noqa: SIM905 - a table of words
)
# How a metric was averaged, or how often it is logged: no part of what it measures.
_MANNERS = frozenset(
    "macro micro weighted samples binary ovr ovo epoch step mean avg best final".split()  # noqa: SIM905
)


def goal_of(text: str | None) -> Goal | None:
    """The goal a stored word names; None for any other."""
    match text:
        case "min" | "max":
            return text
        case _:
            return None


@functools.lru_cache(maxsize=4096)
def known_goal(key: str) -> Goal | None:
    """The goal of a metric of this name: ``"val/f1_macro"`` is to be large, ``"train_loss"`` small.

    The last words of the name decide, case and separators aside; ``neg`` before them turns it round, as in
    scikit-learn's ``neg_log_loss``. None: not known.
    """
    words = [word for word in re.split(r"[^a-z0-9]+", key.lower()) if word]
    while len(words) > 1 and words[-1] in _MANNERS:
        words.pop()
    for start in range(len(words)):
        name = "_".join(words[start:])
        if name in _SMALL_IS_GOOD or name in _MUCH_IS_GOOD:
            small = (name in _SMALL_IS_GOOD) != ("neg" in words[:start])
            return "min" if small else "max"
    return None
