"""How weights are fitted: data in batches, the loop with its validations and early stopping, the optimiser, the curves.

The stages that train share it: `pretrain` on unlabelled text, `train` on the task.
"""

from stages.shared.fitting.data import Data, measure
from stages.shared.fitting.history import History
from stages.shared.fitting.learner import Learner, add_gradients, last_linear, use_focal_loss
from stages.shared.fitting.loop import Hooks, Plan, fit, updates_of
from stages.shared.fitting.repeatable import make_repeatable

__all__ = [
    "Data",
    "History",
    "Hooks",
    "Learner",
    "Plan",
    "add_gradients",
    "fit",
    "last_linear",
    "make_repeatable",
    "measure",
    "updates_of",
    "use_focal_loss",
]
