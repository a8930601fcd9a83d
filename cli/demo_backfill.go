package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/tasks/daily"
)

const (
	dailyDAG         = "daily_transactions"
	triggeredByDemo  = "demo"
	maxOpenBackfills = 1000
)

// backfillDays runs the daily DAG for every day, waits until all are over and returns those that failed. Days whose interval has
// ended are backfilled, runs of consecutive days at once; the others are triggered for as much as there is of them. again runs what
// has run before once more; otherwise only what failed.
func (a *app) backfillDays(ctx context.Context, story *story, days []lake.Day, again bool) ([]string, error) {
	complete, open := divide(days, time.Now())
	watched := map[int64]bool{}
	for _, r := range consecutive(complete) {
		if err := a.finishOpen(ctx, story, r[0], r[1]); err != nil {
			return nil, err
		}
		keys, err := a.backfillRange(ctx, story, r[0], r[1], again)
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			watched[k] = true
		}
	}
	failed, err := a.watch(ctx, story, watched)
	if err != nil {
		return nil, err
	}
	for _, d := range open {
		key, err := a.triggerPartial(ctx, d)
		if err != nil {
			return nil, err
		}
		more, err := a.watch(ctx, story, map[int64]bool{key: true})
		if err != nil {
			return nil, err
		}
		failed = append(failed, more...)
	}
	return failed, nil
}

// divide parts the days whose run is due, at 02:00 UTC of the day after, from those that still go on.
func divide(days []lake.Day, now time.Time) (complete, open []lake.Day) {
	for _, d := range days {
		if d.End().Add(2 * time.Hour).After(now) {
			open = append(open, d)
		} else {
			complete = append(complete, d)
		}
	}
	return complete, open
}

// consecutive groups sorted days into ranges without a gap.
func consecutive(days []lake.Day) [][2]lake.Day {
	var out [][2]lake.Day
	for _, d := range days {
		if n := len(out); n > 0 && out[n-1][1].End().Equal(d.Start()) {
			out[n-1][1] = d
			continue
		}
		out = append(out, [2]lake.Day{d, d})
	}
	return out
}

// backfillRange has the runs of some days made or made anew, and returns those to wait for. Where all are there it makes no backfill and
// says so.
func (a *app) backfillRange(ctx context.Context, story *story, from, to lake.Day, again bool) ([]int64, error) {
	first, last, err := engine.ParseRange(string(from), string(to), time.UTC)
	if err != nil {
		return nil, err
	}
	reprocess := engine.ReprocessFailed
	if again {
		reprocess = engine.ReprocessCompleted
	}
	request := engine.BackfillRequest{
		DAG:           dailyDAG,
		BackfillOrder: engine.BackfillOrder{BackfillRange: engine.BackfillRange{From: first, To: last}, MaxActiveRuns: 4, Reprocess: reprocess},
		By:            triggeredByDemo,
	}
	plan, err := a.runtime.Control().Backfill(ctx, request, true)
	if err != nil {
		return nil, fmt.Errorf("plan the backfill of %s to %s: %w", from, to, err)
	}
	work, there := toDo(plan.Steps)
	if len(there) > 0 {
		story.say(thereAlready(len(there), len(plan.Steps), from, to))
	}
	if work {
		if _, err = a.runtime.Control().Backfill(ctx, request, false); err != nil {
			return nil, fmt.Errorf("backfill %s to %s: %w", from, to, err)
		}
	}
	rows, _, err := a.store.Runs(ctx, engine.RunFilter{DAGs: []string{dailyDAG}, LogicalFrom: &first, LogicalTo: &last, Limit: engine.MaxBackfillDates})
	if err != nil {
		return nil, err
	}
	var keys []int64
	for _, r := range rows {
		if !there[r.Logical.UnixMicro()] {
			keys = append(keys, r.Key)
		}
	}
	return keys, nil
}

// toDo tells whether a backfill has anything to make, and which logical dates, in microseconds, have a run that is over and stays.
func toDo(steps []engine.BackfillStep) (work bool, there map[int64]bool) {
	there = map[int64]bool{}
	for _, s := range steps {
		work = work || s.Action != engine.BackfillLeave
		if s.Reason == engine.ReasonExists {
			there[s.Interval.Start.UnixMicro()] = true
		}
	}
	return work, there
}

// thereAlready says that n of all days have their run from before.
func thereAlready(n, all int, from, to lake.Day) string {
	if n < all {
		return fmt.Sprintf("%s of %s: %d of %d are there already", dailyDAG, between(from, to), n, all)
	}
	return fmt.Sprintf("%s of %s: all there already", dailyDAG, between(from, to))
}

// between names a range of days.
func between(from, to lake.Day) string {
	if from == to {
		return string(from)
	}
	return string(from) + " to " + string(to)
}

// finishOpen brings to their end the backfills of these days that are open still: those of a demo that was stopped in the middle, and
// what others have asked for.
func (a *app) finishOpen(ctx context.Context, story *story, from, to lake.Day) error {
	open, _, err := a.store.Backfills(ctx, engine.BackfillFilter{DAG: dailyDAG, Open: true, Limit: maxOpenBackfills})
	if err != nil {
		return fmt.Errorf("look for open backfills: %w", err)
	}
	for _, b := range open {
		if !b.From.Before(to.End()) || b.To.Before(from.Start()) {
			continue
		}
		if b.Paused && b.TriggeredBy == triggeredByDemo { // it was stopped while it made the backfill
			if err := a.runtime.Control().PauseBackfill(ctx, b.ID, false, triggeredByDemo); err != nil {
				return fmt.Errorf("resume backfill %d: %w", b.ID, err)
			}
		}
		story.say(fmt.Sprintf("backfill %d was left open: waiting for its runs", b.ID))
		for b.CompletedAt == nil {
			rows, _, err := a.store.Runs(ctx, engine.RunFilter{Backfill: b.ID, States: []engine.RunState{engine.RunQueued, engine.RunRunning}, Limit: engine.MaxBackfillDates})
			if err != nil {
				return err
			}
			line, err := a.progressLine(ctx, rows)
			if err != nil {
				return err
			}
			story.live(line)
			if !wait(ctx, 250*time.Millisecond) {
				return ctx.Err()
			}
			if b, err = a.store.Backfill(ctx, b.ID); err != nil {
				return fmt.Errorf("look at a backfill: %w", err)
			}
		}
	}
	return nil
}

func (a *app) triggerPartial(ctx context.Context, day lake.Day) (int64, error) {
	params, err := json.Marshal(daily.Params{Day: day, Partial: true})
	if err != nil {
		return 0, err
	}
	row, err := a.runtime.Control().Trigger(ctx, engine.TriggerRequest{DAG: dailyDAG, Params: params, By: triggeredByDemo})
	if err != nil {
		return 0, fmt.Errorf("trigger %s for %s: %w", dailyDAG, day, err)
	}
	return row.Key, nil
}

// watch tells how the runs come along until all are over, and returns the ids of those that failed.
func (a *app) watch(ctx context.Context, story *story, keys map[int64]bool) ([]string, error) {
	list := make([]int64, 0, len(keys))
	for k := range keys {
		list = append(list, k)
	}
	sort.Slice(list, func(i, j int) bool { return list[i] < list[j] })
	told := map[int64]bool{}
	for len(list) > 0 {
		rows, err := a.store.RunsByKey(ctx, list)
		if err != nil {
			return nil, err
		}
		var failed []string
		open := 0
		for _, r := range rows {
			if !r.State.Terminal() {
				open++
				continue
			}
			if r.State == engine.RunFailed {
				failed = append(failed, r.RunID)
			}
			if !told[r.Key] {
				told[r.Key] = true
				story.say(fmt.Sprintf("%s %s: %s (%d of %d)", r.DAG, dayOf(r), r.State, len(told), len(list)))
			}
		}
		if open == 0 {
			return failed, nil
		}
		line, err := a.progressLine(ctx, rows)
		if err != nil {
			return nil, err
		}
		story.live(line)
		if !wait(ctx, 250*time.Millisecond) {
			return nil, ctx.Err()
		}
	}
	return nil, nil
}

// progressLine says what runs, and what is being waited for, a few runs at most.
func (a *app) progressLine(ctx context.Context, rows []engine.RunRow) (string, error) {
	var open []engine.RunRow
	for _, r := range rows {
		if r.State == engine.RunRunning {
			open = append(open, r)
		}
	}
	open = open[:min(len(open), 4)]
	views, err := engine.View(ctx, a.store, open, true)
	if err != nil {
		return "", err
	}
	var parts []string
	for _, v := range views {
		part := ""
		for _, t := range v.Tasks {
			switch {
			case t.Runner != "":
			case t.State == engine.Running:
				part = t.Task
			case t.State == engine.UpForRetry:
				part = t.Task + " failed (" + t.Error + "), " + t.Reason
			}
		}
		if part != "" {
			parts = append(parts, dayOf(v.Run)+" "+part)
		}
	}
	if len(parts) == 0 {
		return "waiting for runs to start", nil
	}
	return strings.Join(parts, " · "), nil
}

// dayOf is the day that a run of the daily DAG works on, for people.
func dayOf(r engine.RunRow) string {
	if r.Logical != nil {
		return engine.DayOf(*r.Logical, time.UTC)
	}
	var p daily.Params
	if err := json.Unmarshal(r.Params, &p); err != nil || p.Day == "" {
		return r.RunID
	}
	if p.Partial {
		return string(p.Day) + " (so far)"
	}
	return string(p.Day)
}
