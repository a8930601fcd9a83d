package engine

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// An agenda gives whoever is due, the earliest first, at most so many; those asleep come back when they are roused.
func TestAgenda(t *testing.T) {
	dags := []AnyDAG{New[NoParams]("manual")}
	for _, id := range []string{"a", "b", "c"} {
		dags = append(dags, New[NoParams](id, Schedule("* * * * *", "UTC")))
	}
	dags = append(dags, New[NoParams]("fails", Schedule("* * * * *", "UTC"), MaxConsecutiveFailedRuns(3)))
	for _, d := range dags {
		After(d.(*DAG[NoParams]).Run(), "t", func(_ context.Context, _ Run[NoParams]) (int, error) { return 1, nil })
	}
	catalog, err := Compile(dags...)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2024, 1, 5, 2, 0, 0, 0, time.UTC)
	at := func(s int) time.Time { return now.Add(time.Duration(s) * time.Second) }
	a := newAgenda(catalog)
	take := func(what string, now time.Time, n int, want string) []*appointment {
		t.Helper()
		taken := a.take(now, n)
		var ids []string
		for _, p := range taken {
			ids = append(ids, p.def.Spec.DAG)
		}
		if got := fmt.Sprint(ids); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
		return taken
	}
	all := take("at first", now, 9, "[a b c fails]")
	for i, p := range all {
		p.at = at(40 - 10*i) // c before b before a
	}
	a.put(all)
	take("too early", at(5), 9, "[]")
	two := take("the first two", at(60), 2, "[c fails]")
	two[0].at, two[1].at = at(70), at(70)
	a.put(two)
	a.theirs, a.ours = at(0), at(3600) // this process's clock is an hour ahead
	if rest := a.rest(at(3610), time.Minute); rest != 20*time.Second {
		t.Errorf("rests %s, want the 20 s until b is due", rest)
	}
	a.rouse(func(d *Definition) bool { return d.Spec.DAG != "b" })
	take("roused without b", at(0), 9, "[fails]")
	a.put([]*appointment{two[1]})
	a.rouse(func(*Definition) bool { return true })
	take("b awake again, at once", at(0), 9, "[b fails]")
}
