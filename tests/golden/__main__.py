"""Write the golden bytes again."""

from tests.golden import write

write()
