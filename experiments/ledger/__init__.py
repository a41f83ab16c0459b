"""Published sentences, tables and numbers, each with the test of it: one file a paper."""

from . import paper000, paper001, paper002, paper003
from .entry import Claim, claims_of


papers = paper000, paper001, paper002, paper003
ledger: tuple[Claim, ...] = tuple(claim for paper in papers for claim in claims_of(paper))
