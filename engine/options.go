package engine

import (
	"fmt"
	"time"
)

// DefaultQueue is the queue of tasks that name none. Every worker serves it unless told otherwise.
const DefaultQueue = "default"

// A DAGOption sets something of a DAG.
type DAGOption interface{ applyDAG(*graph) }

// A TaskOption sets something of a task.
type TaskOption interface{ applyTask(*Task) }

// An Option fits DAGs and tasks.
type Option interface {
	DAGOption
	TaskOption
}

type dagOption func(*graph)

func (o dagOption) applyDAG(g *graph) { o(g) }

type taskOption func(*Task)

func (o taskOption) applyTask(t *Task) { o(t) }

type bothOption struct {
	dag  func(*graph)
	task func(*Task)
}

func (o bothOption) applyDAG(g *graph) { o.dag(g) }
func (o bothOption) applyTask(t *Task) { o.task(t) }

// Schedule runs the DAG by a cron expression ("0 2 * * *", "@daily"), "@once" or a fixed interval ("@every 90s") in a time
// zone ("UTC", "Europe/Zurich"; "" is UTC). The logical date of a run is the start of its data interval; it is due at its end.
func Schedule(spec, zone string) DAGOption {
	return dagOption(func(g *graph) {
		if zone == "" {
			zone = "UTC"
		}
		g.spec.Schedule, g.spec.Zone = spec, zone
		_, err := ParseSchedule(spec, zone)
		g.failEach(g.where, "", err)
	})
}

// OnTimetable runs the DAG by a calendar of your own, in the place of [Schedule]. name tells people what it is; zone is that of the DAG's
// days ("" is UTC).
func OnTimetable(t Timetable, name, zone string) DAGOption {
	return dagOption(func(g *graph) {
		if zone == "" {
			zone = "UTC"
		}
		if t == nil || name == "" {
			g.fail(g.where, "OnTimetable: give a timetable and a name for people")
		}
		if _, err := LoadZone(zone); err != nil {
			g.fail(g.where, "%v", err)
		}
		g.timetable, g.spec.Schedule, g.spec.Zone = t, name, zone
	})
}

// Catchup runs each interval that was missed while nothing ran, from the start date on. Without it at most the latest is run.
func Catchup() DAGOption { return dagOption(func(g *graph) { g.spec.Catchup = true }) }

// StartDate is the earliest logical date. Without one, a DAG starts when it is first registered.
func StartDate(t time.Time) DAGOption { return dagOption(func(g *graph) { g.spec.StartDate = &t }) }

// EndDate is the last logical date.
func EndDate(t time.Time) DAGOption { return dagOption(func(g *graph) { g.spec.EndDate = &t }) }

// DefaultTask sets options for every task of the DAG that is written after it; a task's own options win.
func DefaultTask(opts ...TaskOption) DAGOption {
	return dagOption(func(g *graph) { g.taskDefaults = append(g.taskDefaults, opts...) })
}

// DefaultRetry is how tasks without a Retry of their own are retried.
func DefaultRetry(r Retry) DAGOption { return DefaultTask(r) }

// Deadline is how long after its queueing a run should be over. When it is not, OnDeadline and run.deadline_missed fire, once;
// the run goes on.
func Deadline(d time.Duration) DAGOption {
	return dagOption(func(g *graph) {
		if d <= 0 {
			g.fail(g.where, "Deadline(%s): must be above 0", d)
		}
		g.spec.Deadline = Duration(d)
	})
}

// RunTimeout is how long a run may take from its start. Then it fails: what runs is cancelled, what has not begun is skipped, and
// teardowns still run.
func RunTimeout(d time.Duration) DAGOption {
	return dagOption(func(g *graph) {
		if d <= 0 {
			g.fail(g.where, "RunTimeout(%s): must be above 0", d)
		}
		g.spec.RunTimeout = Duration(d)
	})
}

// DependsOnPast holds the task until its instance in the run of the logical date before has succeeded or was skipped. The first run
// passes. With catchup off, older scheduled runs that failed are looked past.
func DependsOnPast() TaskOption {
	return taskOption(func(t *Task) { t.spec.DependsOnPast = true })
}

// WaitForDownstream is [DependsOnPast], and asks the same of the tasks that directly follow this one.
func WaitForDownstream() TaskOption {
	return taskOption(func(t *Task) { t.spec.DependsOnPast, t.spec.WaitForDownstream = true, true })
}

// MaxActiveRuns is how many runs of the DAG may be running at once; the default is 16. Backfills count apart.
func MaxActiveRuns(n int) DAGOption {
	return dagOption(func(g *graph) {
		if n < 1 {
			g.fail(g.where, "MaxActiveRuns(%d): must be at least 1", n)
		}
		g.spec.MaxActiveRuns = n
	})
}

// MaxActiveTasks is how many tasks of the DAG may be running at once, over all its runs and all processes; [Unlimited] for no
// limit. The default of 16 is held by each process.
func MaxActiveTasks(n int) DAGOption {
	return dagOption(func(g *graph) {
		if n < 1 && n != Unlimited {
			g.fail(g.where, "MaxActiveTasks(%d): must be at least 1, or engine.Unlimited", n)
		}
		g.spec.MaxActiveTasks, g.exactTasks = n, n != Unlimited
	})
}

// Weight is the DAG's share of a worker's slots beside other DAGs with ready tasks: 2 gets twice as many as 1, which is the default. No
// DAG gets nothing.
func Weight(n int) DAGOption {
	return dagOption(func(g *graph) {
		if n < 1 || n > 1000 {
			g.fail(g.where, "Weight(%d): must be 1 to 1000", n)
		}
		g.spec.Weight = n
	})
}

// MaxConsecutiveFailedRuns pauses the DAG when so many of its scheduled runs in a row have failed.
func MaxConsecutiveFailedRuns(n int) DAGOption {
	return dagOption(func(g *graph) {
		if n < 1 {
			g.fail(g.where, "MaxConsecutiveFailedRuns(%d): must be at least 1", n)
		}
		g.spec.MaxFailedRuns = n
	})
}

// Tags are words by which people find the DAG.
func Tags(tags ...string) DAGOption {
	return dagOption(func(g *graph) { g.spec.Tags = append(g.spec.Tags, tags...) })
}

// Owners are the people to ask.
func Owners(names ...string) DAGOption {
	return dagOption(func(g *graph) { g.spec.Owners = append(g.spec.Owners, names...) })
}

// FailOnAnyTask makes a run failed when any of its tasks failed, even if all its leaves succeeded.
func FailOnAnyTask() DAGOption { return dagOption(func(g *graph) { g.spec.FailOnAnyTask = true }) }

// Doc says what the DAG or the task is for.
func Doc(text string) Option {
	return bothOption{func(g *graph) { g.spec.Doc = text }, func(t *Task) { t.spec.Doc = text }}
}

// Waits makes the task wait for others without reading what they yield. A group stands for all its tasks.
func Waits(on ...Edge) TaskOption {
	return taskOption(func(t *Task) {
		for i, e := range on {
			n := handleOf(e)
			switch {
			case n == nil:
				t.g.fail(t.where, "task %q: Waits: argument %d is a zero handle", t.spec.ID, i+1)
			case n.g != t.g:
				t.g.fail(t.where, "task %q: Waits: argument %d belongs to DAG %s; a task takes handles of one DAG only", t.spec.ID, i+1, n.g.spec.DAG)
			case n.kind != runNode:
				t.waits = append(t.waits, n)
			}
		}
	})
}

// Rule is the task's trigger rule over what it Waits for and what it reads as Settled. It is refused on a task with a value edge:
// that would hand the body a zero value.
func Rule(r TriggerRule) TaskOption {
	return taskOption(func(t *Task) {
		if !r.Valid() {
			t.g.fail(t.where, "task %q: there is no trigger rule %q", t.spec.ID, r)
		}
		t.spec.Rule, t.ruleSet = r, true
	})
}

// Timeout is how long an attempt may take. Its context is cancelled then and it ends as timed_out.
func Timeout(d time.Duration) TaskOption {
	return taskOption(func(t *Task) {
		if d <= 0 {
			t.g.fail(t.where, "task %q: Timeout(%s): must be above 0", t.spec.ID, d)
		}
		t.timeout, t.spec.Timeout = d, Duration(d)
	})
}

// MaxActive is how many instances of the task may be running at once, over all runs and processes.
func MaxActive(n int) TaskOption {
	return taskOption(func(t *Task) {
		if n < 1 {
			t.g.fail(t.where, "task %q: MaxActive(%d): must be at least 1", t.spec.ID, n)
		}
		t.spec.MaxActive = n
	})
}

// InPool makes each instance of the task take slots of a pool while it runs, one unless told otherwise: a number of slots that tasks of
// any DAG share. Pools are made by the API, the UI or [Control.SetPool]; one that there is not has no slots.
func InPool(name string, slots ...int) TaskOption {
	return taskOption(func(t *Task) {
		if err := checkID("pool", name); err != nil {
			t.g.fail(t.where, "task %q: %v", t.spec.ID, err)
		}
		t.spec.Pool, t.spec.PoolSlots = name, 1
		if len(slots) > 0 {
			t.spec.PoolSlots = slots[0]
		}
		if len(slots) > 1 || t.spec.PoolSlots < 1 {
			t.g.fail(t.where, "task %q: InPool(%q, %v): give one number of slots, at least 1", t.spec.ID, name, slots)
		}
	})
}

// Queue names which workers may run the task: those that serve the queue.
func Queue(name string) TaskOption {
	return taskOption(func(t *Task) {
		if err := checkID("queue", name); err != nil {
			t.g.fail(t.where, "task %q: %v", t.spec.ID, err)
		}
		t.spec.Queue = name
	})
}

// Priority orders the ready tasks of a DAG: higher first. The default is 0.
func Priority(n int) TaskOption { return taskOption(func(t *Task) { t.spec.Priority = n }) }

// Exclusive makes a worker that cannot reach the store cancel the task after 10 s, well before another takes it over.
func Exclusive() TaskOption {
	return taskOption(func(t *Task) { t.exclusive, t.spec.Exclusive = true, true })
}

// Virtual marks the task as the runner of nodes that it reports by [Report], such as the models of a dbt project. known returns
// those nodes as far as they are known beforehand; it may be nil.
func Virtual(known func() []VirtualSpec) TaskOption {
	return taskOption(func(t *Task) {
		t.spec.HasVirtual = true
		t.virtual = known
	})
}

func (r Retry) applyTask(t *Task) {
	t.g.failEach(t.where, fmt.Sprintf("task %q: ", t.spec.ID), r.Validate())
	t.retry, t.spec.Retry = &r, r
}

// A Group is a task group: given as an option it puts the task into the group (its id gets the group's id and a dot before it);
// given to [Waits] it stands for all its tasks.
type Group struct {
	n *node
}

func (g Group) handle() *node { return g.n }

func (g Group) applyTask(t *Task) {
	switch {
	case g.n == nil:
		t.g.fail(t.where, "task %q: zero Group; make one with NewGroup", t.spec.ID)
	case g.n.g != t.g:
		t.g.fail(t.where, "task %q: its group belongs to DAG %s", t.spec.ID, g.n.g.spec.DAG)
	default:
		t.spec.Group = g.n.group
	}
}

// NewGroup makes a task group; parent is the run, or a group that holds the new one.
func NewGroup(parent Edge, id string) Group {
	where, n := caller(), handleOf(parent)
	if n == nil {
		stray.add(&DefinitionError{DAG: "?", Where: where, Err: &InvalidError{Field: "group " + id, Message: "its parent is a zero handle; pass d.Run() or a group"}})
		return Group{}
	}
	full := id
	if n.kind == groupNode {
		full = n.group + "." + id
	} else if n.kind != runNode {
		n.g.fail(where, "group %q: its parent is a task; pass d.Run() or a group", id)
	}
	if err := checkID("group id", full); err != nil {
		n.g.fail(where, "%v", err)
	}
	for _, g := range n.g.groups {
		if g.ID == full {
			n.g.fail(where, "group id %q is taken", full)
		}
	}
	n.g.groups = append(n.g.groups, GroupSpec{ID: full, Parent: n.group})
	return Group{&node{g: n.g, kind: groupNode, group: full}}
}
