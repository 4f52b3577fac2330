"""The page: one file with the answer, a calculator, the figures and the tables of a run, which needs no network.

The way: `data` gathers what the page holds as JSON and what its figures show, `serlab.report.page_figures` says how,
`build` puts it into the template under `assets`, with Vega-Lite beside it. The calculator (`assets/model.js`,
`assets/ranking.js`) is the twin of `serlab.decide.cost` and `serlab.decide.ranking`;
`tests/report/test_page_calculator.py` holds the two together.
"""

from serlab.page.build import PAGE, page_of, write_page

__all__ = ["PAGE", "page_of", "write_page"]
