package cli

import (
	"context"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/engine"
)

// What is about a virtual node is told of it alone: its lines, its SQL, the rows that it has found.
func TestAVirtualNodeTellsItsOwn(t *testing.T) {
	d := engine.New[engine.NoParams]("gold")
	engine.Sink(d.Run(), "dbt", func(ctx context.Context, _ engine.Run[engine.NoParams]) error {
		cell := "12.30"
		for _, node := range []string{"one", "two"} {
			engine.Log(ctx).Info("began "+node, "node", "model."+node)
			engine.Keep(ctx, engine.Attachment{Node: "model." + node, Name: "compiled.sql", Text: "select '" + node + "'\n\tas name"})
		}
		engine.Keep(ctx, engine.Attachment{Node: "model.two", Name: "failing_rows", Table: &engine.Table{Columns: []string{"id", "amount"}, Rows: [][]*string{{nil, &cell}}, Found: 7}})
		engine.Log(ctx).Info("the end")
		return engine.Report(ctx, engine.VirtualState{ID: "dbt_one", State: engine.Success, Details: []byte(`{"unique_id":"model.one","rows":3}`)},
			engine.VirtualState{ID: "dbt_two", State: engine.Success, Message: "7 found", Details: []byte(`{"unique_id":"model.two"}`)})
	}, engine.Virtual(nil))
	opts := []Option{DAGs(d)}
	c := newCage(t, opts...)
	if code, _, errOut := c.command(opts, "dag", "trigger", "gold", "--run-id", "r", "--wait"); code != exitDone {
		t.Fatalf("the run ended %d: %s", code, errOut)
	}
	c.wait("the log", func() bool {
		_, out, _ := c.command(opts, "task", "log", "gold", "r", "dbt")
		return strings.Contains(out, "the end")
	})
	for _, l := range []struct {
		args      []string
		code      int
		has, lack []string
	}{
		{[]string{"log", "gold", "r", "dbt"}, exitDone, []string{"began one", "began two"}, []string{"select"}},
		{[]string{"log", "gold", "r", "dbt_two"}, exitDone, []string{"began two"}, []string{"began one", "the end", "select"}},
		{[]string{"show", "gold", "r", "dbt_two"}, exitDone, []string{"dbt_two of gold r: success", "7 found", "select 'two'\n    as name", "id    amount\nnull  12.30", "the first 1 of 7"}, []string{"'one'"}},
		{[]string{"show", "gold", "r", "dbt_one"}, exitDone, []string{`"rows": 3`, "select 'one'"}, []string{"failing_rows", "'two'"}},
		{[]string{"show", "gold", "r", "dbt_one", "--only", "compiled.sql"}, exitDone, []string{"select 'one'\n\tas name\n"}, []string{"success"}},
		{[]string{"show", "gold", "r", "dbt_one", "--only", "failing_rows"}, exitFailed, []string{"this try keeps no failing_rows; it keeps compiled.sql"}, nil},
		{[]string{"show", "gold", "r", "dbt_two", "--json"}, exitDone, []string{`"try_number": 1`, `"found": 7`, `"unique_id": "model.two"`, `"text": "select 'two'\n\tas name"`}, nil},
		{[]string{"show", "gold", "r", "dbt"}, exitDone, []string{"dbt of gold r: success"}, []string{"select"}},
		{[]string{"show", "gold", "r", "dbt_two", "--try", "4"}, exitFailed, []string{"there is no try 4 of dbt; it has 1"}, nil},
	} {
		code, out, errOut := c.command(opts, append([]string{"task"}, l.args...)...)
		if code != l.code {
			t.Errorf("task %v ended %d: %s%s", l.args, code, out, errOut)
		}
		for _, want := range l.has {
			if !strings.Contains(out+errOut, want) {
				t.Errorf("task %v has no %q:\n%s%s", l.args, want, out, errOut)
			}
		}
		for _, not := range l.lack {
			if strings.Contains(out+errOut, not) {
				t.Errorf("task %v has %q:\n%s", l.args, not, out)
			}
		}
	}
}
