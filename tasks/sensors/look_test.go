package sensors_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidemill/tidemill/internal/testkit"
	"github.com/tidemill/tidemill/tasks/httptask"
	"github.com/tidemill/tidemill/tasks/sensors"
	"github.com/tidemill/tidemill/tasks/sqltask"
)

func TestSQL(t *testing.T) {
	t.Parallel()
	db, err := pgxpool.New(context.Background(), testkit.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	if _, err := db.Exec(t.Context(), "CREATE TABLE loads (day text, rows int)"); err != nil {
		t.Fatal(err)
	}
	type load struct {
		Day  string
		Rows int
	}
	poke := sensors.SQL[load](db, func(day string) sqltask.Statement {
		return sqltask.Statement{SQL: "SELECT day, rows FROM loads WHERE day = $1 AND rows > 0 ORDER BY rows", Args: []any{day}}
	})
	if _, ready, err := poke(t.Context(), "monday"); ready || err != nil {
		t.Errorf("before: %v, %v", ready, err)
	}
	if _, err := db.Exec(t.Context(), "INSERT INTO loads VALUES ('monday', 0), ('monday', 3), ('monday', 2)"); err != nil {
		t.Fatal(err)
	}
	if l, ready, err := poke(t.Context(), "monday"); !ready || err != nil || l != (load{"monday", 2}) {
		t.Errorf("after: %+v, %v, %v", l, ready, err)
	}
	if n := db.Stat().AcquiredConns(); n != 0 {
		t.Errorf("%d connections are held between pokes", n)
	}
	writes := sensors.SQL[int](db, func(string) sqltask.Statement {
		return sqltask.Statement{SQL: "INSERT INTO loads VALUES ('x', 1) RETURNING rows"}
	})
	if _, ready, err := writes(t.Context(), ""); ready || !isPermanent(err) || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("a sensor that writes: %v, %v", ready, err)
	}
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	type job struct {
		State string `json:"state"`
	}
	var status atomic.Int64
	var state atomic.Value
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(int(status.Load()))
		fmt.Fprintf(w, `{"state": %q}`, state.Load())
	}))
	t.Cleanup(s.Close)
	ask := func(id string) httptask.Request { return httptask.Request{URL: "/jobs/" + id} }
	poke := sensors.HTTP(&httptask.Client{Base: s.URL}, ask, func(j job) bool { return j.State == "done" })
	strict := sensors.HTTP(&httptask.Client{Base: s.URL}, ask, func(j job) bool { return j.State == "done" }, http.StatusConflict)
	whatever := sensors.HTTP[job](&httptask.Client{Base: s.URL}, ask, nil)
	for _, c := range []struct {
		poke   func(context.Context, string) (job, bool, error)
		status int
		state  string
		ready  bool
		err    bool
	}{
		{poke, 200, "done", true, false},
		{poke, 200, "running", false, false},
		{poke, 202, "done", false, false},
		{poke, 404, "", false, false},
		{poke, 429, "", false, false},
		{poke, 503, "", false, false},
		{poke, 500, "", false, true},
		{poke, 401, "", false, true},
		{strict, 409, "", false, false},
		{strict, 404, "", false, true},
		{strict, 202, "done", true, false},
		{whatever, 200, "running", true, false},
	} {
		status.Store(int64(c.status))
		state.Store(c.state)
		j, ready, err := c.poke(t.Context(), "7")
		if ready != c.ready || (err != nil) != c.err || ready && j.State != c.state {
			t.Errorf("%d %s: %+v, %v, %v", c.status, c.state, j, ready, err)
		}
	}
}
