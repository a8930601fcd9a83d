package lakecrash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/testkit/plainreader"
	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/tasks/ingest"
)

const (
	killsVar          = "TIDEMILL_KILLS" // how many processes are killed; unset: the test does nothing
	killPartitions    = 6
	killsBetweenLooks = 50
	killProcesses     = 3 // that ingest; one more compacts
)

// TestRandomKills: three processes carry six partitions under load and a fourth one compacts what they write, while one after the other is
// killed, frozen (for longer than its session lasts, some of them) or asked to end, and started again at once. With three of four that makes
// the group share the partitions out anew. What another program reads meanwhile has no record twice; at the end it has each once.
func TestRandomKills(t *testing.T) {
	text := os.Getenv(killsVar)
	if text == "" { // only when asked for: it needs Java and Maven
		return
	}
	t.Parallel()
	kills, err := strconv.Atoi(text)
	if err != nil || kills < 1 {
		t.Fatalf("%s=%s: it takes a number of kills", killsVar, text)
	}
	reader, ok := plainreader.Start(t)
	if !ok {
		return
	}
	w := newWorld(t, reader, apacheKafka(t), killPartitions)
	dir := t.TempDir()
	if err := folders(dir); err != nil {
		t.Fatal(err)
	}
	a := assignment{Brokers: w.addrs, Topic: topic, Group: "kills", Root: filepath.Join(dir, lakeFolder), Mirror: filepath.Join(dir, mirrorFolder),
		FlushRows: 5000, FlushAge: 100 * time.Millisecond, FinishEvery: 500 * time.Millisecond, CollectAfter: 3 * time.Second, Forever: true}
	seed := rand.Uint64()
	compactor := assignment{Brokers: a.Brokers, Topic: topic, Root: a.Root, Rewrite: tidies, Forever: true}
	f := fleet{world: w, assignment: a, compactor: compactor, dice: rand.New(rand.NewPCG(seed, 0))}
	defer f.end()
	load, err := w.load()
	if err == nil {
		err = f.rage(t.Context(), kills)
	}
	if err = errors.Join(err, load()); err == nil {
		err = f.settle(t.Context())
	}
	if err == nil {
		err = w.complete(t.Context(), a)
	}
	if err != nil {
		f.end()
		for i, p := range f.running {
			t.Logf("process %d says:\n%s", i, &p.log)
		}
		t.Fatalf("seed %d: %v", seed, err)
	}
	state := f.state(t)
	files, err := state.FilesOf("")
	if err != nil {
		t.Fatal(err)
	}
	compactions, err := filepath.Glob(filepath.Join(a.Root, "_swap", topic, "*"))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d kills, %d freezes, %d orderly ends; %d records in %d entries, %d of them compactions, and %d files",
		f.kills, f.freezes, f.ends, f.records(), state.Head, len(compactions), len(files))
	if state.Head < int64(kills) {
		t.Errorf("%d commits under %d kills: they met an idle stream", state.Head, kills)
	}
}

// fleet is the processes.
type fleet struct {
	world      *world
	assignment assignment // of those that ingest
	compactor  assignment
	dice       *rand.Rand

	running              [killProcesses + 1]*process    // the last one compacts
	thawing              [killProcesses + 1]*time.Timer // of one that is frozen; else nil
	looked               int                            // at how many kills
	kills, freezes, ends int
}

// rage does to the processes what it likes, until it has killed that many.
func (f *fleet) rage(ctx context.Context, kills int) error {
	for i := range f.running {
		if err := f.start(i); err != nil {
			return err
		}
	}
	for f.kills < kills {
		if err := pause(ctx, time.Duration(200+f.dice.IntN(2600))*time.Millisecond); err != nil {
			return err
		}
		i := f.dice.IntN(len(f.running))
		if err := f.strike(i); err != nil {
			return err
		}
		if f.kills >= f.looked+killsBetweenLooks {
			f.looked = f.kills
			f.world.t.Logf("%s: %d kills", time.Now().Format(time.TimeOnly), f.kills)
			if err := f.look(); err != nil {
				return fmt.Errorf("after %d kills: %w", f.kills, err)
			}
		}
	}
	return nil
}

// look has a plain reader look at the lake that is being written to, though not compacted: a reader that lists a day's files before that
// is compacted and opens them after it does not find them, and has to begin again.
func (f *fleet) look() error {
	if err := f.endOrderly(killProcesses); err != nil {
		return err
	}
	err := f.world.sound(f.assignment.Root)
	for n := 0; n < 5 && err != nil && strings.Contains(err.Error(), "No such file"); n++ { // what a killed one began is finished by others
		err = f.world.sound(f.assignment.Root)
	}
	return errors.Join(err, f.start(killProcesses))
}

// strike kills a process, more often than not, or freezes it for a while, or asks it to end.
func (f *fleet) strike(i int) error {
	p := f.running[i]
	frozen := f.thawing[i] != nil
	switch n := f.dice.IntN(10); {
	case n < 7 || frozen:
		f.kills++
		if frozen {
			f.thawing[i].Stop()
			f.thawing[i] = nil
		}
		if err := p.signal(syscall.SIGKILL); err != nil {
			return err
		}
		<-p.ended
		if !endedBy(p.err, syscall.SIGKILL) {
			return fmt.Errorf("a process ended before it was killed: %w:\n%s", p.err, &p.log)
		}
	case n < 9:
		f.freezes++
		if err := p.signal(syscall.SIGSTOP); err != nil {
			return err
		}
		f.thawing[i] = time.AfterFunc(time.Duration(f.dice.IntN(4000))*time.Millisecond, func() { _ = p.signal(syscall.SIGCONT) })
		return nil
	default:
		return f.replace(i)
	}
	return f.start(i)
}

// replace asks a process to end and starts another.
func (f *fleet) replace(i int) error {
	f.ends++
	return errors.Join(f.endOrderly(i), f.start(i))
}

// endOrderly asks a process to end, also one that is frozen, and waits for that.
func (f *fleet) endOrderly(i int) error {
	p := f.running[i]
	if f.thawing[i] != nil {
		f.thawing[i].Stop()
		f.thawing[i] = nil
	}
	if err := errors.Join(p.signal(syscall.SIGTERM), p.signal(syscall.SIGCONT)); err != nil {
		return err
	}
	if err := p.wait(); err != nil && !endedBy(p.err, syscall.SIGTERM) { // it is asked before it can hear, perhaps
		return fmt.Errorf("a process that was asked to end: %w", err)
	}
	return nil
}

func (f *fleet) start(i int) (err error) {
	a := f.assignment
	if i == killProcesses {
		a = f.compactor
	}
	f.running[i], err = start(a)
	return err
}

// settle lets the processes bring the lake up to the topic, and asks them to end.
func (f *fleet) settle(ctx context.Context) error {
	for i, p := range f.running {
		if f.thawing[i] != nil {
			f.thawing[i].Stop()
			if err := p.signal(syscall.SIGCONT); err != nil {
				return err
			}
		}
	}
	l, err := lake.Open(f.assignment.Root, topic)
	if err != nil {
		return err
	}
	err = eventually("the lake has caught up", func() (bool, error) {
		d, err := ingest.Lag(ctx, f.assignment.Brokers, topic, nil, l)
		return err == nil && d.CaughtUp(), err
	})
	if err != nil {
		return err
	}
	for _, p := range f.running {
		if err := errors.Join(p.signal(syscall.SIGTERM), p.wait()); err != nil {
			return fmt.Errorf("a process at the end: %w", err)
		}
	}
	return f.world.rewriteOf(f.assignment, compacts) // and finishes what a killed compaction has begun a moment ago
}

// end ends what still runs.
func (f *fleet) end() {
	for _, p := range f.running {
		if p != nil {
			p.end()
		}
	}
}

func (f *fleet) records() (n int64) {
	for _, end := range f.world.want.ends {
		n += end
	}
	return n
}

func (f *fleet) state(t *testing.T) *lake.State {
	t.Helper()
	l, err := lake.Open(f.assignment.Root, topic)
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// load puts records on the topic, some hundred a second, until stop is called, which returns what went wrong.
func (w *world) load() (stop func() error, err error) {
	if err := w.produce(payments(killPartitions, 0, 600)...); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() {
		for from := 600; pause(ctx, 50*time.Millisecond) == nil; from += 30 {
			if err := w.produce(payments(killPartitions, from, 30)...); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	return func() error {
		cancel()
		return <-done
	}, nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
