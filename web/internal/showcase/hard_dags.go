package showcase

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// The ids of the DAGs that are hard to show.
const (
	Wide   = "warehouse" // hundreds of tasks in groups of groups
	Many   = "invoices"  // a thousand mapped elements
	Often  = "heartbeat" // hundreds of runs
	States = "every_state"
	Params = "every_param"
)

// Long is an id as long as ids may be.
var Long = strings.Repeat("a_very_long_id.without-a-place-to-break_", 7)[:250]

// EveryParam has a field of every kind that forms know.
type EveryParam struct {
	Text    string            `json:"text" maxLength:"200" doc:"Any text, such as a merchant's name; it may be long, and so may what is said about it here, which goes over more than a line"`
	Whole   int64             `json:"whole" default:"7" min:"1" doc:"How many"`
	Number  float64           `json:"number" default:"0.25" min:"0" max:"1"`
	Yes     bool              `json:"yes" default:"true" doc:"Whether"`
	Choice  string            `json:"choice" default:"fast" enum:"fast,thorough" doc:"How it goes about it"`
	Code    string            `json:"code,omitempty" pattern:"^[A-Z]{3}[0-9]+$" doc:"Three capitals and a number"`
	At      time.Time         `json:"at" default:"2026-03-01T02:00:00Z" doc:"From when"`
	List    []string          `json:"list" default:"a,b" pattern:"^[a-z]+$" maxLength:"5" doc:"What to take"`
	Numbers []int             `json:"numbers"`
	Map     map[string]string `json:"map"`
	Inner   struct {
		A int    `json:"a" default:"1"`
		B string `json:"b"`
	} `json:"inner" doc:"Something nested"`
	Level                                         *int    `json:"level" min:"1" doc:"May be none"`
	Sure                                          *bool   `json:"sure" doc:"Yes, no, or not said"`
	Kind                                          *string `json:"kind" enum:"a,b"`
	AVeryLongNameOfAParamThatSomebodyHasThoughtOf *string `json:"a_very_long_name_of_a_param_that_somebody_has_thought_of"`
}

// HardCatalog compiles the DAGs that are hard to show.
func HardCatalog() (*engine.Catalog, error) {
	return engine.Compile(wide(), many(), often(), everyState(), everyParam(), long())
}

func nothing(context.Context, run) (int, error) { return 0, nil }
func next(context.Context, int) (int, error)    { return 0, nil }

// wide has 8 areas of 5 groups of 8 tasks, each of which follows the one before.
func wide() engine.AnyDAG {
	d := engine.New[engine.NoParams](Wide, engine.Schedule("30 4 * * 1-5", "America/New_York"), engine.Owners("data-platform", "finance", "risk"),
		engine.Tags("gold", "warehouse", "nightly", "sla", "tier-1", "europe", "americas"))
	for a := range 8 {
		area := engine.NewGroup(d.Run(), fmt.Sprintf("area_%d", a))
		for g := range 5 {
			group := engine.NewGroup(area, fmt.Sprintf("subject_%d", g))
			at := engine.After(d.Run(), "extract", nothing, group)
			for i := range 7 {
				at = engine.After(at, fmt.Sprintf("transform_step_%d", i), next, group)
			}
		}
	}
	return d
}

func many() engine.AnyDAG {
	d := engine.New[engine.NoParams](Many)
	list := engine.After(d.Run(), "list", func(context.Context, run) ([]int, error) { return nil, nil })
	each := engine.Map(list, "send_invoice", next, engine.Retry{Max: 2})
	engine.Sink(each, "report", func(context.Context, []int) error { return nil })
	return d
}

func often() engine.AnyDAG {
	d := engine.New[engine.NoParams](Often, engine.Schedule("*/30 * * * *", "UTC"))
	engine.After(engine.After(d.Run(), "probe", nothing), "record", next)
	return d
}

func everyState() engine.AnyDAG {
	d := engine.New[engine.NoParams](States, engine.Doc("A task in every state that there is."))
	done := engine.After(d.Run(), "success", nothing)
	for _, s := range []engine.State{engine.None, engine.Scheduled, engine.Queued, engine.Running, engine.Failed, engine.Skipped, engine.UpstreamFailed, engine.UpForRetry, engine.Restarting, engine.UpForReschedule, engine.Deferred, engine.AwaitingInput, engine.Removed} {
		engine.After(done, string(s), next, engine.Retry{Max: 3})
	}
	engine.After(done, "dbt", next, engine.Virtual(func() []engine.VirtualSpec { return nil }))
	return d
}

func everyParam() engine.AnyDAG {
	d := engine.New[EveryParam](Params, engine.Schedule("@daily", "UTC"))
	engine.After(d.Run(), "only", func(context.Context, engine.Run[EveryParam]) (int, error) { return 0, nil })
	return d
}

func long() engine.AnyDAG {
	d := engine.New[engine.NoParams](Long, engine.Schedule("@hourly", "UTC"), engine.Doc(strings.Repeat("It does what it says, and says it at length. ", 20)), engine.Tags(Long[:80]), engine.Owners(Long[:120]))
	a := engine.After(d.Run(), Long[:248]+".a", nothing)
	engine.After(a, Long[:248]+".b", next)
	return d
}
