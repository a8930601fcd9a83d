// Package goldref is a slow, plain model of the payments topic for tests: the oracle that the pipeline is held against.
//
// [Of] takes the records of a topic and says what the contract asks of the lake and of Gold: which records are accepted,
// dead letters and tombstones, the rows of gold.fct_transactions and those of gold.fct_daily_revenue. [Hostile] makes
// topics that hold every edge of the contract.
//
// It is written from docs/contract/README.md alone, and shares no code with what it checks: it reads JSON with encoding/json,
// times and amounts with regexp and math/big, and it sorts whole lists where the pipeline merges. Only tests import it.
package goldref
