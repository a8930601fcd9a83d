package main

import "time"

// sizes are how much of everything is measured.
type sizes struct {
	fanRuns, chainRuns    int
	oneByOne              int // runs in a row of which the median is told
	triggers              int
	startDAGs             int
	idleSettle, idleWatch time.Duration
	minutelyDAGs          int
	minutelySchedule      string
	minutelyPeriod        time.Duration
	minutelyPeriods       int
	virtualFor            time.Duration // of real time, at least one virtual minute
	mapped                int           // elements
	logged                int64         // bytes
	snapshotWaves         int
	snapshotRuns          int // of a wave
	probeRuns             int
	pastRuns              int // of history
	pastFan, pastChain    int // runs that are measured in it
	pastTriggers          int
	pastRounds            int
	jobs, hops            int // River's
	commits               int
	ingested, loaded      int
	entries               int // of a lake's log
	latencyFor            time.Duration
	audited, auditedRows  int // files, and rows of each
	years                 int // of days that a lake lists
	realDays, dayRows     int // days whose files are there, and rows of a day
}

var full = sizes{
	fanRuns: 500, chainRuns: 1000, oneByOne: 20, triggers: 400, startDAGs: 500, idleSettle: time.Minute, idleWatch: time.Minute,
	minutelyDAGs: 10_000, minutelySchedule: "* * * * *", minutelyPeriod: time.Minute, minutelyPeriods: 3, virtualFor: time.Minute, mapped: 10_000, logged: 1 << 30,
	snapshotWaves: 20, snapshotRuns: 500, probeRuns: 100, pastRuns: 120_000, pastFan: 500, pastChain: 1000, pastTriggers: 200, pastRounds: 3,
	jobs: 50_000, hops: 500, commits: 3000, ingested: 1_000_000, loaded: 200_000, entries: 1_000_000,
	latencyFor: 30 * time.Second, audited: 10_000, auditedRows: 2500, years: 3, realDays: 55, dayRows: 91_324,
}

// quick is for a look: one round of everything takes a few minutes.
var quick = sizes{
	fanRuns: 100, chainRuns: 250, oneByOne: 5, triggers: 60, startDAGs: 50, idleSettle: 3 * time.Second, idleWatch: 7 * time.Second,
	minutelyDAGs: 500, minutelySchedule: "@every 4s", minutelyPeriod: 4 * time.Second, minutelyPeriods: 1, virtualFor: time.Second, mapped: 1000, logged: 16 << 20,
	snapshotWaves: 1, snapshotRuns: 50, probeRuns: 30, pastRuns: 3000, pastFan: 50, pastChain: 100, pastTriggers: 20, pastRounds: 1,
	jobs: 10_000, hops: 100, commits: 1000, ingested: 200_000, loaded: 50_000, entries: 30_000,
	latencyFor: 3 * time.Second, audited: 320, auditedRows: 2500, years: 1, realDays: 4, dayRows: 20_000,
}
