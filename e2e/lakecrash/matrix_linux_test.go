package lakecrash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/testkit/plainreader"
)

// batch is how many records are put on the topic for one commit.
const batch = 150

// matrixVar asks for cells of the matrix: "all", or those whose name, as a failure tells it, holds the text.
const matrixVar = "TIDEMILL_CRASH_MATRIX"

// TestCrashMatrix: see the package's comment. The short version has one cell for each kind of blow and each of the two lakes, chosen by
// the day, so that all have their turn; and kills around the commit itself, the link, always.
func TestCrashMatrix(t *testing.T) {
	t.Parallel()
	reader, ok := plainreader.Start(t)
	if !ok {
		return
	}
	first, later := newWorld(t, reader, inMemory(t), 3), newWorld(t, reader, inMemory(t), 3)
	cells := append(first.cells("first", 0), later.cells("later", 1)...)
	switch asked := os.Getenv(matrixVar); asked {
	case "":
		seed := uint64(time.Now().UTC().YearDay()) //nolint:gosec // positive
		cells = someOf(cells, rand.New(rand.NewPCG(seed, 0)))
		t.Logf("%d cells of the matrix, by seed %d; all of them: %s=all", len(cells), seed, matrixVar)
	case "all":
	default:
		cells = slices.DeleteFunc(cells, func(c cell) bool { return !strings.Contains(c.String(), asked) })
	}
	counts := tryAll(t, cells)
	for _, b := range []blow{kill, noSpace, ioError, denied, stop} {
		t.Logf("%s: %d cells", b, counts[b])
	}
}

// cells lists the cells of a commit that comes after some earlier ones. It puts the records of all of them on the topic.
func (w *world) cells(name string, earlier int) []cell {
	must := func(err error) {
		w.t.Helper()
		if err != nil {
			w.t.Fatal(err)
		}
	}
	w.name, w.base = name+" commit", filepath.Join(w.t.TempDir(), "base")
	must(folders(w.base))
	for n := range earlier {
		must(w.produce(payments(3, n*batch, batch)...))
		must(finish(w.assignment(w.base, "earlier")))
	}
	must(w.produce(payments(3, earlier*batch, batch)...))
	points, err := w.points()
	must(err)
	w.t.Logf("a %s commit passes %d points", w.name, len(points))
	return w.cellsOf(points)
}

// cellsOf are the cells of a process that passes these points.
func (w *world) cellsOf(points []point) (cells []cell) {
	for i, at := range points {
		for _, b := range []blow{noSpace, ioError, denied} {
			cells = append(cells, cell{world: w, at: at, blow: b})
		}
		if at.After && i < len(points)-1 {
			continue // nothing changes until the next step begins
		}
		cells = append(cells, cell{world: w, at: at, blow: kill}, cell{world: w, at: at, blow: stop}, cell{world: w, at: at, blow: stop, fenced: true})
	}
	return cells
}

// someOf chooses a cell for each blow and lake, and adds a kill before and after the commit itself.
func someOf(cells []cell, dice *rand.Rand) (some []cell) {
	kinds := map[string][]cell{}
	var order []string
	for _, c := range cells {
		kind := fmt.Sprintf("%s %s %t", c.world.name, c.blow, c.fenced)
		if kinds[kind] == nil {
			order = append(order, kind)
		}
		kinds[kind] = append(kinds[kind], c)
		if c.blow == kill && (strings.HasPrefix(c.at.Step, "link _log/") || strings.HasPrefix(c.at.Step, "fsync folder _log/")) {
			some = append(some, c)
		}
	}
	for _, kind := range order {
		some = append(some, kinds[kind][dice.IntN(len(kinds[kind]))])
	}
	return some
}

// tryAll tries cells, several at once: those of frozen processes mostly wait. It returns how many there were of each blow.
func tryAll(t *testing.T, cells []cell) map[blow]int {
	slots := map[bool]chan struct{}{false: make(chan struct{}, 3), true: make(chan struct{}, 12)} // by whether it freezes
	dir, counts := t.TempDir(), map[blow]int{}
	var all sync.WaitGroup
	for i, c := range cells {
		counts[c.blow]++
		all.Go(func() {
			slot := slots[c.blow == stop]
			slot <- struct{}{}
			defer func() { <-slot }()
			if err := c.again(t.Context(), dir, i); err != nil {
				t.Errorf("%s: %v", c, err)
			}
		})
	}
	all.Wait()
	return counts
}

// again tries a cell, anew when its point did not come: a machine that stands still may make two commits of one.
func (c cell) again(ctx context.Context, dir string, i int) (err error) {
	for n := range 3 {
		group := fmt.Sprintf("cell-%d-%d", i, n)
		of := filepath.Join(dir, group)
		if err = c.try(ctx, of, group); !errors.Is(err, errUnstruck) {
			return errors.Join(err, os.RemoveAll(of))
		}
	}
	return err
}
