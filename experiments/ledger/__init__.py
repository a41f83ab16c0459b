"""Published sentences, tables and numbers, each with the test of it: one file a paper."""

from . import paper000, paper002
from .entry import Claim, claims_of


ledger: tuple[Claim, ...] = (*claims_of(paper000), *claims_of(paper002))
