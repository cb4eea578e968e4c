"""How weights are fitted: data in batches, the loop with its validations and early stopping, the optimiser, the curves.

The stages that train share it: `pretrain` on unlabelled text, `train` on the task.
"""

from stages.shared.fitting.data import Data, measure
from stages.shared.fitting.history import History
from stages.shared.fitting.loop import Plan, fit
from stages.shared.fitting.repeatable import make_repeatable

__all__ = ["Data", "History", "Plan", "fit", "make_repeatable", "measure"]
