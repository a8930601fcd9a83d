package dags_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/dags"
	"github.com/tidemill/tidemill/engine"
)

// The definition is looked at without what it stands on, as `tidemill dag` does.
func TestTheDailyDAGIsAsTheArchitectureHasIt(t *testing.T) {
	catalog, err := engine.Compile(dags.DailyTransactions(dags.Platform{}))
	if err != nil {
		t.Fatal(err)
	}
	d, ok := catalog.DAG("daily_transactions")
	if !ok {
		t.Fatal("no DAG of that id")
	}
	s := d.Spec
	if s.Schedule != "0 2 * * *" || s.Zone != "UTC" || !s.Catchup || time.Duration(s.Deadline) != time.Hour {
		t.Errorf("schedule %q in %s, catchup %v, deadline %s", s.Schedule, s.Zone, s.Catchup, time.Duration(s.Deadline))
	}
	var ids []string
	for _, task := range s.Tasks {
		ids = append(ids, task.ID)
		r := task.Retry
		if r.Max != 2 || r.Delay(1, 0) != 5*time.Minute || r.Delay(2, 0) != 10*time.Minute {
			t.Errorf("%s is retried by %+v; want after 5 and 10 minutes", task.ID, r)
		}
	}
	if got := strings.Join(ids, " "); got != "check_data_freshness load_to_postgres dbt_run dbt_test quality_metrics audit" {
		t.Errorf("tasks: %s", got)
	}
}

func TestTheStreamIsWellFormed(t *testing.T) {
	s := dags.BronzeIngest(dags.Platform{})
	if err := s.Check(); err != nil || s.Name() != "bronze_ingest" {
		t.Errorf("stream %s: %v", s.Name(), err)
	}
}

func TestTheLakeIsCompactedAfterTheDaysLoad(t *testing.T) {
	catalog, err := engine.Compile(dags.LakeCompaction(dags.Platform{}))
	if err != nil {
		t.Fatal(err)
	}
	d, ok := catalog.DAG("lake_compaction")
	if !ok || d.Spec.Schedule != "30 4 * * *" || d.Spec.Zone != "UTC" || d.Spec.Catchup || len(d.Spec.Tasks) != 1 {
		t.Errorf("the DAG is %+v", d.Spec)
	}
}

func TestBronzeIsRetainedAfterTheDaysLoad(t *testing.T) {
	catalog, err := engine.Compile(dags.BronzeRetention(dags.Platform{BronzeMonths: 2}))
	if err != nil {
		t.Fatal(err)
	}
	d, ok := catalog.DAG("bronze_retention")
	if !ok || d.Spec.Schedule != "0 5 * * *" || d.Spec.Zone != "UTC" || d.Spec.Catchup || len(d.Spec.Tasks) != 1 {
		t.Errorf("the DAG is %+v", d.Spec)
	}
}
