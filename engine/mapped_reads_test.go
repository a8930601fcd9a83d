package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tidemill/tidemill/engine"
)

// A listReads store counts how often outputs of a task are read, without those that it left out as seen.
type listReads struct {
	engine.Store
	task  string
	mu    sync.Mutex
	asked int
	read  int
}

func (s *listReads) Inputs(ctx context.Context, keys []engine.InputKey) ([]engine.Input, error) {
	got, err := s.Store.Inputs(ctx, keys)
	s.mu.Lock()
	defer s.mu.Unlock()
	once := map[engine.InputKey]bool{}
	for i, k := range keys {
		if k.Task != s.task || err != nil {
			continue
		}
		s.asked++
		if once[k] {
			return nil, fmt.Errorf("%v is asked for twice at once", k)
		}
		once[k] = true
		s.read += len(got[i].Attempts)
	}
	return got, err
}

func (s *listReads) counts() (asked, read int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked, s.read
}

func TestMappedListIsReadOnce(t *testing.T) {
	store := &listReads{Store: memory(), task: "list"}
	var length atomic.Int64
	d := engine.New[engine.NoParams]("d", engine.MaxActiveTasks(engine.Unlimited))
	list := engine.After(d.Run(), "list", func(context.Context, run) ([]int, error) {
		out := make([]int, length.Load())
		for i := range out {
			out[i] = 1000*len(out) + i
		}
		return out, nil
	})
	each := engine.Map(list, "each", func(_ context.Context, i int) (int, error) { return i, nil })
	pairs := engine.Cross(each, list, "pair", func(_ context.Context, a, b int) (bool, error) { return a == b, nil })
	// What is mapped over can be shared as well.
	whole := engine.MapWith(list, engine.Collect(list), "whole", func(_ context.Context, i int, all [][]int) (bool, error) {
		return len(all) == 1 && slices.Contains(all[0], i), nil
	})
	engine.After3(each, pairs, whole, "check", func(_ context.Context, all []int, equal, found []bool) (string, error) {
		n := 0
		for _, is := range equal {
			if is {
				n++
			}
		}
		return fmt.Sprintf("%d elements from %d, %d of %d pairs equal, all found: %v", len(all), all[0], n, len(equal), !slices.Contains(found, false)), nil
	})
	length.Store(20)
	r := running(t, store, nil, d)
	row := triggered(t, r, "d")
	finds := func(want string) {
		t.Helper()
		if v := over(t, r, row); v.Run.State != engine.RunSuccess {
			t.Fatalf("the run is %s: %v", v.Run.State, states(v))
		}
		a, err := store.Attempt(t.Context(), engine.TaskKey{Run: row.Key, Task: "check", MapIndex: -1}, -1)
		if err != nil || string(a.Output) != strconv.Quote(want) {
			t.Errorf("%s, %v; want %s", a.Output, err, want)
		}
	}
	finds("20 elements from 20000, 20 of 400 pairs equal, all found: true")
	if asked, read := store.counts(); read > 4 || asked <= read { // by two completers and the dispatcher at once, at most
		t.Errorf("the list is read %d times, asked for %d times", read, asked)
	}
	// A list that is made anew is read anew.
	length.Store(10)
	if _, err := r.Control().Clear(t.Context(), "d", row.RunID, engine.Selection{}, false, "ann"); err != nil {
		t.Fatal(err)
	}
	finds("10 elements from 10000, 10 of 100 pairs equal, all found: true")
}
