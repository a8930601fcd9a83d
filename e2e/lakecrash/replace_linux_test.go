package lakecrash

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/testkit/plainreader"
)

// TestReplacementMatrix: a process that compacts or replays a day is struck at every point of that, and the stream commits to the day while
// it is dead or frozen; and the stream is struck at every point of a commit, while another process compacts and replays the day that its
// files are on their way to.
func TestReplacementMatrix(t *testing.T) {
	t.Parallel()
	reader, ok := plainreader.Start(t)
	if !ok {
		return
	}
	var cells []cell
	for _, what := range []string{compacts, replays, both} {
		w := newWorld(t, reader, inMemory(t), 3)
		if err := w.makeReplaced(what); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		points, err := w.points()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		t.Logf("%s: %d points", w.name, len(points))
		cells = append(cells, w.cellsOf(points)...)
	}
	switch asked := os.Getenv(matrixVar); asked {
	case "":
		seed := uint64(time.Now().UTC().YearDay()) //nolint:gosec // positive
		cells = someReplacements(cells, rand.New(rand.NewPCG(seed, 1)))
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

// someReplacements chooses a kill, a freeze and an error for each of what is rewritten.
func someReplacements(cells []cell, dice *rand.Rand) (some []cell) {
	kinds := map[string][]cell{}
	for _, c := range cells {
		kind := c.world.name + " error"
		if c.blow == kill || c.blow == stop {
			kind = c.world.name + " " + string(c.blow)
		}
		kinds[kind] = append(kinds[kind], c)
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		some = append(some, kinds[kind][dice.IntN(len(kinds[kind]))])
	}
	return some
}

// makeReplaced makes a lake of two commits, by a stream that refuses good records, and puts those of a third one on the topic.
func (w *world) makeReplaced(what string) error {
	w.name, w.base, w.rewrite = what, filepath.Join(w.t.TempDir(), "base"), what
	if what == both {
		w.name = "stream beside " + what
	}
	if err := folders(w.base); err != nil {
		return err
	}
	for n := range 2 {
		if err := w.produce(payments(3, n*batch, batch)...); err != nil {
			return err
		}
		a := w.assignment(w.base, "earlier")
		a.Strict = true
		if err := finish(a); err != nil {
			return err
		}
	}
	w.settled = maps.Clone(w.want.ends)
	return w.produce(payments(3, 2*batch, batch)...)
}

// rows are the offsets that a reader may see: of a lake that holds the topic up to ends, where the day is replayed or is not.
func (w *world) rows(ends map[int32]int64, replayed bool) map[int32][]int64 {
	all := map[int32][]int64{}
	for p, offsets := range w.want.rows {
		all[p] = slices.DeleteFunc(slices.Clone(offsets), func(o int64) bool {
			return o >= ends[p] || !replayed && o < w.settled[p] && w.want.refused[p][o]
		})
	}
	return all
}

// sees checks that each plain reader sees all of the topic up to ends exactly once, as it is before the replay or after it.
func (w *world) sees(root string, ends map[int32]int64) error {
	seen, err := w.reader.PlacesByReader(root, topic)
	if err != nil {
		return err
	}
	before, after := w.rows(ends, false), w.rows(ends, true)
	for name, s := range seen {
		if !maps.EqualFunc(s.Offsets, before, slices.Equal) && !maps.EqualFunc(s.Offsets, after, slices.Equal) {
			var errs []error
			for p := range after {
				errs = append(errs, fmt.Errorf("partition %d: %s sees neither the old day nor the new one: %s; %s", p, name,
					difference(s.Offsets[p], before[p]), difference(s.Offsets[p], after[p])))
			}
			return errors.Join(errs...)
		}
	}
	return nil
}

// tryRewriter strikes a process that rewrites the day. The stream commits to it, others rewrite it, and in the end all is there once.
func (c cell) tryRewriter(ctx context.Context, p *process, a assignment) error {
	w := c.world
	stream := a
	stream.FlushAge, stream.At, stream.Blow, stream.Rewrite = 100*time.Millisecond, point{}, "", ""
	if c.fenced {
		stream.CollectAfter = 1 // nanosecond
	}
	switch c.blow {
	case kill:
		<-p.ended
		if !endedBy(p.err, syscall.SIGKILL) {
			return fmt.Errorf("it was not killed: %w", p.err)
		}
	case stop:
		if err := p.frozen(); err != nil {
			return err
		}
	default:
		_ = p.wait() // it got over it, or gave up
	}
	if err := w.sees(a.Root, w.settled); err != nil {
		return fmt.Errorf("when it was struck: %w", err)
	}
	if err := finish(stream); err != nil {
		return fmt.Errorf("the stream: %w", err)
	}
	if err := w.sees(a.Root, w.want.ends); err != nil {
		return fmt.Errorf("after the stream's commit: %w", err)
	}
	if err := w.rewriteOf(a, w.rewrite); err != nil {
		return err
	}
	if err := w.sees(a.Root, w.want.ends); err != nil {
		return fmt.Errorf("after another %s: %w", w.rewrite, err)
	}
	if c.blow == stop {
		if err := p.frozen(); err != nil {
			return err
		}
		if err := p.signal(syscall.SIGCONT); err != nil {
			return err
		}
		if err := p.wait(); err != nil {
			return fmt.Errorf("the process that was frozen: %w", err)
		}
	}
	return errors.Join(w.rewriteOf(a, replays), w.complete(ctx, stream))
}
