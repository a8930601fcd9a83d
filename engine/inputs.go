package engine

import (
	"context"
	"fmt"
	"time"
)

// An inputReader gathers what the attempts of one launch read, so that each thing is asked for once.
type inputReader struct {
	r     *Runtime
	known map[InputKey][]Attempt // without reading
	keys  []InputKey             // to be read
	tasks []*Task                // of keys
	kept  []bool                 // of keys: instances of mapped tasks read it, others are to come
	at    map[InputKey]int       // index in keys
	wants []wantedInput
}

// A wantedInput is an upstream that an attempt reads.
type wantedInput struct {
	a    *attempt
	task *Task
	key  InputKey
}

// want notes what an attempt reads.
func (in *inputReader) want(a *attempt) {
	for _, u := range a.task.up {
		if u.kind == OrderEdge {
			continue
		}
		key := InputKey{Run: a.Lease.Run, Task: u.task.spec.ID, MapIndex: -1, Settled: u.kind != ValueEdge}
		if u.task.over != nil {
			key.MapIndex = AllElements
			if u.task == a.task.over && !a.task.overAll {
				key.MapIndex = a.MapIndex
			}
		}
		in.wants = append(in.wants, wantedInput{a, u.task, key})
		if _, ok := in.known[key]; ok {
			continue
		}
		i, ok := in.at[key]
		if !ok {
			if in.at == nil {
				in.at = map[InputKey]int{}
			}
			i = len(in.keys)
			in.at[key] = i
			in.keys, in.tasks, in.kept = append(in.keys, key), append(in.tasks, u.task), append(in.kept, false)
		}
		in.kept[i] = in.kept[i] || a.task.over != nil && key.MapIndex == -1
	}
}

// read reads what was asked for and gives it to the attempts. It errs when ctx ended first.
func (in *inputReader) read(ctx context.Context) error {
	got, err := in.fetch(ctx)
	if err != nil {
		return err
	}
	for _, w := range in.wants {
		if at, ok := in.known[w.key]; ok {
			w.a.inputs.from.set(w.task, Input{Attempts: at})
		} else {
			w.a.inputs.from.set(w.task, got[in.at[w.key]])
		}
	}
	return nil
}

// fetch reads the keys; of outputs that are kept only whether they are still the newest.
func (in *inputReader) fetch(ctx context.Context) ([]Input, error) {
	if len(in.keys) == 0 {
		return nil, nil
	}
	now := in.r.clock.Now()
	ask, seen := append([]InputKey(nil), in.keys...), make([]*cachedOutput, len(in.keys))
	for i := range ask {
		if !in.kept[i] {
			continue
		}
		if seen[i] = in.r.outputs.get(in.keys[i], now); seen[i] != nil {
			ask[i].Seen = SeenAttempt{Try: seen[i].attempt.Try, EndedAt: seen[i].attempt.EndedAt}
		}
	}
	got, err := in.r.readInputs(ctx, ask)
	if err != nil {
		return nil, fmt.Errorf("read inputs: %w", err)
	}
	if err := in.r.cutElements(ctx, in.keys, got); err != nil {
		return nil, fmt.Errorf("count elements: %w", err)
	}
	for i := range got {
		switch {
		case got[i].Same:
			got[i].Attempts = []Attempt{seen[i].attempt}
		case in.kept[i] && len(got[i].Attempts) == 1:
			in.r.outputs.put(in.keys[i], in.tasks[i], got[i].Attempts[0], now)
		}
	}
	return got, nil
}

// list is where the elements are of the list that an attempt of t has left.
func (in *inputReader) list(t *Task, a Attempt) (jsonList, error) {
	key := InputKey{Run: a.Run, Task: t.spec.ID, MapIndex: -1}
	now := in.r.clock.Now()
	o := in.r.outputs.get(key, now)
	if !o.is(a) {
		o = in.r.outputs.put(key, t, a, now)
	}
	return o.list, o.err
}

// readInputs reads until it succeeds or ctx ends: a claim is not given up because the database is away for a moment.
func (r *Runtime) readInputs(ctx context.Context, keys []InputKey) ([]Input, error) {
	for {
		got, err := r.store.Inputs(ctx, keys)
		if err == nil || ctx.Err() != nil {
			return got, err
		}
		r.log.Warn("read inputs; trying again", "error", err)
		if !r.pause(ctx, time.Second) {
			return nil, ctx.Err()
		}
	}
}
