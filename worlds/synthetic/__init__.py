"""A synthetic streaming service.

What the service knows goes into the timeline, with dirt on purpose (see
`worlds.synthetic.dirt`). What only its maker knows (true tastes, appeal, trends and events)
goes into truth/, which no store ever sees.
"""

from worlds.synthetic.generation import generate_world
from worlds.synthetic.plan import SyntheticPlan

__all__ = ["SyntheticPlan", "generate_world"]
