package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/tidemill/tidemill/dags"
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
	"github.com/tidemill/tidemill/internal/embedded/pyenv"
	"github.com/tidemill/tidemill/tasks/dbt"
)

// dagTest runs a DAG once in this process, so that a debugger's breakpoints in its bodies work.
func (c *command) dagTest() *cobra.Command {
	var params, logical string
	var answers []string
	cmd := &cobra.Command{
		Use: "test DAG", Short: "Run a DAG once in this process, without a database; its logs come on the terminal", Args: arguments("DAG"),
		Long: "Run a DAG once in this process, without a database for its state. Task bodies run for real and do what they do; waits for retries, sensors and\n" +
			"callbacks pass at once; breakpoints work. It ends with 1 when the run fails.",
		Example: "  tidemill dag test sales --params '{\"day\": \"2024-01-05\"}' --answer release=ship",
		RunE: func(cmd *cobra.Command, args []string) error {
			t := enginetest.Trial{Params: []byte(params), Answers: map[string]string{}}
			for _, a := range answers {
				task, choice, ok := strings.Cut(a, "=")
				if !ok {
					return usage("--answer %q: give TASK=CHOICE", a)
				}
				t.Answers[task] = choice
			}
			if logical != "" {
				at, _, err := engine.ParseDate("logical_date", logical, time.UTC)
				if err != nil {
					return badInput(err)
				}
				t.Logical = &at
			}
			return c.tryDAG(cmd.Context(), args[0], t)
		},
	}
	cmd.Flags().StringVar(&params, "params", "", "the run's params, a JSON object")
	cmd.Flags().StringVar(&logical, "logical-date", "", "logical date of the run (default: none)")
	cmd.Flags().StringArrayVar(&answers, "answer", nil, "TASK=CHOICE: the answer to a question; may be given several times")
	return c.reads(cmd)
}

func (c *command) tryDAG(ctx context.Context, dag string, t enginetest.Trial) (err error) {
	log := c.logger()
	ground, done, err := c.ground(ctx, dag, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	runners, err := c.runnersFor(ctx, dag, log)
	defer func() { err = errors.Join(err, closeRunners(runners)) }()
	if err != nil {
		return err
	}
	all, _, err := c.program.compile(ground, runners...)
	if err != nil {
		return err
	}
	catalog, err := all.Only(dag)
	if err != nil {
		return err
	}
	t.Log, t.Secrets = slog.New(withoutEngine{log.Handler()}), c.program.secrets()
	seen := told{}
	t.Watch = func(v engine.RunView) { c.tellStates(v, seen) }
	o, err := enginetest.Try(ctx, catalog, dag, t)
	if err != nil {
		return badInput(err)
	}
	c.tellStates(o.RunView, seen)
	if err := c.show(runDetail(o.RunView), func(w io.Writer) {
		fmt.Fprintf(w, "\n%s  %s\n", dag, o.Run.State)
		for _, tv := range o.Tasks {
			row(w, "  "+taskName(tv), string(tv.State), tv.Error)
		}
	}); err != nil {
		return err
	}
	if o.Run.State == engine.RunFailed {
		return fmt.Errorf("the run of %s failed", dag)
	}
	return nil
}

// ground is what the DAG stands on: the reference pipeline's works on the lake and the warehouse that this home folder has.
func (c *command) ground(ctx context.Context, dag string, log *slog.Logger) (dags.Platform, func() error, error) {
	bare := dags.Platform{Log: log, BronzeMonths: c.config.bronzeMonths()}
	nothing := func() error { return nil }
	own := slices.ContainsFunc(slices.Concat(c.program.dags, c.program.projectDAGs(nil)), func(d engine.AnyDAG) bool {
		catalog, err := engine.Compile(d)
		return err == nil && catalog.IDs()[0] == dag
	})
	if own || !c.program.reference {
		return bare, nothing, nil
	}
	s, err := findServices(c.config)
	if err != nil {
		return bare, nothing, fmt.Errorf("%s works on the warehouse: %w", dag, err)
	}
	env, err := pyenv.Ensure(ctx, withProgress(c.config.venv(), func(line string) { fmt.Fprintln(c.err, line) }))
	if err != nil {
		return bare, nothing, err
	}
	p, err := newPlatform(ctx, c.config, s, env, log)
	if err != nil {
		return bare, nothing, err
	}
	return p.Platform, p.close, nil
}

// runnersFor are those of the program's dbt projects where a DAG of theirs is tried: it works on the warehouse.
func (c *command) runnersFor(ctx context.Context, dag string, log *slog.Logger) ([]*dbt.Runner, error) {
	catalog, err := engine.Compile(c.program.projectDAGs(nil)...)
	if err != nil {
		return nil, nil //nolint:nilerr // what is wrong with them is said where all DAGs are compiled
	}
	if _, ok := catalog.DAG(dag); !ok {
		return nil, nil
	}
	s, err := findServices(c.config)
	if err != nil {
		return nil, fmt.Errorf("%s works on the warehouse: %w", dag, err)
	}
	return c.program.runners(ctx, c.config, s.WarehouseURL, func(line string) { fmt.Fprintln(c.err, line) }, log)
}

// told is what has been said of a try: a sensor that looks again and again is in the same states each time.
type told map[toldState]bool

type toldState struct {
	engine.TaskKey
	try   int
	state engine.State
}

// tellStates says which tasks have come to a state that they have not been in before in the same try.
func (c *command) tellStates(v engine.RunView, seen told) {
	for _, tv := range v.Tasks {
		at := toldState{tv.TaskKey, tv.Try, tv.State}
		if tv.State == engine.None || seen[at] {
			continue
		}
		seen[at] = true
		line := taskName(tv) + "  " + string(tv.State)
		if tv.Error != "" && tv.State.Terminal() {
			line += "  " + tv.Error
		}
		if every := pokeEvery(v.Spec, tv.Task); tv.State == engine.UpForReschedule && every > 0 {
			line += "  waits, looks again every " + every.String()
		}
		fmt.Fprintln(c.err, line)
	}
}

// pokeEvery is how often a sensor looks; 0 for other tasks.
func pokeEvery(spec engine.Spec, task string) time.Duration {
	for _, t := range spec.Tasks {
		if t.ID == task {
			return time.Duration(t.PokeEvery)
		}
	}
	return 0
}

// taskName is a task instance as people write it: load, load[2], with the element's name where it has one.
func taskName(tv engine.TaskView) string {
	name := instanceName(tv.Task, tv.MapIndex)
	if tv.Name != "" {
		name += " (" + tv.Name + ")"
	}
	return name
}
