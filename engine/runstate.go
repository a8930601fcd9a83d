package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// RunStates is the state of a run's task instances: one value, kept on the run's row, locked with it and changed by pure
// functions only. Tasks are aligned with the tasks of the version that the row names.
type RunStates struct {
	DeadlineFired bool
	Doomed        bool // to end as failed whatever its tasks say: a person marked it failed, or its timeout passed
	Tasks         []TaskStates
}

// TaskStates are the instances of one task: one for a plain task, one per element for a mapped task that has been expanded. A
// mapped task that has not been expanded has one instance, of map index −1, that stands for all.
type TaskStates struct {
	Mapped    bool   // expanded: Instances are elements
	Length    int    // elements of the list that the task yielded, for those mapped over it; −1: not known
	Taken     string // the way that a task that chooses has taken; "": none yet
	Instances []Instance
}

// An Instance is where one task instance stands. Whether a queued one is running is said by the queue: a claim does not touch
// the run.
type Instance struct {
	State    State
	Try      int  // number of the latest try given out; never lowered
	Failures int  // failed, timed out and lost tries since the last clear
	Lost     bool // lost once since the last clear
	Poked    bool // a sensor that has asked once and is timed since; a question that has been asked
	Expired  bool // its time to wait is over: what it is doing now is its last chance
}

// newRunStates are the states of a run that has not started.
func newRunStates(d *Definition) RunStates {
	s := RunStates{Tasks: make([]TaskStates, len(d.tasks))}
	all := make([]Instance, len(d.tasks))
	for i := range s.Tasks {
		all[i].State = None
		s.Tasks[i] = TaskStates{Length: -1, Instances: all[i : i+1 : i+1]}
	}
	return s
}

// The encoding: a version byte, a flags byte, the number of tasks, then for each task a flags byte, the length of its list if it
// has one, the way it took if it chose, the number of instances if it is mapped, and for each instance a byte of state and flags, its
// try and its failures. Numbers are uvarints, a text is its length and its bytes.
const (
	statesVersion    = 2 // 1 had fewer flags
	flagDeadline     = 1
	flagDoomed       = 2
	flagMapped       = 1
	flagLength       = 2
	flagTaken        = 4
	instanceLost     = 0x80
	instanceTimed    = 0x40 // poked, and so timed
	instanceLast     = 0x20 // expired
	instanceState    = 0x1f
	maxTaken         = 1 << 12
	maxInstances     = 10_000_000
	bytesPerTask     = 4 // as most are
	bytesPerInstance = 3
	oneByte          = 0x80 // a smaller number is its own uvarint
)

var stateCodes = []State{None, Scheduled, Queued, Running, Success, Failed, Skipped, UpstreamFailed, UpForRetry, Restarting, Removed, UpForReschedule, Deferred, AwaitingInput}

func codeOf(s State) byte {
	for i, c := range stateCodes {
		if c == s {
			return byte(i)
		}
	}
	panic("engine: no code for state " + string(s))
}

// Encode writes the states as they are stored.
func (s RunStates) Encode() []byte {
	size := 8
	for _, t := range s.Tasks {
		size += bytesPerTask + bytesPerInstance*len(t.Instances)
	}
	b := make([]byte, 0, size)
	var flags byte
	if s.DeadlineFired {
		flags |= flagDeadline
	}
	if s.Doomed {
		flags |= flagDoomed
	}
	b = append(b, statesVersion, flags)
	b = binary.AppendUvarint(b, uint64(len(s.Tasks)))
	for _, t := range s.Tasks {
		var f byte
		if t.Mapped {
			f |= flagMapped
		}
		if t.Length >= 0 {
			f |= flagLength
		}
		if t.Taken != "" {
			f |= flagTaken
		}
		b = append(b, f)
		if t.Length >= 0 {
			b = binary.AppendUvarint(b, uint64(t.Length))
		}
		if t.Taken != "" {
			b = binary.AppendUvarint(b, uint64(len(t.Taken)))
			b = append(b, t.Taken...)
		}
		if t.Mapped {
			b = binary.AppendUvarint(b, uint64(len(t.Instances)))
		}
		for _, in := range t.Instances {
			c := codeOf(in.State)
			if in.Lost {
				c |= instanceLost
			}
			if in.Poked {
				c |= instanceTimed
			}
			if in.Expired {
				c |= instanceLast
			}
			if in.Try < oneByte && in.Failures < oneByte { // as nearly always: a run of many elements is encoded often
				b = append(b, c, byte(in.Try), byte(in.Failures))
				continue
			}
			b = append(b, c)
			b = binary.AppendUvarint(b, uint64(in.Try))
			b = binary.AppendUvarint(b, uint64(in.Failures))
		}
	}
	return b
}

var errStates = errors.New("run states are damaged")

// DecodeRunStates reads what Encode wrote. It errs on anything else, without panic and without allocating more than the
// input can hold.
func DecodeRunStates(b []byte) (RunStates, error) { return new(scratch).decode(b) }

// A scratch is room to decode run states into, one after the other: what was decoded before is gone then. Transitions of many runs spare
// the collector most of their garbage by it.
type scratch struct {
	m     machine
	tasks []TaskStates
	plain []Instance
	items []Instance // of mapped tasks
	dirty []bool
}

// elements is room for n instances of a mapped task, beside that for those decoded along with it.
func (c *scratch) elements(n int) []Instance {
	if free := cap(c.items) - len(c.items); free < n {
		c.items = make([]Instance, 0, n)
	}
	from := len(c.items)
	c.items = c.items[:from+n]
	return c.items[from : from+n : from+n]
}

// sized returns a slice of n zero elements, in room that may be used again.
func sized[T any](room *[]T, n int) []T {
	if cap(*room) < n {
		*room = make([]T, n)
	}
	*room = (*room)[:n]
	clear(*room)
	return *room
}

func (c *scratch) decode(b []byte) (RunStates, error) {
	d := stateReader{b: b}
	if v := d.byte(); (v < 1 || v > statesVersion) && !d.bad {
		return RunStates{}, fmt.Errorf("%w: written by a newer version (%d)", errStates, v)
	}
	flags := d.byte()
	s := RunStates{DeadlineFired: flags&flagDeadline != 0, Doomed: flags&flagDoomed != 0}
	n := d.count()
	if d.bad {
		return RunStates{}, errStates
	}
	s.Tasks = sized(&c.tasks, n)
	plain := sized(&c.plain, n)
	c.items = c.items[:0]
	for i := range s.Tasks {
		t := &s.Tasks[i]
		f := d.byte()
		t.Mapped, t.Length = f&flagMapped != 0, -1
		if f&flagLength != 0 {
			t.Length = d.number()
		}
		if f&flagTaken != 0 {
			t.Taken = d.text(maxTaken)
		}
		t.Instances = plain[i : i+1 : i+1]
		if t.Mapped {
			t.Instances = c.elements(d.count())
		}
		for j := range t.Instances {
			c := d.byte()
			if int(c&instanceState) >= len(stateCodes) {
				d.bad = true
			}
			if d.bad {
				return RunStates{}, errStates
			}
			t.Instances[j] = Instance{
				State: stateCodes[c&instanceState], Lost: c&instanceLost != 0, Poked: c&instanceTimed != 0, Expired: c&instanceLast != 0,
				Try: d.number(), Failures: d.number(),
			}
		}
	}
	if d.bad || len(d.b) != 0 {
		return RunStates{}, errStates
	}
	return s, nil
}

type stateReader struct {
	b   []byte
	bad bool
}

func (d *stateReader) byte() byte {
	if len(d.b) == 0 {
		d.bad = true
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

func (d *stateReader) number() int {
	if len(d.b) > 0 && d.b[0] < oneByte {
		v := int(d.b[0])
		d.b = d.b[1:]
		return v
	}
	v, n := binary.Uvarint(d.b)
	if n <= 0 || v > 1<<31 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return int(v)
}

// text is a text of at most so many bytes.
func (d *stateReader) text(most int) string {
	n := d.number()
	if d.bad || n > len(d.b) || n > most {
		d.bad = true
		return ""
	}
	v := string(d.b[:n])
	d.b = d.b[n:]
	return v
}

// count is a number of items that follow, each of at least one byte.
func (d *stateReader) count() int {
	n := d.number()
	if n > len(d.b) || n > maxInstances {
		d.bad = true
		return 0
	}
	return n
}

// instance finds an instance by its map index; nil when there is none.
func (t *TaskStates) instance(mapIndex int) *Instance {
	switch {
	case !t.Mapped && mapIndex == -1:
		return &t.Instances[0]
	case t.Mapped && mapIndex >= 0 && mapIndex < len(t.Instances):
		return &t.Instances[mapIndex]
	}
	return nil
}

// mapIndex is the map index of the i-th instance.
func (t *TaskStates) mapIndex(i int) int {
	if t.Mapped {
		return i
	}
	return -1
}

// summary is the state of a task as a whole: of its one instance, or of all elements together.
func (t *TaskStates) summary() State {
	if len(t.Instances) == 1 {
		return t.Instances[0].State
	}
	var n [len(stateOrder)]int
	for _, in := range t.Instances {
		for i, s := range stateOrder {
			if in.State == s {
				n[i]++
			}
		}
	}
	for i, s := range stateOrder {
		if n[i] > 0 {
			return s
		}
	}
	return Skipped // no element
}

// open tells whether an instance is unfinished.
func (t *TaskStates) open() bool {
	for i := range t.Instances {
		if !t.Instances[i].State.Terminal() {
			return true
		}
	}
	return false
}

// stateOrder says which state of an element speaks for a mapped task: what is unfinished first, then the worst end.
var stateOrder = [...]State{Running, Restarting, AwaitingInput, UpForRetry, Queued, Scheduled, Deferred, UpForReschedule, None, Failed, UpstreamFailed, Success, Skipped, Removed}

// adapt carries states over to another version of the DAG: tasks that stayed keep theirs, new ones start with none, and what was
// left of tasks that are gone is dropped from the states (their history remains).
func (s RunStates) adapt(from, to []string) RunStates {
	old := make(map[string]TaskStates, len(from))
	for i, id := range from {
		if i < len(s.Tasks) {
			old[id] = s.Tasks[i]
		}
	}
	out := RunStates{DeadlineFired: s.DeadlineFired, Doomed: s.Doomed, Tasks: make([]TaskStates, len(to))}
	for i, id := range to {
		t, ok := old[id]
		if !ok {
			t = TaskStates{Length: -1, Instances: []Instance{{State: None}}}
		}
		out.Tasks[i] = t
	}
	return out
}
