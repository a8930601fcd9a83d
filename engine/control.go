package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tidemill/tidemill/engine/secret"
)

// A Control is what people do to DAGs and runs: from the UI, the API and the command line. It needs no runtime in the same
// process, only the DAGs' definitions.
type Control struct {
	store    Store
	catalog  *Catalog
	versions *versionCache
	build    string
	wake     func()
	secrets  *secret.Redactor // what people may not put into what is kept; nil: none is known
}

// NewControl makes a control. build names the program's build for history.
func NewControl(s Store, c *Catalog, build string) *Control {
	return &Control{store: s, catalog: c, versions: newVersionCache(s), build: build, wake: func() {}}
}

// Catalog is the DAGs that this process has.
func (c *Control) Catalog() *Catalog { return c.catalog }

// Store is where the state lives.
func (c *Control) Store() Store { return c.store }

func (c *Control) definition(dag string) (*Definition, error) {
	d, ok := c.catalog.DAG(dag)
	if !ok {
		return nil, fmt.Errorf("DAG %q: %w%s", dag, ErrNotFound, Near(dag, c.catalog.IDs()))
	}
	return d, nil
}

func (c *Control) status(ctx context.Context, dag string) (DAGStatus, error) {
	st, err := c.store.DAGStatus(ctx, dag)
	if errors.Is(err, ErrNotFound) {
		return st, c.noDAG(ctx, dag)
	}
	return st, err
}

// noDAG says that a DAG was never registered, and which name is near.
func (c *Control) noDAG(ctx context.Context, dag string) error {
	all, err := c.store.Standings(ctx)
	if err != nil {
		return err
	}
	ids := make([]string, len(all))
	for i, s := range all {
		ids[i] = s.ID
	}
	slices.Sort(ids)
	return fmt.Errorf("DAG %q: %w%s", dag, ErrNotFound, Near(dag, ids))
}

func (c *Control) conflict(ctx context.Context, n NewRun, key int64) error {
	rows, err := c.store.RunsByKey(ctx, []int64{key})
	if err != nil || len(rows) == 0 {
		return fmt.Errorf("run %s of %s: there is one already: %w", n.RunID, n.DAG, ErrConflict)
	}
	if rows[0].RunID == n.RunID {
		return fmt.Errorf("run %s of %s: there is one of this id already: %w", n.RunID, n.DAG, ErrConflict)
	}
	return fmt.Errorf("run %s of %s: run %s has the logical date %s already: %w", n.RunID, n.DAG, rows[0].RunID, n.Logical.Format(time.RFC3339), ErrConflict)
}

// runID names a run by its type and time, as Airflow does.
func runID(t RunType, at time.Time) string {
	return string(t) + "__" + at.UTC().Format("2006-01-02T15:04:05.999999+00:00")
}

func checkRunID(id string) error {
	if utf8.RuneCountInString(id) > 250 || strings.TrimSpace(id) != id || strings.ContainsAny(id, "/\\?#") || strings.ContainsFunc(id, unicode.IsControl) {
		return &InvalidError{Field: "dag_run_id", Message: "use at most 250 characters, none of / \\ ? #, no control character and no space at the ends"}
	}
	if id == "." || id == ".." || id == "~" {
		return &InvalidError{Field: "dag_run_id", Message: fmt.Sprintf("%q means something else in an address; give another", id)}
	}
	return nil
}

// Answer answers the open question of a task instance; by is who did. An answer that the question does not have is an [InvalidError]; a
// question that is not open any more is ErrConflict.
func (c *Control) Answer(ctx context.Context, key TaskKey, dag, run, choice, by string) error {
	d, err := c.definition(dag)
	if err != nil {
		return err
	}
	t, ok := d.byID[key.Task]
	if !ok || len(t.spec.Answers) == 0 {
		return fmt.Errorf("question %s of run %s of %s: %w", key.Task, run, dag, ErrNotFound)
	}
	if !slices.Contains(t.spec.Answers, choice) {
		return &InvalidError{Field: "choice", Message: fmt.Sprintf("%q is no answer; give one of %q", choice, t.spec.Answers)}
	}
	return c.change(ctx, dag, run, by, false, false, func(m *machine) error {
		key.Run = m.row.Key
		act := c.actOf(&m.row, ActAnswer, by, map[string]any{"chosen_options": []string{choice}})
		act.Task, act.MapIndex, act.Try = key.Task, key.MapIndex, m.tryOf(key.Task, key.MapIndex)
		if !m.answer(key, choice) {
			return fmt.Errorf("question %s of run %s of %s: it is not open: %w", key.Task, run, dag, ErrConflict)
		}
		m.change.Acts = append(m.change.Acts, act)
		return nil
	})
}

// UpdateAsset notes by a person's word that an asset was updated, outside any run. extra is a JSON object or nil.
func (c *Control) UpdateAsset(ctx context.Context, a Asset, extra []byte, by string) error {
	if err := checkAsset(string(a)); err != nil {
		return &InvalidError{Field: "asset", Message: err.Error()}
	}
	if len(extra) > 0 {
		var object map[string]any
		if err := strictly(extra, &object); err != nil || len(extra) > maxExtra {
			return &InvalidError{Field: "extra", Message: fmt.Sprintf("must be a JSON object of at most %d bytes", maxExtra)}
		}
	}
	if err := c.refuseIn("extra", string(extra)); err != nil {
		return err
	}
	told := map[string]any{"asset": a}
	if len(extra) > 0 {
		told["extra"] = json.RawMessage(extra)
	}
	if err := c.store.EmitAsset(ctx, AssetEvent{Asset: string(a), Extra: extra, MapIndex: -1, Task: by}, c.act(ActUpdateAsset, by, told)); err != nil {
		return err
	}
	c.wake()
	return nil
}

// DropPending makes the updates of an asset that a DAG has not run for yet pending no more, and returns how many there were: those of before a
// time, or all when it is zero. "" stands for every DAG, or for every asset.
func (c *Control) DropPending(ctx context.Context, dag string, asset Asset, before time.Time, by string) (int, error) {
	if dag == "" && asset == "" {
		return 0, &InvalidError{Field: "asset", Message: "name a DAG, an asset or both"}
	}
	event, told := ActDropPending, map[string]any{}
	switch {
	case dag == "":
		event = ActDropPendingAsset
	case asset != "":
		event = ActDropPendingOne
	}
	if asset != "" {
		told["asset"] = asset
	}
	if !before.IsZero() {
		told["before"] = before
	}
	act := c.act(event, by, told)
	act.DAG = dag
	return c.store.DropPending(ctx, dag, string(asset), before, act)
}

// SetPool makes or changes a pool.
func (c *Control) SetPool(ctx context.Context, p Pool, by string) error {
	if err := checkID("pool", p.Name); err != nil {
		return &InvalidError{Field: "name", Message: err.Error()}
	}
	if p.Slots < 0 || p.Slots > 1<<30 {
		return &InvalidError{Field: "slots", Message: fmt.Sprintf("is %d; give 0 or more", p.Slots)}
	}
	if err := c.refuseIn("description", p.Description); err != nil {
		return err
	}
	pools, err := c.store.Pools(ctx)
	if err != nil {
		return err
	}
	event := ActCreatePool // of two that make one at once, both
	if slices.ContainsFunc(pools, func(o PoolRow) bool { return o.Name == p.Name }) {
		event = ActChangePool
	}
	if err := c.store.SetPool(ctx, p, c.act(event, by, map[string]any{"name": p.Name, "slots": p.Slots, "description": p.Description})); err != nil {
		return err
	}
	c.wake()
	return nil
}

// DeletePool takes a pool away; tasks that name it wait, with that reason. ErrNotFound when there is none.
func (c *Control) DeletePool(ctx context.Context, name, by string) error {
	return c.store.DeletePool(ctx, name, c.act(ActDeletePool, by, map[string]any{"name": name}))
}

// maxNote is how many characters a note may have.
const maxNote = 1000

// NoteRun and NoteTask set what people have noted about a run or a task instance; "" takes the note away.
func (c *Control) NoteRun(ctx context.Context, dag, run, note, by string) error {
	return c.note(ctx, dag, run, note, func(row *RunRow) error {
		return c.store.SetRunNote(ctx, row.Key, note, by, c.actOf(row, ActMarkRun, by, map[string]any{"note": note}))
	})
}

// NoteTask is [Control.NoteRun] for a task instance.
func (c *Control) NoteTask(ctx context.Context, dag, run, task string, mapIndex int, note, by string) error {
	return c.note(ctx, dag, run, note, func(row *RunRow) error {
		act := c.actOf(row, ActMarkTask, by, map[string]any{"note": note})
		act.Task, act.MapIndex = task, mapIndex
		return c.store.SetTaskNote(ctx, TaskKey{row.Key, task, mapIndex}, note, by, act)
	})
}

func (c *Control) note(ctx context.Context, dag, run, note string, set func(*RunRow) error) error {
	if len([]rune(note)) > maxNote {
		return &InvalidError{Field: "note", Message: fmt.Sprintf("has %d characters; at most %d are kept", len([]rune(note)), maxNote)}
	}
	if err := c.refuseIn("note", note); err != nil {
		return err
	}
	row, err := c.store.RunByID(ctx, dag, run)
	if err != nil {
		return err
	}
	return set(&row)
}

// SetPaused pauses or unpauses a DAG: a paused one starts no run and no task; what runs goes on.
func (c *Control) SetPaused(ctx context.Context, dag string, paused bool, by string) error {
	act := c.act(ActPauseDAG, by, map[string]any{"is_paused": paused})
	act.DAG = dag
	if err := c.store.SetPaused(ctx, dag, paused, act); err != nil {
		return err
	}
	c.wake()
	return nil
}

// PauseStream drains a stream and keeps it stopped, or lets it run again. ErrNotFound when there is none of that name.
func (c *Control) PauseStream(ctx context.Context, name string, paused bool, by string) error {
	event := ActPauseStream
	if !paused {
		event = ActUnpauseStream
	}
	return c.store.SetStreamPaused(ctx, name, paused, c.act(event, by, map[string]any{"stream": name}))
}

// errDryRun rolls a transition back.
var errDryRun = errors.New("dry run")

// change does something to a run by a person's word, in one transition; when it changes nothing it leaves no entry in the audit log. latest moves one that is pinned to another version to this process's.
func (c *Control) change(ctx context.Context, dag, run, by string, dryRun, latest bool, do func(*machine) error) error {
	row, err := c.store.RunByID(ctx, dag, run)
	if err != nil {
		return err
	}
	d, err := c.definition(dag)
	if err != nil {
		return err
	}
	err = c.versions.transition(ctx, Transition{Runs: []int64{row.Key}, Decide: func(now time.Time, runs []RunRow, _ Found) ([]RunChange, error) {
		if len(runs) == 0 {
			return nil, fmt.Errorf("run %s of %s: %w", run, dag, ErrNotFound)
		}
		v, err := c.versions.of(d, runs[0])
		if err != nil {
			return nil, err
		}
		v.released = latest
		m, err := newMachine(d, now, runs[0], v, actor{build: c.build, by: by})
		if err != nil {
			return nil, err
		}
		switch {
		case m.pin == d.Version:
		case outdated(d, runs[0]):
			return nil, fmt.Errorf("run %s of %s: this process has an older version of the DAG than the one in force; ask a process that was started later: %w", run, dag, ErrConflict)
		case m.outdated:
			return nil, fmt.Errorf("run %s of %s is pinned to version %s, which this process does not have: ask one that has it, mark the run, or clear it onto the version in force (run_on_latest_version): %w",
				run, dag, m.pin, ErrConflict)
		}
		state, states := m.change.State, m.states.Encode()
		if err := do(m); err != nil {
			return nil, err
		}
		if dryRun {
			return nil, errDryRun
		}
		if m.change.State == state && bytes.Equal(m.states.Encode(), states) {
			m.change.Acts = nil // all was so already
		}
		m.settle()
		return []RunChange{m.result()}, nil
	}})
	if errors.Is(err, errDryRun) {
		return nil
	}
	if err != nil {
		return err
	}
	c.wake()
	return nil
}

// sortedKeys lists the keys of a set in ascending order.
func sortedKeys[V any](m map[int64]V) []int64 {
	keys := make([]int64, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
